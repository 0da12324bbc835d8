import { InputError } from '../tensors/errors.js';
import type { RuntimeTensor, RuntimeValue } from '../tensors/tensor.js';

/** Sources of the sizes that a model leaves open. */
export interface DimensionSources {
	/** Asked for, by symbol or by place ("input:2"). */
	readonly dimensions?: Readonly<Record<string, number>>;
	/** Size of a first dimension. */
	readonly batch: number;
	/** Size of any other dimension. */
	readonly unknownSize: number;
	/** Sizes that symbols have in the files of this run. */
	readonly symbols?: ReadonlyMap<string, number>;
}

const isKnown = (size: number | string): size is number => typeof size === 'number' && size >= 0;

/**
 * Guess in place of 1 for height and width of an image. Networks halve them five times, and a single pixel would hide
 * errors.
 */
const MIN_IMAGE = 64;
/** Maximum number of channels on the last axis of an image. */
const MAX_LAST_CHANNELS = 4;

/** True for height and width of an input that looks like an image, with the channels first or last. */
function isSpatial(shape: readonly (number | string)[], axis: number): boolean {
	const last = shape[3];
	const isChannelsLast = isKnown(last) && last <= MAX_LAST_CHANNELS && !isKnown(shape[1]);
	return shape.length === 4 && (isChannelsLast ? axis === 1 || axis === 2 : axis >= 2);
}

/** Returns an input's shape; undefined if it is no tensor. */
export function chooseShape({ name, shape }: RuntimeValue, sources: DimensionSources): number[] | undefined {
	const { dimensions = {}, symbols } = sources;
	return shape?.map((size, axis) => {
		if (isKnown(size)) {
			return size;
		}
		const symbol = String(size);
		const asked = [`${name}:${axis}`, symbol].find((place) => Object.hasOwn(dimensions, place));
		return symbols?.get(symbol) ?? (asked === undefined ? guess(shape, axis, sources) : dimensions[asked]);
	});
}

function guess(shape: readonly (number | string)[], axis: number, { batch, unknownSize }: DimensionSources): number {
	return axis === 0 ? batch : unknownSize === 1 && isSpatial(shape, axis) ? MIN_IMAGE : unknownSize;
}

/**
 * Returns a size for each symbol that is not known from files and not asked for, so that it is the same at all places. A
 * symbol in front of the first input is the batch, also at other places. Any other symbol has the largest guess of its
 * places, where a first place counts only if there is no other one. Some exporters give each open size the same name, such
 * as "?", so a symbol for both the batch and a size of an image means no shared size.
 */
export function sharedGuesses(inputs: readonly RuntimeValue[], sources: DimensionSources): Map<string, number> {
	const { dimensions = {}, symbols, batch } = sources;
	const nameless = inputs.flatMap(({ shape = [] }) =>
		shape.some((size, axis) => size === shape[0] && isSpatial(shape, axis)) ? [String(shape[0])] : [],
	);
	const isOpen = (size: number | string) =>
		!(isKnown(size) || size === '' || nameless.includes(String(size)) || symbols?.has(String(size)));
	const places = inputs.flatMap(({ shape = [] }) =>
		shape.flatMap((size, axis) =>
			!isOpen(size) || Object.hasOwn(dimensions, String(size))
				? []
				: [{ symbol: String(size), axis, size: guess(shape, axis, sources) }],
		),
	);
	const [first] = inputs[0]?.shape ?? [];
	const guesses = new Map<string, number>();
	for (const { symbol, axis, size } of places) {
		if (axis > 0) {
			guesses.set(symbol, symbol === String(first) ? batch : Math.max(size, guesses.get(symbol) ?? 0));
		}
	}
	return new Map([...places.map(({ symbol, size }) => [symbol, size] as const), ...guesses]);
}

interface Asked {
	readonly axis: number;
	readonly dimensions: Readonly<Record<string, number>>;
}

/** True for an open size of an input that the user has not set. */
function isGuess(input: string, size: number | string, { axis, dimensions }: Asked): boolean {
	const isAsked = Object.hasOwn(dimensions, `${input}:${axis}`) || Object.hasOwn(dimensions, String(size));
	return !isKnown(size) && !isAsked;
}

/** A size that must be guessed, by its name as `--dim` takes it. */
interface GuessedSize {
	readonly name: string;
	readonly axis: number;
}

/** Returns an input's sizes that must be guessed. */
export function guessedSizes(
	{ name, shape = [] }: RuntimeValue,
	dimensions: Readonly<Record<string, number>> = {},
): readonly GuessedSize[] {
	return [...shape.entries()]
		.filter(([axis, size]) => axis > 0 && isGuess(name, size, { axis, dimensions }))
		.map(([axis, size]) => ({ name: typeof size === 'string' && size !== '' ? size : `${name}:${axis}`, axis }));
}

/** @throws {InputError} for a size that no dimension takes. */
export function checkDimensions(
	inputs: readonly RuntimeValue[],
	dimensions: Readonly<Record<string, number>> = {},
): void {
	const open = inputs.flatMap(({ name, shape = [] }) =>
		shape.flatMap((size, axis) => (isKnown(size) ? [] : [...(size === '' ? [] : [String(size)]), `${name}:${axis}`])),
	);
	const unknown = Object.keys(dimensions).find((name) => !open.includes(name));
	if (unknown !== undefined) {
		const known = open.length === 0 ? 'all its sizes are fixed' : `it leaves open: ${[...new Set(open)].join(', ')}`;
		throw new InputError(`The model has no open dimension "${unknown}"; ${known}.`);
	}
}

/**
 * Adds the symbols of sizes that were requested by place ("input:2"), so that other inputs with these symbols get the
 * same size.
 */
export function withSymbols(
	inputs: readonly RuntimeValue[],
	dimensions: Readonly<Record<string, number>> = {},
): Readonly<Record<string, number>> {
	const asked = inputs.flatMap(({ name, shape = [] }) =>
		shape.flatMap((size, axis) =>
			!isKnown(size) && size !== '' && Object.hasOwn(dimensions, `${name}:${axis}`)
				? [[String(size), dimensions[`${name}:${axis}`]] as const]
				: [],
		),
	);
	// The first input that states a size wins.
	return { ...Object.fromEntries(asked.toReversed()), ...dimensions };
}

/** Returns the symbols of the inputs' declared dimensions, with their sizes in the fed values. */
export function symbolsOf(
	inputs: readonly RuntimeValue[],
	feeds: ReadonlyMap<string, Pick<RuntimeTensor, 'dims'>>,
): Map<string, number> {
	const symbols = new Map<string, number>();
	for (const { name, shape } of inputs) {
		shape?.forEach((dimension, axis) => {
			const size = feeds.get(name)?.dims[axis];
			if (typeof dimension === 'string' && dimension !== '' && size !== undefined) {
				symbols.set(dimension, size);
			}
		});
	}
	return symbols;
}
