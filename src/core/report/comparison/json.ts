import { baselineResult } from '../baseline.js';
import { type CauseCode, isCauseCode } from '../causes.js';
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
} from '../decode.js';
import { encodeObject, type JsonObject, type JsonValue, model } from '../json.js';
import { outputs } from '../output-comparison.js';
import { behavior } from './behavior.js';
import {
	type AlternativeExplanation,
	type ChannelComparison,
	COMPARISON_FORMAT,
	COMPARISON_STATUSES,
	COMPARISON_VERSION,
	type Comparison,
	type DifferingOperator,
	type FoldedInto,
	type KnownDetails,
	type LayerComparison,
	type LayerDetails,
	type LayerFinding,
	SIMILARITY_KINDS,
	summarize,
} from './comparison.js';

/** The comparison as plain JSON, by the rules of `encodeReport`. */
export function encodeComparison(comparison: Comparison): JsonObject {
	return encodeObject(comparison);
}

/** Maximum numbers of layers and of members of small lists, as in json.ts. */
const MAX_LAYERS = 20_000;
const MAX_ENTRIES = 1_000;
/** Maximum nesting of `details`, which are flat by intent. */
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
	maxShare: optional(real),
	behavior: optional(behavior),
	fingerprint: optional(text),
	known: optional(literal(true)),
	isTolerated: optional(literal(true)),
	perChannel: record<ChannelComparison>({
		weightRatio: values,
		weightResidual: values,
		biasError: values,
		expectedRatio: optional(values),
		biasBound: optional(values),
		foundBias: optional(values),
		expectedBias: optional(values),
		explainedRatio: optional(values),
		explainedBias: optional(values),
		boundRatio: optional(values),
		levels: optional(values),
		relativeStep: optional(values),
		weightBoundRatio: optional(values),
		quantizationSnrDb: optional(values),
	}),
	findings: optional(
		list(
			record<LayerFinding>({
				code: literal('precision-lost'),
				severity: literal('warning'),
				channels: list(count),
				message: text,
			}),
			MAX_ENTRIES,
		),
	),
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
	operators: optional(
		list(
			record<DifferingOperator>({
				...{ name: text, evidence: text, isAdded: optional(literal(true)) },
				...{ maxAbs: real, bound: real, maxRel: real },
			}),
			MAX_LAYERS,
		),
	),
	outputs: optional(outputs),
	firstDifference: optional(nullable(text)),
	baseline: optional(baselineResult),
	tolerance: optional(real),
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
