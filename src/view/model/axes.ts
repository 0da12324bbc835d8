import { product } from '../../core/numbers/arrays.js';
import type { LayerReport } from '../../core/report/types.js';
import { formatInteger } from '../../core/text/numbers.js';
import { strings } from './strings.js';

/**
 * Axes that a layer averages over, in words and numbers. A feature map (N, C, spatial…) has three methods: 1 per location,
 * 2 per activation, 3 per channel (arXiv 1502.03167, section 3.2).
 */
export interface AxesExplanation {
	readonly method: 2 | 3;
	/** Axis names of the input: "N", "C", "H", "W" …; "…" for unknown spatial axes. */
	readonly axes: readonly string[];
	/** Names of the averaged axes, for example "N, H, W". */
	readonly over: string;
	/** "m' = 1 × 112 × 112 = 12,544", or symbols before the shape is known. */
	readonly count: string;
	readonly sentence: string;
	/** Methods 1, 2 and 3, in this order. */
	readonly methods: readonly [MethodSize, MethodSize, MethodSize];
}

/** One method applied to the layer's input: numbers, or symbols before the shape is known. */
export interface MethodSize {
	/** Names of the axes that the method averages over. */
	readonly over: readonly string[];
	/** "m' = 1 × 112 × 112 = 12,544": values behind each statistic. */
	readonly count: string;
	/** Number of means, equal to the number of variances. */
	readonly statistics: string;
}

const SPATIAL: Readonly<Record<number, readonly string[]>> = {
	2: [],
	3: ['L'],
	4: ['H', 'W'],
	5: ['D', 'H', 'W'],
};

export function explainAxes(layer: LayerReport): AxesExplanation {
	const shape = layer.inputShape && channelsFirst(layer.inputShape, layer.channelAxis ?? 1);
	const spatial = shape ? (SPATIAL[shape.length] ?? shape.slice(2).map((_, i) => `D${i + 1}`)) : ['H', 'W'];
	const method = layer.axes === 'activation' ? 2 : 3;
	const words = strings.axes;
	const methods = methodSizes(spatial, shape);
	const { over, count } = methods[method === 2 ? 1 : 2];
	return {
		method,
		axes: ['N', 'C', ...spatial],
		over: over.join(', '),
		count,
		sentence: [
			words.over(over, method, count),
			method === 2 ? words.perActivation : shape?.length === 2 ? words.withoutSpace : words.perChannel,
			words.mode[layer.mode],
		].join(' '),
		methods,
	};
}

/** Returns a shape with the size of the channel axis in second place. */
function channelsFirst(shape: readonly number[], channelAxis: number): readonly number[] {
	const at = channelAxis < 0 ? channelAxis + shape.length : channelAxis;
	const rest = shape.filter((_, axis) => axis !== at);
	const channels = shape[at];
	return at === 1 || channels === undefined ? shape : [...rest.slice(0, 1), channels, ...rest.slice(1)];
}

/** Returns "m' = 1 × 112 × 112 = 12,544"; a single factor without a product. */
function countText(names: readonly string[], sizes: readonly number[] | undefined): string {
	if (!sizes) {
		return `m' = ${names.join(' × ')}`;
	}
	const total = formatInteger(product(sizes));
	// The no-break space keeps product and sign together.
	return sizes.length === 1 ? `m' = ${total}` : `m' = ${sizes.map(formatInteger).join(' × ')} =\u00a0${total}`;
}

function methodSizes(
	spatial: readonly string[],
	shape: readonly number[] | undefined,
): [MethodSize, MethodSize, MethodSize] {
	const [n = 1, c = 1, ...places] = shape ?? [];
	const size = (averaged: Axes, kept: Axes): MethodSize => ({
		over: averaged.names,
		count: countText(averaged.names, shape && averaged.sizes),
		statistics: shape ? formatInteger(product(kept.sizes)) : kept.names.join(' × ') || '1',
	});
	const images = { names: ['N'], sizes: [n] };
	const channels = { names: ['C'], sizes: [c] };
	const space = { names: spatial, sizes: places };
	return [
		size(join(images, channels), space),
		size(images, join(channels, space)),
		size(join(images, space), channels),
	];
}

interface Axes {
	readonly names: readonly string[];
	readonly sizes: readonly number[];
}

function join(a: Axes, b: Axes): Axes {
	return { names: [...a.names, ...b.names], sizes: [...a.sizes, ...b.sizes] };
}
