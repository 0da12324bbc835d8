import { type NodeChange, rewriteNode } from '../../../core/onnx/write/encode.js';
import type { BlockedLayer } from './blocked-graph.js';
import type { LayerConstants } from './covariance-statistics.js';
import { BLOCKED_DOMAIN, type GraphAdditions, TO_FLOAT32, TO_FLOAT64 } from './graph-additions.js';

const BLOCKED = { domain: BLOCKED_DOMAIN };

/** Names of a layer's results, each of shape (width), float32. */
export interface ValueResults {
	readonly mean: string;
	readonly variance: string;
	/** Subtracted from the values before their squares are added. */
	readonly center: string;
}

/** A layer's input in groups of images. */
export interface GroupedInput {
	/** Names of the convolution's output in each group. */
	readonly groups: readonly string[];
	/** Images of each group. */
	readonly sizes: readonly number[];
	/** Shape of the layer's input. */
	readonly shape: readonly number[];
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
		{ groups, sizes, shape }: GroupedInput,
		{ constants, results }: { readonly constants: LayerConstants; readonly results: ValueResults },
	): { readonly factors: string; readonly offset: string } {
		const additions = this.#additions;
		const node = additions.node.bind(additions);
		const name = (part: string) => `layer${index}//${part}`;
		const [images = 0, , height = 0, columns = 0] = shape;
		const chain = chainOf(shape);
		const rows = (height * columns) / chain;
		const sums = groups.map((values, group) => this.#rowSums(values, [sizes[group] * width * rows, chain]));
		const joined = node('Concat', sums, name('rowSums'), { integers: { axis: 1 } });
		const total = node('Reshape', [joined, additions.integers(2 * images, width, rows, 1)], name('blocked'));
		const plain = node('ReorderOutput', [total], name('plain'), { ...BLOCKED, integers: { channels: width } });
		const wide = node('Cast', [plain], name('float64'), TO_FLOAT64);
		const byImage = node('ReduceSum', [wide, additions.integers(2, 3)], name('byImage'), { integers: { keepdims: 0 } });
		const means = node('MatMul', [this.#divisors(sizes, [rows, chain]), byImage], name('means'));
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

		const { gamma, beta, epsilon } = constants;
		const deviation = node('Sqrt', [node('Add', [variance, epsilon], name('square'))], name('deviation'));
		const factor = node('Div', [gamma, deviation], name('factor'));
		const factors = node('Reshape', [factor, additions.integers(width, 1, 1, 1)], name('factors'));
		const move = node('Mul', [factor, node('Cast', [distance], name('distance'), TO_FLOAT32)], name('move'));
		return { factors, offset: node('Sub', [beta, move], name('offset')) };
	}

	/**
	 * Adds the mean and the sum of squares of each row of values, shape (1, 2 * rows, 1, 1) with all means first. In the
	 * blocked layout, values and weights of a convolution by channel have the same order, so that a convolution of a row
	 * with itself is the sum of its squares. Both read the tensor while it is still in the cache.
	 * @param shape rows of all images and channels, and values in a row
	 */
	#rowSums(x: string, [rows, columns]: readonly [number, number]): string {
		const additions = this.#additions;
		const values = additions.node('Reshape', [x, additions.integers(1, rows, 1, columns)], `${x}//rows`);
		const weights = additions.node('Reshape', [x, additions.integers(rows, 1, 1, columns)], `${x}//rowWeights`);
		const options = { ...BLOCKED, integers: { group: rows } };
		const squares = additions.node('Conv', [values, weights], `${x}//rowSquares`, options);
		const means = additions.node('GlobalAveragePool', [values], `${x}//rowMeans`, BLOCKED);
		return additions.node('Concat', [means, squares], `${x}//rowSums`, { integers: { axis: 1 } });
	}

	/** Adds a float64 matrix (2, 2 * images) that turns row sums by image into the means of values and squares. */
	#divisors(sizes: readonly number[], [rows, columns]: readonly [number, number]): string {
		const images = sizes.reduce((sum, size) => sum + size, 0);
		const values = new Float64Array(4 * images);
		let at = 0;
		for (const size of sizes) {
			values.fill(1 / (images * rows), at, at + size);
			values.fill(1 / (images * rows * columns), 2 * images + at + size, 2 * images + at + 2 * size);
			at += 2 * size;
		}
		const name = `added//divisors${images}-${rows}-${columns}`;
		return this.#additions.constant(name, [2, 2 * images], values, 'float64');
	}
}
