import { coverage, describeGap } from '../../core/report/coverage.js';
import type { FindingCode } from '../../core/report/findings.js';
import { type Severity, severityRank } from '../../core/report/severity.js';
import type { Finding, Report } from '../../core/report/types.js';
import { inert, shorten } from '../../core/text/names.js';

/** A row of the Problems panel. */
export interface Problem {
	/** Name in the report; undefined for the whole model. */
	readonly layer: string | undefined;
	/** `not-checked`: a check that could not be made. */
	readonly code: FindingCode | 'not-checked';
	readonly severity: Severity;
	readonly message: string;
}

const MAX_NAME = 120;
const MAX_MESSAGE = 500;

/**
 * Returns a problem for each layer and code, with the worst severity of its findings. Layers that were not checked
 * share a problem for each reason.
 */
export function problemsOf(report: Report): Problem[] {
	return [
		...group(report.findings, undefined),
		...report.layers.flatMap((layer) => group(layer.findings, layer.name)),
		...notChecked(report),
	];
}

/** A model without layers is no problem: most deployed models have none. */
function notChecked(report: Report): Problem[] {
	const { layers } = report;
	return (layers.length === 0 ? [] : coverage(report).gaps).map((gap) => ({
		layer: gap.layers.length === 1 ? gap.layers[0] : undefined,
		code: 'not-checked',
		severity: gap.isNotTaken ? 'info' : 'warning',
		message: plain(describeGap(gap, layers.length), MAX_MESSAGE),
	}));
}

function group(findings: readonly Finding[], layer: string | undefined): Problem[] {
	const codes = new Map<FindingCode, Finding[]>();
	for (const finding of findings) {
		codes.set(finding.code, [...(codes.get(finding.code) ?? []), finding]);
	}
	return [...codes].map(([code, same]) => ({
		layer,
		code,
		severity: same.map(({ severity }) => severity).reduce(worse),
		message: [
			...(layer === undefined ? [] : [`${plain(layer, MAX_NAME)}:`]),
			...same.map(({ message }) => plain(message, MAX_MESSAGE)),
		].join(' '),
	}));
}

function worse(a: Severity, b: Severity): Severity {
	return severityRank(a) >= severityRank(b) ? a : b;
}

function plain(text: string, length: number): string {
	return inert(shorten(text, length));
}
