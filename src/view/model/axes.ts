import { product } from '../../core/numbers/arrays.js';
import type { LayerReport } from '../../core/report/types.js';
import { formatInteger } from '../../core/text/numbers.js';
import { strings } from './strings.js';

/**
 * Over which axes a layer's statistics are taken, in words and numbers. The methods are the three conceivable ways for a
 * feature map (N, C, spatial…): 1 per location, 2 per activation, 3 per channel (arXiv 1502.03167, section 3.2).
 */
export interface AxesExplanation {
	readonly method: 2 | 3;
	/** Axis names of the input, "N", "C", "H", "W" …; spatial ones unknown: "…". */
	readonly axes: readonly string[];
	/** Names of the axes that are averaged, for example "N, H, W". */
	readonly over: string;
	/** "m' = 1 × 112 × 112 = 12,544", or symbols before the shape is known. */
	readonly count: string;
	readonly sentence: string;
	/** In the order 1, 2, 3. */
	readonly methods: readonly [MethodSize, MethodSize, MethodSize];
}

/** What one method would make of the layer's input: numbers, or symbols before the shape is known. */
export interface MethodSize {
	/** Names of the axes that it averages over. */
	readonly over: readonly string[];
	/** "m' = 1 × 112 × 112 = 12,544": values behind each statistic. */
	readonly count: string;
	/** How many means, and variances, it has. */
	readonly statistics: string;
}

const SPATIAL: Readonly<Record<number, readonly string[]>> = {
	2: [],
	3: ['L'],
	4: ['H', 'W'],
	5: ['D', 'H', 'W'],
};

export function explainAxes(layer: LayerReport): AxesExplanation {
	const shape = layer.inputShape;
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

/** "m' = 1 × 112 × 112 = 12,544"; one factor needs no product. */
function countText(names: readonly string[], sizes: readonly number[] | undefined): string {
	if (!sizes) {
		return `m' = ${names.join(' × ')}`;
	}
	const total = formatInteger(product(sizes));
	// A no-break space keeps the product with its sign.
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
