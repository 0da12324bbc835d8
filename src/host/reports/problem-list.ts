import type { FindingCode } from '../../core/report/findings.js';
import { type Severity, severityRank } from '../../core/report/severity.js';
import type { Finding, Report } from '../../core/report/types.js';
import { shorten, visible } from '../../core/text/names.js';

/** A row of the Problems panel. */
export interface Problem {
	/** Name in the report; undefined for a problem of the whole model. */
	readonly layer: string | undefined;
	readonly code: FindingCode;
	readonly severity: Severity;
	readonly message: string;
}

const MAX_NAME = 120;
const MAX_MESSAGE = 500;
/** Returns one problem per layer and code. Its severity is the worst of its findings. */
export function problemsOf(report: Report): Problem[] {
	return [...group(report.findings, undefined), ...report.layers.flatMap((layer) => group(layer.findings, layer.name))];
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
	return visible(shorten(text, length));
}
