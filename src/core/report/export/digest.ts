import type { Comparison, LayerComparison } from '../comparison/comparison.js';
import { noiseSentences } from '../comparison/signal.js';
import { causeAdvice, causeTitle, comparisonAnswer, outputSentence } from '../comparison/summary.js';
import { findingWords } from '../findings.js';
import type { JsonObject } from '../json.js';
import { worstSeverity } from '../severity.js';
import { answer, normalizationLine } from '../summary.js';
import type { Finding, LayerReport, Report } from '../types.js';

/** Maximum number of layers listed in a digest. */
const MAX_LAYERS = 20;
/** Maximum number of layers described in a digest of chosen layers. */
const MAX_DETAILED = 5;
/** Maximum number of channels listed for a finding. */
const MAX_CHANNELS = 64;
/** Maximum number of layers named for each kind of finding or cause. */
const MAX_NAMED = 5;

/** Layers to describe, by name or by index as in `layers` of the report, and the place in the list to begin at. */
export interface DigestOptions {
	readonly layers?: readonly (string | number)[];
	/** Index of the first listed layer; default 0. */
	readonly offset?: number;
}

/**
 * Shortens a report to a few kilobytes: the answer, the findings by kind, and a page of layers. For chosen layers it
 * describes parameters and findings instead of the list.
 * @throws {RangeError} with a sentence, for a layer that the report lacks
 */
export function digestReport(report: Report, { layers, offset = 0 }: DigestOptions = {}): JsonObject {
	const { model, run } = report;
	const head = {
		answer: answer(report),
		model: { bytes: model.bytes, format: model.format ?? 'onnx', opset: model.opset, producer: model.producer },
		run: { status: run.status, ...(run.reason !== undefined && { reason: run.reason }), runtime: run.runtime },
	};
	if (layers !== undefined && layers.length > 0) {
		return { ...head, layers: chosen(report.layers, layers).map(({ layer, index }) => describeLayer(layer, index)) };
	}
	const normalization = normalizationLine(report);
	return {
		...head,
		...(normalization !== '' && { normalization }),
		findings: findingKinds(report),
		...page(report.layers, offset, (layer, index) => ({
			index,
			name: layer.name,
			channels: layer.channels,
			recompute: layer.recompute.status,
			findings: [...new Set(layer.findings.map(({ code }) => code))],
		})),
	};
}

/** Shortens a comparison likewise: wrong layers come first, and each cause appears once with its advice. */
export function digestComparison(comparison: Comparison, { layers, offset = 0 }: DigestOptions = {}): JsonObject {
	const head = {
		answer: comparisonAnswer(comparison),
		summary: { ...comparison.summary },
		...(comparison.outputs && {
			outputs: `${outputSentence(comparison.outputs)} ${noiseSentences(comparison)}`.trim(),
		}),
		...(comparison.notes.length > 0 && { notes: [...comparison.notes] }),
	};
	if (layers !== undefined && layers.length > 0) {
		return {
			...head,
			layers: chosen(comparison.layers, layers).map(({ layer, index }) => describeComparison(layer, index)),
		};
	}
	const wrongFirst = comparison.layers
		.map((layer, index) => ({ layer, index }))
		.sort((a, b) => Number(b.layer.status === 'mismatch') - Number(a.layer.status === 'mismatch'));
	return {
		...head,
		causes: causeKinds(comparison.layers),
		...page(wrongFirst, offset, ({ layer, index }) => ({
			index,
			name: layer.name,
			status: layer.status,
			...(layer.cause !== null && { cause: layer.cause, confidence: layer.confidence }),
			...(layer.into && { into: layer.into.name }),
		})),
	};
}

function page<T>(all: readonly T[], offset: number, row: (item: T, index: number) => JsonObject): JsonObject {
	const shown = all.slice(offset, offset + MAX_LAYERS);
	const next = offset + shown.length;
	return {
		layerCount: all.length,
		layers: shown.map((item, index) => row(item, offset + index)),
		...(next < all.length && { nextOffset: next }),
	};
}

function chosen<T extends { readonly name: string }>(
	all: readonly T[],
	wanted: readonly (string | number)[],
): { layer: T; index: number }[] {
	return wanted.slice(0, MAX_DETAILED).map((key) => {
		const index = typeof key === 'number' ? key : all.findIndex(({ name }) => name === key);
		const layer = all[index];
		if (!layer) {
			throw new RangeError(`The model has no BatchNormalization layer ${key}; it has ${all.length} layers.`);
		}
		return { layer, index };
	});
}

function findingKinds({ layers, findings }: Report): JsonObject[] {
	const kinds = new Map<string, { finding: Finding; names: string[]; channels: number; all: Finding[] }>();
	const collect = (finding: Finding, name?: string) => {
		const key = `${finding.code}/${finding.meaning ?? ''}`;
		const kind = kinds.get(key) ?? { finding, names: [], channels: 0, all: [] };
		kinds.set(key, kind);
		kind.all.push(finding);
		kind.channels += finding.channels.length;
		if (name !== undefined && !kind.names.includes(name)) {
			kind.names.push(name);
		}
	};
	for (const finding of findings) {
		collect(finding);
	}
	for (const layer of layers) {
		for (const finding of layer.findings) {
			collect(finding, layer.name);
		}
	}
	return [...kinds.values()].map(({ finding, names, channels, all }) => {
		const { title, advice } = findingWords(finding);
		return {
			code: finding.code,
			title,
			severity: worstSeverity(all) ?? finding.severity,
			layers: names.length,
			channels,
			examples: names.slice(0, MAX_NAMED),
			...(names.length === 0 && { message: finding.message }),
			advice,
		};
	});
}

function causeKinds(layers: readonly LayerComparison[]): JsonObject[] {
	const kinds = new Map<string, LayerComparison[]>();
	for (const layer of layers.filter(({ status }) => status === 'mismatch')) {
		const title = causeTitle(layer);
		kinds.set(title, [...(kinds.get(title) ?? []), layer]);
	}
	return [...kinds].map(([title, [first, ...others]]) => ({
		title,
		layers: others.length + 1,
		examples: [first, ...others].slice(0, MAX_NAMED).flatMap((layer) => layer?.name ?? []),
		...(first && { evidence: first.evidence, ...(first.cause && { advice: causeAdvice(first.cause, first) }) }),
	}));
}

function describeLayer(layer: LayerReport, index: number): JsonObject {
	const { parameters, affine, recompute, foldable } = layer;
	return {
		index,
		name: layer.name,
		graph: layer.graph,
		channels: layer.channels,
		dtype: layer.dtype,
		epsilon: layer.epsilon,
		mode: layer.mode,
		axes: layer.axes,
		source: layer.source && { ...layer.source },
		...(parameters
			? {
					gamma: range(parameters.gamma),
					beta: range(parameters.beta),
					mean: range(parameters.mean),
					variance: range(parameters.variance),
				}
			: { parametersReason: layer.parametersReason ?? '' }),
		...(affine && { scale: range(affine.scale), shift: range(affine.shift) }),
		recompute: {
			status: recompute.status,
			...(recompute.reason !== undefined && { reason: recompute.reason }),
			...(recompute.maxAbs !== undefined && { maxAbs: numberWord(recompute.maxAbs) }),
			...(recompute.bound !== undefined && { bound: numberWord(recompute.bound) }),
		},
		foldable: { into: foldable.into, reasons: [...foldable.reasons] },
		findings: layer.findings.map((finding) => ({
			code: finding.code,
			severity: finding.severity,
			message: finding.message,
			channels: finding.channels.slice(0, MAX_CHANNELS),
			channelCount: finding.channels.length,
			advice: findingWords(finding).advice,
		})),
	};
}

function describeComparison(layer: LayerComparison, index: number): JsonObject {
	return {
		index,
		name: layer.name,
		status: layer.status,
		cause: layer.cause,
		confidence: layer.confidence,
		evidence: layer.evidence,
		...(layer.cause && { advice: causeAdvice(layer.cause, layer) }),
		into: layer.into && { ...layer.into },
		maxAbs: layer.maxAbs === null ? null : numberWord(layer.maxAbs),
		bound: layer.bound === null ? null : numberWord(layer.bound),
		alternatives: layer.alternatives.map(({ causes, confidence }) => ({ causes: [...causes], confidence })),
	};
}

/** Smallest, middle and largest value of shape (channels). */
function range(values: Float64Array): JsonObject {
	const sorted = values.slice().sort();
	return {
		min: numberWord(sorted[0] ?? Number.NaN),
		median: numberWord(sorted[sorted.length >> 1] ?? Number.NaN),
		max: numberWord(sorted[sorted.length - 1] ?? Number.NaN),
	};
}

/** A number, or its name where JSON has none. */
const numberWord = (value: number): number | string => (Number.isFinite(value) ? value : String(value));
