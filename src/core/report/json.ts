import { baselineResult } from './baseline.js';
import {
	absent,
	byStatus,
	count,
	dictionary,
	integer,
	list,
	literal,
	NO_REASON,
	nullable,
	oneOf,
	optional,
	orElse,
	ReportError,
	real,
	record,
	text,
	values,
} from './decode.js';
import { FINDING_CODES, FINDING_MEANINGS } from './findings.js';
import { SEVERITIES } from './severity.js';
import {
	type BatchStatistics,
	type CompletedRun,
	type DataFit,
	type DifferingRecompute,
	type FailedRun,
	type Finding,
	INFERRED_FACTS,
	type LayerReport,
	type MatchingRecompute,
	MODEL_FORMATS,
	type ModelSummary,
	type Normalization,
	type NormalizationMethod,
	type PendingRecompute,
	type PendingRun,
	REPORT_FORMAT,
	REPORT_VERSION,
	type Recompute,
	type RecomputeErrors,
	type Report,
	type RunInput,
	type RunSummary,
	type SkippedRecompute,
	type SkippedRun,
} from './types.js';

export { ReportError } from './decode.js';

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };
export type JsonObject = { readonly [key: string]: JsonValue };

/** Maximum number of layers in a report. The largest published networks have under a thousand. */
const MAX_LAYERS = 20_000;
/** Maximum number of findings of a layer, inputs of a run, and similar lists. A handful is usual. */
const MAX_ENTRIES = 1_000;

/**
 * Encodes a report as plain JSON. Typed arrays become arrays; NaN and infinities become the strings "NaN", "Infinity",
 * "-Infinity"; absent fields stay absent. `JSON.stringify` of the result loses only the sign of a zero.
 */
export function encodeReport(report: Report): JsonObject {
	return encodeObject(report);
}

function encode(value: unknown): JsonValue {
	if (typeof value === 'number') {
		return Number.isFinite(value) ? value : String(value);
	}
	if (value instanceof Float64Array) {
		return Array.from(value, encode);
	}
	if (Array.isArray(value)) {
		return value.map(encode);
	}
	if (typeof value === 'object' && value !== null) {
		return encodeObject(value);
	}
	return typeof value === 'string' || typeof value === 'boolean' ? value : null;
}

export function encodeObject(value: object): JsonObject {
	return Object.fromEntries(
		Object.entries(value)
			.filter(([, child]) => child !== undefined)
			.map(([key, child]) => [key, encode(child)]),
	);
}

const finding = record<Finding>({
	code: oneOf(...FINDING_CODES),
	severity: oneOf(...SEVERITIES),
	channels: list(count),
	message: text,
	meaning: optional(oneOf(...FINDING_MEANINGS)),
	known: optional(literal(true)),
});

export const model = record<ModelSummary>({
	path: text,
	bytes: count,
	format: optional(oneOf(...MODEL_FORMATS)),
	notes: optional(list(text, MAX_ENTRIES)),
	irVersion: count,
	opset: count,
	producer: text,
	nodes: count,
});

const someErrors = {
	maxAbs: optional(real),
	maxRel: optional(real),
	maxUlp: optional(real),
	bitExact: optional(literal(true)),
	bound: optional(real),
	perChannel: optional(
		record<NonNullable<RecomputeErrors['perChannel']>>({
			maxAbs: values,
			bound: optional(values),
			boundRatio: optional(values),
		}),
	),
};

const recompute = byStatus<Recompute>({
	match: record<MatchingRecompute>({
		...someErrors,
		status: literal('match'),
		reason: optional(text),
		cause: absent,
		maxAbs: orElse(Number.NaN, real),
		bound: orElse(Number.NaN, real),
	}),
	mismatch: record<DifferingRecompute>({
		...someErrors,
		status: literal('mismatch'),
		reason: orElse("The runtime's output differs.", text),
		cause: absent,
	}),
	skipped: record<SkippedRecompute>({
		...someErrors,
		status: literal('skipped'),
		reason: orElse(NO_REASON, text),
		cause: optional(oneOf('not-taken')),
	}),
	pending: record<Pick<PendingRecompute, 'status'>>({ status: literal('pending') }),
});

const METHODS: readonly NormalizationMethod[] = ['location', 'activation', 'channel', 'running'];

const normalization = record<Normalization>({
	verdict: oneOf<Normalization['verdict']>(...METHODS, 'none', 'cannot-tell'),
	reason: optional(text),
	methods: list(
		record<Normalization['methods'][number]>({
			method: oneOf(...METHODS),
			statistics: count,
			effectiveBatch: optional(count),
			residual: optional(real),
		}),
		METHODS.length,
	),
	tolerance: optional(real),
	margin: optional(real),
	values: count,
});

const layer = record<LayerReport>({
	name: text,
	graph: text,
	output: text,
	channels: count,
	dtype: text,
	opset: count,
	epsilon: real,
	momentum: real,
	mode: oneOf('inference', 'training'),
	axes: oneOf('channel', 'activation'),
	channelAxis: optional(integer),
	kind: optional(oneOf('batchnorm', 'decomposed', 'handbuilt')),
	normalizedAxes: optional(list(integer, MAX_ENTRIES)),
	source: nullable(record({ op: text, name: text })),
	inferred: optional(list(oneOf(...INFERRED_FACTS), MAX_ENTRIES)),
	parametersFrom: optional(text),
	parameters: nullable(record({ gamma: values, beta: values, mean: values, variance: values })),
	parametersReason: optional(text),
	affine: nullable(record({ scale: values, shift: values })),
	inputShape: optional(list(count, MAX_ENTRIES)),
	recompute,
	batch: nullable(
		record<BatchStatistics>({
			count,
			images: optional(count),
			mean: values,
			variance: values,
			nonFinite: optional(values),
			isRandom: optional(literal(true)),
		}),
	),
	normalization: optional(normalization),
	foldable: record({ into: nullable(text), reasons: list(text, MAX_ENTRIES) }),
	findings: list(finding, MAX_ENTRIES),
});

export const runInput = record<RunInput>({ name: text, shape: list(count, MAX_ENTRIES), dtype: text, from: text });

const runFacts = {
	runtime: text,
	inputs: list(runInput, MAX_ENTRIES),
	milliseconds: dictionary(real, MAX_ENTRIES),
};

const run = byStatus<RunSummary>({
	ok: record<CompletedRun>({
		...runFacts,
		status: literal('ok'),
		reason: optional(text),
		partial: optional(literal(true)),
		data: optional(
			record<DataFit>({
				verdict: oneOf('fits', 'does-not-fit', 'too-few'),
				images: count,
				sentence: text,
				mistake: optional(text),
			}),
		),
		failedAt: absent,
	}),
	failed: record<FailedRun>({
		...runFacts,
		status: literal('failed'),
		reason: orElse(NO_REASON, text),
		failedAt: optional(oneOf('input', 'model')),
		partial: absent,
	}),
	skipped: record<SkippedRun>({
		...runFacts,
		status: literal('skipped'),
		reason: orElse(NO_REASON, text),
		failedAt: absent,
		partial: absent,
	}),
	pending: record<PendingRun>({
		...runFacts,
		status: literal('pending'),
		reason: absent,
		failedAt: absent,
		partial: absent,
	}),
});

const header = record({ format: literal(REPORT_FORMAT), version: count });

const body = record<Report>({
	format: literal(REPORT_FORMAT),
	version: literal(REPORT_VERSION),
	model,
	layers: list(layer, MAX_LAYERS),
	run,
	findings: list(finding, MAX_ENTRIES),
	baseline: optional(baselineResult),
});

/**
 * Parses a report from JSON that came from a file, a notebook or another process. Ignores unknown fields and checks all
 * known ones, including that the arrays of a layer have matching lengths.
 * @param path where `value` sits in a larger document, for messages.
 * @throws {ReportError}
 */
export function parseReport(value: unknown, path = ''): Report {
	const { version } = header(value, path);
	if (version !== REPORT_VERSION) {
		const at = path === '' ? 'version' : `${path}.version`;
		throw new ReportError(at, `is ${version}; this program reads version ${REPORT_VERSION} only, update it`);
	}
	const report = body(value, path);
	const prefix = path === '' ? '' : `${path}.`;
	const names = new Set<string>();
	report.layers.forEach((entry, index) => {
		const at = `${prefix}layers[${index}]`;
		if (names.has(entry.name)) {
			throw new ReportError(`${at}.name`, `repeats the name ${JSON.stringify(entry.name)} of an earlier layer`);
		}
		names.add(entry.name);
		checkLengths(entry, at);
	});
	return report;
}

/** Checks that a layer's per-channel arrays have equal lengths. */
function checkLengths(entry: LayerReport, at: string): void {
	const { parameters, affine, recompute: check, batch } = entry;
	const arrays: readonly (readonly [string, Float64Array | undefined])[] = [
		['parameters.gamma', parameters?.gamma],
		['parameters.beta', parameters?.beta],
		['parameters.mean', parameters?.mean],
		['parameters.variance', parameters?.variance],
		['affine.scale', affine?.scale],
		['affine.shift', affine?.shift],
	];
	const length = arrays.find(([, array]) => array)?.[1]?.length;
	requireLength(arrays, length, at);
	if (entry.axes === 'channel' && length !== undefined && length !== entry.channels) {
		throw new ReportError(`${at}.channels`, `is ${entry.channels}, but the layer has ${length} values per parameter`);
	}
	const statistics = [
		['batch.variance', batch?.variance],
		['batch.nonFinite', batch?.nonFinite],
	] as const;
	requireLength(statistics, batch?.mean.length, at);
	const { maxAbs, bound, boundRatio } = check.perChannel ?? {};
	const errors = [
		['recompute.perChannel.bound', bound],
		['recompute.perChannel.boundRatio', boundRatio],
	] as const;
	requireLength(errors, maxAbs?.length, at);
}

function requireLength(
	arrays: readonly (readonly [string, Float64Array | undefined])[],
	length: number | undefined,
	at: string,
): void {
	for (const [name, array] of arrays) {
		if (array && array.length !== length) {
			throw new ReportError(`${at}.${name}`, `has ${array.length} values where ${length} belong`);
		}
	}
}
