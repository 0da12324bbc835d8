import { behavior, type LayerBehavior } from './behavior.js';
import { type CauseCode, isCauseCode } from './causes.js';
import {
	count,
	type Decoder,
	dictionary,
	fail,
	list,
	literal,
	nullable,
	oneOf,
	optional,
	ReportError,
	real,
	record,
	text,
	values,
} from './decode.js';
import { encodeObject, type JsonObject, type JsonValue, model } from './json.js';
import { type OutputComparison, outputs } from './output-comparison.js';
import type { ChannelValues, ModelSummary } from './types.js';

/**
 * Comparison of an original model with a deployed one: for every BatchNormalization of the original, whether its
 * parameters arrived. The JSON form is fixed by contract. In memory, per-channel numbers are Float64Array.
 */
export const COMPARISON_FORMAT = 'batchnorm-lens.comparison';
export const COMPARISON_VERSION = 1;

export const COMPARISON_STATUSES = ['match', 'mismatch', 'kept', 'unmatched', 'not-identifiable'] as const;

export type ComparisonStatus = (typeof COMPARISON_STATUSES)[number];

/** Deployed operator that a layer was folded into, or that feeds a kept layer. */
export interface FoldedInto {
	/** Name of the node, or a name made from its output. */
	readonly name: string;
	readonly op: string;
	/** Name of the weight tensor. */
	readonly weight: string;
	/** Name of the bias tensor; null: the operator has none. */
	readonly bias: string | null;
}

/** Values per channel, indexed like the BN's parameters, shape (channels); empty if no comparison was possible. */
export interface ChannelComparison {
	/** Least-squares ratio of the deployed to the original weight row; NaN if the original row is zero. */
	readonly weightRatio: ChannelValues;
	/** Residual of that ratio, relative to the deployed row: 0 is an exact multiple, 1 another direction. */
	readonly weightResidual: ChannelValues;
	/** Found minus expected bias. */
	readonly biasError: ChannelValues;
	/** Correct value of weightRatio: s = gamma / sqrt(variance + epsilon). */
	readonly expectedRatio?: ChannelValues;
	/** Largest allowed error of the bias. */
	readonly biasBound?: ChannelValues;
	readonly foundBias?: ChannelValues;
	readonly expectedBias?: ChannelValues;
	/** Largest error of the channel's weights and bias, each divided by its own bound; above 1 is a mismatch. */
	readonly boundRatio?: ChannelValues;
}

/** Another explanation that fits about as well, or less well. */
export interface AlternativeExplanation {
	readonly causes: readonly CauseCode[];
	readonly confidence: number;
}

/** Similarity of the deployed and the original rows of a layer that no formula explains. */
export const SIMILARITY_KINDS = [
	/** Rows point elsewhere: weights of another network or another training run. */
	'other-weights',
	/** The elements of the original rows in another order within each row. */
	'rearranged',
	/** Rows point nearly the same way: fine-tuned, pruned or noisy. */
	'altered',
	/** Some rows were changed; the rest are multiples of the originals. */
	'edited',
	/** Every deployed weight is 0, but not every original one. */
	'zero-weights',
	/** Rows of a single element have no direction. */
	'no-direction',
] as const;

export type SimilarityKind = (typeof SIMILARITY_KINDS)[number];

interface KnownDetails {
	/** Largest error of weights and bias, divided by its bound; of a match. */
	readonly boundRatio?: number;
	/** Channels that the explanation does not cover, ascending. */
	readonly unexplained?: readonly number[];
	/** Channels whose weights do not show their scale, because gamma or the weights are 0; ascending. */
	readonly notIdentifiable?: readonly number[];
	/** `cosine`: median |cos| of the deployed and the original rows; null if no row has a direction. */
	readonly similarity?: { readonly kind: SimilarityKind; readonly cosine: number | null };
	/** Parameters of a kept layer that differ: number of channels, largest relative difference (null: not finite). */
	readonly parameters?: Readonly<Record<string, { readonly channels: number; readonly largest: number | null }>>;
	/** Pairing of the operator: fit of the weights, radius of equal surroundings, other operators that fit as well. */
	readonly pairing?: { readonly rivals: number; readonly radius: number; readonly fit?: number };
	/** Operators behind the layer that the fold took in. */
	readonly together?: readonly string[];
}

/**
 * Numbers behind the evidence. Each field is present only where it applies. A cause code holds the values that belong
 * to that cause, for example `wrong-epsilon: { epsilon: 0.001 }`.
 */
export type LayerDetails = KnownDetails & Readonly<Partial<Record<CauseCode, JsonObject>>>;

export interface LayerComparison {
	/** The BN's display name in the original, unique within the comparison. */
	readonly name: string;
	readonly status: ComparisonStatus;
	readonly into: FoldedInto | null;
	/** Cause of a mismatch, or the rounding found in a match; null without either. */
	readonly cause: CauseCode | null;
	/** All causes, the largest first; `cause` is the first. */
	readonly causes: readonly CauseCode[];
	/** Confidence in the explanation, or in the match, from 0 to 1. */
	readonly confidence: number;
	/** Sentence with the numbers. */
	readonly evidence: string;
	readonly details: LayerDetails;
	readonly alternatives: readonly AlternativeExplanation[];
	/** Largest |deployed - expected| over weights and bias; null without comparison. */
	readonly maxAbs: number | null;
	/** Largest error relative to the expected value. */
	readonly maxRel: number | null;
	/** Largest error in ulps of the deployed weights' type. */
	readonly maxUlp: number | null;
	/** Largest error that type and arithmetic allow. */
	readonly bound: number | null;
	readonly perChannel: ChannelComparison;
	/** Absent in comparisons of earlier versions. */
	readonly behavior?: LayerBehavior;
}

export interface Comparison {
	readonly format: typeof COMPARISON_FORMAT;
	readonly version: typeof COMPARISON_VERSION;
	readonly original: ModelSummary;
	readonly deployed: ModelSummary;
	/** Comparison of each BN of the original, in its graph order. */
	readonly layers: readonly LayerComparison[];
	readonly summary: Readonly<Record<ComparisonStatus, number>>;
	/** Sentences about the whole pair: swapped arguments, unrelated models, pruned layers. */
	readonly notes: readonly string[];
	/** Absent where only the files were compared. */
	readonly outputs?: OutputComparison;
	/**
	 * Name of the first tensor of the original that the deployed model does not compute; null if there is none. Absent if
	 * the values inside the models were not compared.
	 */
	readonly firstDifference?: string | null;
}

/** Counts the layers of each status. */
export function summarize(layers: readonly LayerComparison[]): Record<ComparisonStatus, number> {
	const summary = { match: 0, mismatch: 0, kept: 0, unmatched: 0, 'not-identifiable': 0 };
	for (const layer of layers) {
		summary[layer.status]++;
	}
	return summary;
}

/** The comparison as plain JSON, by the rules of `encodeReport`. */
export function encodeComparison(comparison: Comparison): JsonObject {
	return encodeObject(comparison);
}

/** Limits for layers and small lists, as in json.ts. */
const MAX_LAYERS = 20_000;
const MAX_ENTRIES = 1_000;
/** Nesting of `details`: it is flat by intent. */
const MAX_DEPTH = 6;

const cause: Decoder<CauseCode> = (value, path) => (isCauseCode(value) ? value : fail(path, 'a cause code', value));
const causes = list(cause, MAX_ENTRIES);

function json(depth: number): Decoder<JsonValue> {
	return (value, path) => {
		if (value === null || typeof value === 'boolean' || typeof value === 'number') {
			return value;
		}
		if (typeof value === 'string') {
			return text(value, path);
		}
		if (depth === 0) {
			throw new ReportError(path, `is nested deeper than ${MAX_DEPTH} levels`);
		}
		const child = json(depth - 1);
		return Array.isArray(value) ? list(child)(value, path) : dictionary(child, MAX_ENTRIES)(value, path);
	};
}

const absentIsEmpty =
	<T>(decode: Decoder<readonly T[]>): Decoder<readonly T[]> =>
	(value, path) =>
		value === undefined ? [] : decode(value, path);

const knownDetails = record<KnownDetails>({
	boundRatio: optional(real),
	unexplained: optional(list(count)),
	notIdentifiable: optional(list(count)),
	similarity: optional(record({ kind: oneOf(...SIMILARITY_KINDS), cosine: nullable(real) })),
	parameters: optional(dictionary(record({ channels: count, largest: nullable(real) }), MAX_ENTRIES)),
	pairing: optional(record<NonNullable<KnownDetails['pairing']>>({ rivals: count, radius: real, fit: optional(real) })),
	together: optional(list(text, MAX_ENTRIES)),
});

const details: Decoder<LayerDetails> = (value, path) => {
	const values: Partial<Record<CauseCode, JsonObject>> = {};
	for (const [code, entry] of Object.entries(dictionary(json(MAX_DEPTH), MAX_ENTRIES)(value, path))) {
		if (isCauseCode(code)) {
			values[code] = dictionary(json(MAX_DEPTH), MAX_ENTRIES)(entry, `${path}.${code}`);
		}
	}
	return { ...values, ...knownDetails(value, path) };
};

const layer = record<LayerComparison>({
	name: text,
	status: oneOf(...COMPARISON_STATUSES),
	into: nullable(record<FoldedInto>({ name: text, op: text, weight: text, bias: nullable(text) })),
	cause: nullable(cause),
	causes: absentIsEmpty(causes),
	confidence: real,
	evidence: text,
	details,
	alternatives: absentIsEmpty(list(record<AlternativeExplanation>({ causes, confidence: real }), MAX_ENTRIES)),
	maxAbs: nullable(real),
	maxRel: nullable(real),
	maxUlp: nullable(real),
	bound: nullable(real),
	behavior: optional(behavior),
	perChannel: record<ChannelComparison>({
		weightRatio: values,
		weightResidual: values,
		biasError: values,
		expectedRatio: optional(values),
		biasBound: optional(values),
		foundBias: optional(values),
		expectedBias: optional(values),
		boundRatio: optional(values),
	}),
});

const header = record({ format: literal(COMPARISON_FORMAT), version: count });

const body = record<Comparison>({
	format: literal(COMPARISON_FORMAT),
	version: literal(COMPARISON_VERSION),
	original: model,
	deployed: model,
	layers: list(layer, MAX_LAYERS),
	summary: record({ match: count, mismatch: count, kept: count, unmatched: count, 'not-identifiable': count }),
	notes: absentIsEmpty(list(text, MAX_ENTRIES)),
	outputs: optional(outputs),
	firstDifference: optional(nullable(text)),
});

/**
 * Parses a comparison from JSON. Ignores unknown fields and checks all known ones, including that the arrays of a layer
 * have the same length and that the summary counts the layers.
 * @param path where `value` sits in a larger document, for messages.
 * @throws {ReportError}
 */
export function parseComparison(value: unknown, path = ''): Comparison {
	const { version } = header(value, path);
	const prefix = path === '' ? '' : `${path}.`;
	if (version !== COMPARISON_VERSION) {
		throw new ReportError(
			`${prefix}version`,
			`is ${version}; this program reads version ${COMPARISON_VERSION} only, update it`,
		);
	}
	const comparison = body(value, path);
	comparison.layers.forEach((entry, index) => {
		checkLengths(entry, `${prefix}layers[${index}]`);
	});
	const counted = summarize(comparison.layers);
	for (const status of COMPARISON_STATUSES) {
		if (comparison.summary[status] !== counted[status]) {
			const problem = `is ${comparison.summary[status]}, but ${counted[status]} layers have that status`;
			throw new ReportError(`${prefix}summary.${status}`, problem);
		}
	}
	return comparison;
}

/** Checks that the arrays of a layer cover the same channels. An empty array is allowed. */
function checkLengths({ perChannel }: LayerComparison, at: string): void {
	const arrays = Object.entries(perChannel).filter(([, array]) => array.length > 0);
	const length = arrays[0]?.[1].length;
	for (const [name, array] of arrays) {
		if (array.length !== length) {
			throw new ReportError(`${at}.perChannel.${name}`, `has ${array.length} values where ${length} belong`);
		}
	}
}
