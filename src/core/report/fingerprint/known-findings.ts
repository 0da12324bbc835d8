import {
	acceptFindings,
	type BaselineEntry,
	type IdentifiedFinding,
	judge,
	type KnownFinding,
	numberRepeats,
} from '../baseline.js';
import { coverage } from '../coverage.js';
import { FINDING_CODES, type FindingCode, needsRun } from '../findings.js';
import type { Finding, LayerReport, Report } from '../types.js';
import { Fingerprint, layerFingerprint } from './fingerprint.js';

/** Identifiers of the model's findings, and of each layer's findings, in the order of the report. */
export interface FindingIds {
	readonly model: readonly string[];
	readonly layers: readonly (readonly string[])[];
}

/**
 * Returns identifiers that stay the same when layers are renamed or reordered, and on another machine. They depend on the rule
 * and on the parameters and structure of the layer, not on measured numbers.
 */
export function findingIds({ findings, layers }: Report): FindingIds {
	const own = findings.map((finding) => findingId(finding, ''));
	const ofLayers = layers.map((layer) => {
		const content = layer.findings.length === 0 ? '' : contentOf(layer);
		return layer.findings.map((finding) => findingId(finding, content));
	});
	const numbered = numberRepeats([...own, ...ofLayers.flat()]);
	let next = own.length;
	return {
		model: numbered.slice(0, own.length),
		layers: ofLayers.map((ids) => {
			next += ids.length;
			return numbered.slice(next - ids.length, next);
		}),
	};
}

function findingId({ code, meaning }: Finding, content: string): string {
	return new Fingerprint()
		.text(code)
		.text(meaning ?? '')
		.text(content)
		.digits();
}

function contentOf(layer: LayerReport): string {
	return layerFingerprint({ ...layer, source: layer.source?.op });
}

/** Returns the report with its known findings marked, and the result. @param entry undefined: no finding is known */
export function applyBaseline(report: Report, entry: BaselineEntry | undefined): Report {
	const ids = findingIds(report);
	const { known, result } = judge(identified(report, ids), entry, lookedFor(report));
	const mark = (findings: readonly Finding[], own: readonly string[]): Finding[] =>
		findings.map((finding, index) => (known.has(own[index] ?? '') ? { ...finding, known: true } : finding));
	return {
		...report,
		findings: mark(report.findings, ids.model),
		layers: report.layers.map((layer, index) => ({
			...layer,
			findings: mark(layer.findings, ids.layers[index] ?? []),
		})),
		baseline: result,
	};
}

function identified({ findings, layers }: Report, ids: FindingIds): IdentifiedFinding[] {
	const pair = (own: readonly Finding[], names: readonly string[]) =>
		own.map(({ severity }, index) => ({ id: names[index] ?? '', severity }));
	return [
		...pair(findings, ids.model),
		...layers.flatMap((layer, index) => pair(layer.findings, ids.layers[index] ?? [])),
	];
}

/**
 * Returns the findings for the baseline. Keeps findings of the earlier entry that this report could not have found, for
 * example because the model was not run.
 */
export function acceptedFindings(report: Report, earlier: BaselineEntry | undefined): readonly KnownFinding[] {
	const ids = findingIds(report);
	const known = (finding: Finding, id: string, layer?: string): KnownFinding => ({
		id,
		code: finding.code,
		severity: finding.severity,
		...(layer !== undefined && { layer }),
		message: finding.message,
	});
	const found = [
		...report.findings.map((finding, index) => known(finding, ids.model[index] ?? '')),
		...report.layers.flatMap(({ name, findings }, layer) =>
			findings.map((finding, index) => known(finding, ids.layers[layer]?.[index] ?? '', name)),
		),
	];
	return acceptFindings(found, earlier, lookedFor(report));
}

/** Returns the test of findings that the inspection would have found again. */
function lookedFor(report: Report): (known: KnownFinding) => boolean {
	const { run } = report;
	const isWhole = coverage(report).extent === 'whole';
	return ({ code }) => {
		switch (code) {
			case 'statistics-drift':
				return isWhole && run.status === 'ok' && run.data !== undefined;
			case 'runtime-fusion-mismatch':
				return isWhole && run.milliseconds.compare !== undefined;
			// Values of a run may be NaN although the parameters are finite.
			case 'non-finite':
				return isWhole;
			default:
				return isWhole || !isRunCode(code);
		}
	};
}

function isRunCode(code: string): boolean {
	return FINDING_CODES.includes(code as FindingCode) && needsRun(code as FindingCode);
}
