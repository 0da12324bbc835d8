import { InputError } from '../tensors/errors.js';
import type { RuntimeTensor, RuntimeValue } from '../tensors/tensor.js';

/** Where the sizes come from that a model leaves open. */
export interface DimensionSources {
	/** Asked for, by symbol or by place ("input:2"). */
	readonly dimensions?: Readonly<Record<string, number>>;
	/** For a first dimension. */
	readonly batch: number;
	/** For any other. */
	readonly unknownSize: number;
	/** Sizes that symbols have in the files of this run. */
	readonly symbols?: ReadonlyMap<string, number>;
}

const isKnown = (size: number | string): size is number => typeof size === 'number' && size >= 0;

/** The shape that an input gets; undefined for what is not a tensor. */
export function chooseShape({ name, shape }: RuntimeValue, sources: DimensionSources): number[] | undefined {
	const { dimensions = {}, batch, unknownSize, symbols } = sources;
	return shape?.map((size, axis) => {
		if (isKnown(size)) {
			return size;
		}
		const symbol = String(size);
		const fallback = axis === 0 ? batch : unknownSize;
		const asked = [`${name}:${axis}`, symbol].find((place) => Object.hasOwn(dimensions, place));
		return symbols?.get(symbol) ?? (asked === undefined ? fallback : dimensions[asked]);
	});
}

/** Whether an input has a dimension that has to be guessed: one that is neither the first, nor asked for. */
export function hasGuess({ name, shape }: RuntimeValue, dimensions: Readonly<Record<string, number>> = {}): boolean {
	const isAsked = (size: number | string, axis: number) =>
		Object.hasOwn(dimensions, `${name}:${axis}`) || Object.hasOwn(dimensions, String(size));
	return shape?.some((size, axis) => axis > 0 && !isKnown(size) && !isAsked(size, axis)) ?? false;
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

/** With the symbols whose size is asked for by place ("input:2"): other inputs that have them get the same. */
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
	// The first input that says one wins.
	return { ...Object.fromEntries(asked.toReversed()), ...dimensions };
}

/** Symbols of the inputs' declared dimensions, with the sizes that they have in what is fed. */
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
