import { sum } from '../numbers/arrays.js';
import { ExactSums } from '../numbers/exact-sum.js';
import {
	count,
	type Decoder,
	fail,
	list,
	literal,
	oneOf,
	optional,
	ReportError,
	real,
	record,
	text,
	values,
} from './decode.js';
import { encodeObject, type JsonObject, model } from './json.js';
import type { ModelSummary } from './types.js';

export const STATISTICS_FORMAT = 'batchnorm-lens.statistics';
export const STATISTICS_VERSION = 1;

/**
 * Ways to collect population statistics. `batch`: each layer normalizes with the statistics of its batch, and the means of
 * the batches count (arXiv 1502.03167, algorithm 2). `sequential`: layer by layer, each behind layers that are corrected
 * already, over all data at once.
 */
export const STATISTICS_MODES = ['batch', 'sequential'] as const;
export type StatisticsMode = (typeof STATISTICS_MODES)[number];

/** Population statistics of a model's BatchNormalization layers, of a whole data set or a shard of it. */
export interface StatisticsReport {
	readonly format: typeof STATISTICS_FORMAT;
	readonly version: typeof STATISTICS_VERSION;
	readonly model: ModelSummary;
	/** SHA-256 of the model file, in hexadecimal. Absent in files of other programs. */
	readonly fingerprint?: string | undefined;
	/** Default: `batch`. */
	readonly mode?: StatisticsMode | undefined;
	/** Batches that were run. */
	readonly batches: number;
	/** Samples in these batches. */
	readonly samples?: number | undefined;
	/** Statistics in the order of the model's layers, without layers that cannot be written. */
	readonly layers: readonly LayerStatistics[];
}

/** Statistics of a layer; arrays of shape (channels), or (channels * D1 * … * Dn) with one statistic per activation. */
export interface LayerStatistics {
	readonly name: string;
	readonly channels: number;
	readonly batches: number;
	/** Values behind each statistic, summed over the batches. */
	readonly count: number;
	/** Mean of the batch means, weighted by the count of each batch. */
	readonly mean: Float64Array;
	/** Mean of the batches' unbiased variances, weighted by the count of each batch. */
	readonly variance: Float64Array;
	/**
	 * The weighted sums behind mean and variance, each as numbers whose exact sum it is. With them merging is exact to
	 * the last bit. Absent in files of other programs, and in sequential mode.
	 */
	readonly sums?: ExactTerms | undefined;
}

/** Terms of exact sums, by statistic. */
export interface ExactTerms {
	readonly mean: readonly (readonly number[])[];
	readonly variance: readonly (readonly number[])[];
}

/** Sums of a layer's statistics over batches, exact and independent of their order. */
export class StatisticsSums {
	readonly #mean: ExactSums;
	readonly #variance: ExactSums;
	#count = 0;
	#batches = 0;

	/** @param length number of statistics */
	constructor(length: number) {
		this.#mean = new ExactSums(length);
		this.#variance = new ExactSums(length);
	}

	get length(): number {
		return this.#mean.length;
	}

	/** Adds a batch. @param count values behind each statistic @param variance unbiased */
	addBatch(count: number, mean: Float64Array, variance: Float64Array): void {
		for (let k = 0; k < mean.length; k++) {
			this.#mean.addProduct(k, count, mean[k]);
			this.#variance.addProduct(k, count, variance[k]);
		}
		this.#count += count;
		this.#batches += 1;
	}

	/** Adds the statistics of a shard. */
	addShard({ batches, count, mean, variance, sums }: LayerStatistics): void {
		for (let k = 0; k < mean.length; k++) {
			if (sums) {
				addAll(this.#mean, k, sums.mean[k]);
				addAll(this.#variance, k, sums.variance[k]);
			} else {
				this.#mean.addProduct(k, count, mean[k]);
				this.#variance.addProduct(k, count, variance[k]);
			}
		}
		this.#count += count;
		this.#batches += batches;
	}

	/** Returns the statistics of all batches together. */
	statistics(name: string, channels: number): LayerStatistics {
		const each = <T>(of: (k: number) => T) => Array.from({ length: this.length }, (_, k) => of(k));
		return {
			name,
			channels,
			batches: this.#batches,
			count: this.#count,
			mean: Float64Array.from(each((k) => this.#mean.value(k) / this.#count)),
			variance: Float64Array.from(each((k) => this.#variance.value(k) / this.#count)),
			sums: { mean: each((k) => this.#mean.terms(k)), variance: each((k) => this.#variance.terms(k)) },
		};
	}
}

function addAll(sums: ExactSums, k: number, terms: readonly number[]): void {
	for (const term of terms) {
		sums.add(k, term);
	}
}

/** Encodes statistics as plain JSON. */
export function encodeStatistics(statistics: StatisticsReport): JsonObject {
	return encodeObject(statistics);
}

/** Maximum number of layers, as in a report. */
const MAX_LAYERS = 20_000;
/** Maximum numbers of an exact sum: 2098 bits of float64 range in pieces of 53 bits. */
const MAX_TERMS = 64;

const finite: Decoder<number> = (value, path) => {
	const number = real(value, path);
	return Number.isFinite(number) ? number : fail(path, 'a finite number', value);
};

const terms = list(list(finite, MAX_TERMS));

const layer = record<LayerStatistics>({
	name: text,
	channels: count,
	batches: count,
	count,
	mean: values,
	variance: values,
	sums: optional(record({ mean: terms, variance: terms })),
});

const header = record({ format: literal(STATISTICS_FORMAT), version: count });

const body = record<StatisticsReport>({
	format: literal(STATISTICS_FORMAT),
	version: literal(STATISTICS_VERSION),
	model,
	fingerprint: optional(text),
	mode: optional(oneOf(...STATISTICS_MODES)),
	batches: count,
	samples: optional(count),
	layers: list(layer, MAX_LAYERS),
});

/**
 * Parses statistics from JSON that came from a file. Ignores unknown fields and checks all known ones.
 * @throws {ReportError}
 */
export function parseStatistics(value: unknown): StatisticsReport {
	const { version } = header(value, '');
	if (version !== STATISTICS_VERSION) {
		throw new ReportError('version', `is ${version}; this program reads version ${STATISTICS_VERSION} only, update it`);
	}
	const statistics = body(value, '');
	for (const [index, entry] of statistics.layers.entries()) {
		checkLayer(entry, `layers[${index}]`);
	}
	return statistics;
}

function checkLayer({ channels, count: number, mean, variance, sums }: LayerStatistics, at: string): void {
	if (number === 0) {
		throw new ReportError(`${at}.count`, 'is 0, so there are no statistics');
	}
	if (channels === 0 || mean.length === 0 || mean.length % channels !== 0) {
		throw new ReportError(`${at}.mean`, `has ${mean.length} values for ${channels} channels`);
	}
	const arrays = { variance, 'sums.mean': sums?.mean ?? mean, 'sums.variance': sums?.variance ?? mean };
	for (const [name, { length }] of Object.entries(arrays)) {
		if (length !== mean.length) {
			throw new ReportError(`${at}.${name}`, `has ${length} values where ${mean.length} belong`);
		}
	}
	for (const [name, array] of Object.entries({ mean, variance })) {
		const bad = array.findIndex((each) => !Number.isFinite(each) || (name === 'variance' && each < 0));
		if (bad >= 0) {
			throw new ReportError(`${at}.${name}[${bad}]`, `is ${array[bad]}, which no statistic of data is`);
		}
	}
	for (const [name, array] of Object.entries({ mean, variance })) {
		const of = sums?.[name === 'mean' ? 'mean' : 'variance'];
		const bad = of ? array.findIndex((each, k) => !isQuotient(each, of[k], number)) : -1;
		if (of && bad >= 0) {
			const other = sum(of[bad]) / number;
			throw new ReportError(`${at}.${name}[${bad}]`, `is ${array[bad]}, but its sums give ${other}`);
		}
	}
}

/** Maximum relative difference between a statistic and the quotient of its sum: rounding of other programs. */
const MAX_DIFFERENCE = 1e-9;

/** True if a statistic is the sum of its terms divided by the count. */
function isQuotient(value: number, terms: readonly number[], count: number): boolean {
	const largest = terms.reduce((most, term) => Math.max(most, Math.abs(term)), 0) / count;
	return Math.abs(sum(terms) / count - value) <= MAX_DIFFERENCE * largest;
}
