/**
 * What a person may say about how a model is run: the page's form and the command line ask for it, the extension
 * remembers it, the engine follows it.
 */

/** Presets of mean and deviation. "0..1": 0 and 1; "none": 0 to 255. */
export const NORMALIZATION_PRESETS = ['imagenet', '0..1', '-1..1', 'none'] as const;

/** Mean and standard deviation for red, green and blue (or a single pair for all), in units of a pixel's full scale. */
export interface FreeNormalization {
	readonly mean: readonly number[];
	readonly deviation: readonly number[];
}

/** Conversion of an image's pixels to numbers. */
export type Normalization = (typeof NORMALIZATION_PRESETS)[number] | FreeNormalization;

/** Orders in which a model takes the colors of an image. */
export const COLOR_ORDERS = ['rgb', 'bgr'] as const;
export type ColorOrder = (typeof COLOR_ORDERS)[number];

/** Distributions of random floating-point values: standard normal, or uniform between 0 and 1. */
export const DISTRIBUTIONS = ['normal', 'uniform'] as const;
export type Distribution = (typeof DISTRIBUTIONS)[number];

/** Choices for a run. Settings and defaults apply to absent fields. */
export interface RunChoices {
	/** Value for an unknown first dimension. */
	readonly batch?: number;
	/** Other unknown sizes, by symbol ("height") or place ("input:2"). */
	readonly dimensions?: readonly { readonly name: string; readonly size: number }[];
	readonly seed?: number;
	readonly random?: Distribution;
	readonly normalize?: Normalization;
	readonly colors?: ColorOrder;
	/** Bytes of captured tensors to hold at a time. */
	readonly memoryBudget?: number;
}

/** An input that a run needs values for. */
export interface RunnableInput {
	readonly name: string;
	readonly dtype: string;
	/** Shape with a number, a symbol, or '' for an unstated size; undefined if the rank is unknown. */
	readonly shape: readonly (number | string)[] | undefined;
}

/** Content of the run options: current choices and available inputs. */
export interface RunForm {
	readonly inputs: readonly (RunnableInput & {
		/** Paths of files and folders; none: seeded random values. */
		readonly files: readonly string[];
	})[];
	/** Names of the model's open sizes, without the batch. */
	readonly dimensions: readonly string[];
	readonly choices: RunChoices;
	/** Settings that apply to absent choices. The budget is in megabytes. */
	readonly defaults: { readonly batch: number; readonly seed: number; readonly memoryBudget: number };
	/** False in an untrusted workspace, where models are not run. */
	readonly trusted: boolean;
}

/** Greatest value of each number; beyond it a typing error is likelier than an intention. */
export const RUN_LIMITS = { batch: 2 ** 20, size: 2 ** 31 - 1, seed: 2 ** 32 - 1, memoryBudget: 2 ** 40 } as const;

export const MEGABYTE = 2 ** 20;

/** Default limit for captured tensors held at a time, in bytes. */
export const DEFAULT_MEMORY_BUDGET = 512 * MEGABYTE;

/** Far more than a model has inputs and axes, and than a pixel has channels. */
const MAX = { dimensions: 1000, nameLength: 2000, channels: 64 } as const;

/**
 * Returns the open sizes of a run other than the batch, by name: the symbol, or the place of an axis without a symbol.
 */
export function openDimensions(inputs: readonly RunnableInput[]): string[] {
	const names = inputs.flatMap(({ name, shape = [] }) =>
		shape.flatMap((size, axis) =>
			axis === 0 || isKnown(size) ? [] : [size === '' ? `${name}:${axis}` : String(size)],
		),
	);
	return [...new Set(names)];
}

const isKnown = (size: number | string): boolean => typeof size === 'number' && size >= 0;

/** Parses a preset, or MEAN/DEVIATION with one or three numbers each ("0.5,0.5,0.5/0.2"); undefined for other text. */
export function parseNormalization(text: string): Normalization | undefined {
	const preset = NORMALIZATION_PRESETS.find((known) => known === text);
	if (preset !== undefined) {
		return preset;
	}
	const [mean = [], deviation = [], ...rest] = text.split('/').map(parseNumbers);
	const fits = (list: readonly number[]) => list.length === 1 || list.length === 3;
	return fits(mean) && fits(deviation) && rest.length === 0 && !deviation.includes(0) ? { mean, deviation } : undefined;
}

/** Parses comma-separated numbers; empty if a part is no number. */
function parseNumbers(text: string): readonly number[] {
	const numbers = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
	return numbers.every(Number.isFinite) ? numbers : [];
}

/**
 * Parses choices from a page or from storage, which may come from another version or from anyone.
 * @returns undefined when any part of it is not what it must be.
 */
export function parseRunChoices(value: unknown): RunChoices | undefined {
	if (typeof value !== 'object' || value === null) {
		return undefined;
	}
	const { batch, dimensions, seed, random, normalize, colors, memoryBudget } = value as Record<string, unknown>;
	const choices = {
		...optional('batch', batch, (it) => integer(it, 1, RUN_LIMITS.batch)),
		...optional('dimensions', dimensions, parseDimensions),
		...optional('seed', seed, (it) => integer(it, 0, RUN_LIMITS.seed)),
		...optional('random', random, (it) => DISTRIBUTIONS.find((known) => known === it)),
		...optional('normalize', normalize, checkNormalization),
		...optional('colors', colors, (it) => COLOR_ORDERS.find((known) => known === it)),
		...optional('memoryBudget', memoryBudget, (it) => integer(it, 1, RUN_LIMITS.memoryBudget)),
	};
	return Object.values(choices).includes(undefined) ? undefined : (choices as RunChoices);
}

/** Returns an object with the parsed value, or with undefined if it is unreadable. Empty for an absent value. */
function optional<T>(name: string, value: unknown, parse: (value: unknown) => T | undefined) {
	return value === undefined ? {} : { [name]: parse(value) };
}

function integer(value: unknown, least: number, most: number): number | undefined {
	return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
		? (value as number)
		: undefined;
}

function parseDimensions(value: unknown): RunChoices['dimensions'] {
	if (!Array.isArray(value) || value.length > MAX.dimensions) {
		return undefined;
	}
	const dimensions = value.flatMap((entry: unknown) => {
		const { name, size } = (typeof entry === 'object' && entry !== null ? entry : {}) as Record<string, unknown>;
		const checked = integer(size, 0, RUN_LIMITS.size);
		return typeof name === 'string' && name.length <= MAX.nameLength && checked !== undefined
			? [{ name, size: checked }]
			: [];
	});
	return dimensions.length === value.length ? dimensions : undefined;
}

function checkNormalization(value: unknown): Normalization | undefined {
	if (typeof value !== 'object' || value === null) {
		return NORMALIZATION_PRESETS.find((known) => known === value);
	}
	const { mean, deviation } = value as Record<string, unknown>;
	return isNumbers(mean) && isNumbers(deviation) && !deviation.includes(0)
		? { mean: [...mean], deviation: [...deviation] }
		: undefined;
}

function isNumbers(value: unknown): value is readonly number[] {
	return Array.isArray(value) && value.length > 0 && value.length <= MAX.channels && value.every(Number.isFinite);
}
