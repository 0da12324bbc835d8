import { type NodeChange, rewriteNode } from '../../../core/onnx/write/encode.js';
import type { BlockedLayer } from './blocked-graph.js';
import { BLOCKED_DOMAIN, type GraphAdditions, TO_FLOAT32, TO_FLOAT64 } from './graph-additions.js';
import type { GroupedTensor } from './image-groups.js';
import { addFactor, type LayerConstants } from './layer-factor.js';

const BLOCKED = { domain: BLOCKED_DOMAIN };

/** Names of a layer's results, each of shape (width), float32. */
export interface ValueResults {
	readonly mean: string;
	readonly variance: string;
	/** Subtracted from the values before their squares are added. */
	readonly center: string;
}

/** Maximum number of values that are added in float32. More take less time, and lose digits. */
const MAX_CHAIN = 1024;

/**
 * Returns the number of values that {@link ValueStatistics} adds in float32: some rows of an image.
 * @param shape of the layer's input
 */
export function chainOf([, , rows = 0, columns = 0]: readonly number[]): number {
	let parts = Math.min(rows, Math.ceil((rows * columns) / MAX_CHAIN));
	while (rows % parts > 0) {
		parts += 1;
	}
	return (rows / parts) * columns;
}

/** Adds the statistics of layers from the values of their input. */
export class ValueStatistics {
	readonly #additions: GraphAdditions;

	constructor(additions: GraphAdditions) {
		this.#additions = additions;
	}

	/**
	 * Adds a layer's center: the mean of an image. A product with each pixel has the mean pixel's as its mean.
	 * @param x input of the convolution in the group with the image
	 * @param message of the convolution
	 * @param center name of the result
	 * @returns the bias of the convolution that puts values around the center
	 */
	addCenter({ index, source, pixelWidth }: BlockedLayer, x: string, message: Uint8Array, center: string): string {
		const additions = this.#additions;
		const node = additions.node.bind(additions);
		const name = (part: string) => `layer${index}//${part}`;
		const [, weight, bias = ''] = source.inputs;
		const [from, to] = [additions.integers(0), additions.integers(1)];
		const image = node('Slice', [x, from, to, from], `${x}//image`);
		const isByPixel = pixelWidth !== undefined;
		const seen = isByPixel ? node('GlobalAveragePool', [image], `${x}//pixel`, BLOCKED) : image;
		const own = name('ofImage');
		const change: NodeChange = { name: own, inputs: [seen, weight, ...(bias === '' ? [] : [bias])], outputs: [own] };
		additions.message(rewriteNode(message, change));
		const pixel = isByPixel ? own : node('GlobalAveragePool', [own], name('pooled'), BLOCKED);
		const opposite = node('Neg', [node('Reshape', [pixel, additions.integers(-1)], center)], name('opposite'));
		return bias === '' ? opposite : node('Add', [bias, opposite], name('shift'));
	}

	/** Adds a layer's results. Returns its weights and bias for centered values. */
	addMoments(
		{ index, width }: BlockedLayer,
		{ groups, sizes, shape }: GroupedTensor,
		{ constants, results }: { readonly constants: LayerConstants; readonly results: ValueResults },
	): { readonly factors: string; readonly offset: string } {
		const additions = this.#additions;
		const node = additions.node.bind(additions);
		const name = (part: string) => `layer${index}//${part}`;
		const [images = 0, , height = 0, columns = 0] = shape;
		const chain = chainOf(shape);
		const rows = (height * columns) / chain;
		const sums = groups.map((values, group) => this.#rowSums(values, [sizes[group] * width * rows, chain]));
		const all = [...sums.map(({ means }) => means), ...sums.map(({ squares }) => squares)];
		const joined = node('Concat', all, name('rowSums'), { integers: { axis: 1 } });
		const total = node('Reshape', [joined, additions.integers(2 * images, width, rows, 1)], name('blocked'));
		const plain = node('ReorderOutput', [total], name('plain'), { ...BLOCKED, integers: { channels: width } });
		const wide = node('Cast', [plain], name('float64'), TO_FLOAT64);
		const byImage = node('ReduceSum', [wide, additions.integers(2, 3)], name('byImage'), { integers: { keepdims: 0 } });
		const means = node('MatMul', [this.#divisors(images, [rows, chain]), byImage], name('means'));
		const row = (position: number) =>
			node(
				'Gather',
				[means, additions.constant(`added//position${position}`, [], [position], 'int64')],
				name(`row${position}`),
			);
		const [distance, squares] = [row(0), row(1)];
		const variance64 = node('Sub', [squares, node('Mul', [distance, distance], name('distance2'))], name('variance64'));
		const variance = node('Cast', [variance64], results.variance, TO_FLOAT32);
		const center64 = node('Cast', [results.center], name('center64'), TO_FLOAT64);
		node('Cast', [node('Add', [center64, distance], name('mean64'))], results.mean, TO_FLOAT32);

		const factor = addFactor(additions, index, constants, variance);
		const factors = node('Reshape', [factor, additions.integers(width, 1, 1, 1)], name('factors'));
		const move = node('Mul', [factor, node('Cast', [distance], name('distance'), TO_FLOAT32)], name('move'));
		return { factors, offset: node('Sub', [constants.beta, move], name('offset')) };
	}

	/**
	 * Adds the mean and the sum of squares of each row of values, shape (1, rows, 1, 1). In the blocked layout, values and
	 * weights of a convolution by channel have the same order, so that a convolution of a row with itself is the sum of its
	 * squares. Both read the tensor while it is still in the cache.
	 * @param shape rows of all images and channels, and values in a row
	 */
	#rowSums(
		x: string,
		[rows, columns]: readonly [number, number],
	): { readonly means: string; readonly squares: string } {
		const additions = this.#additions;
		const values = additions.node('Reshape', [x, additions.integers(1, rows, 1, columns)], `${x}//rows`);
		const weights = additions.node('Reshape', [x, additions.integers(rows, 1, 1, columns)], `${x}//rowWeights`);
		const options = { ...BLOCKED, integers: { group: rows } };
		return {
			squares: additions.node('Conv', [values, weights], `${x}//rowSquares`, options),
			means: additions.node('GlobalAveragePool', [values], `${x}//rowMeans`, BLOCKED),
		};
	}

	/**
	 * Adds a float64 matrix (2, 2 * images) that turns row sums by image, all means first, into the means of values and
	 * squares.
	 */
	#divisors(images: number, [rows, columns]: readonly [number, number]): string {
		const values = new Float64Array(4 * images);
		values.fill(1 / (images * rows), 0, images);
		values.fill(1 / (images * rows * columns), 3 * images);
		const name = `added//divisors${images}-${rows}-${columns}`;
		return this.#additions.constant(name, [2, 2 * images], values, 'float64');
	}
}
