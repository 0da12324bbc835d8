import type { BlockedLayer } from './blocked-graph.js';
import { BLOCKED_DOMAIN, type GraphAdditions, TO_FLOAT32, TO_FLOAT64 } from './graph-additions.js';
import type { GroupedTensor } from './image-groups.js';
import { addFactor, type LayerConstants } from './layer-factor.js';

const BLOCKED = { domain: BLOCKED_DOMAIN };

/** Names of a layer's results, each of shape (width), float32. */
export interface CovarianceResults {
	readonly mean: string;
	readonly variance: string;
	readonly spread: string;
}

/** Convolution with a layer folded into it. */
export interface FoldedConvolution {
	/** Shape (width, input channels, 1, 1), in the order of the blocked layout. */
	readonly weight: string;
	/** Shape (width). */
	readonly bias: string;
}

/** Numbers of products that are added in float32. More take less time and memory, and lose digits. */
const [MIN_CHAIN, MAX_CHAIN] = [32, 256];

/**
 * Returns the number of products that {@link CovarianceStatistics} adds in float32: a divisor of the pixels of an image.
 * @param shape of the layer's input
 */
export function chainOf([, , rows = 0, columns = 0]: readonly number[]): number {
	const pixels = rows * columns;
	for (let chain = Math.min(pixels, MAX_CHAIN); chain >= MIN_CHAIN; chain--) {
		if (pixels % chain === 0) {
			return chain;
		}
	}
	return pixels;
}

/** Largest matrix of products over the input that it is computed from. It takes memory. */
const MAX_PRODUCTS = 2;

/**
 * Cost of an element of the layer's input, which needs neither be added up nor normalized, over that of a product in
 * float32: 0.5 ns over 0.014 ns.
 */
const ELEMENT_COST = 35;
/** Cost of a product in float64 over one in float32. */
const WIDE_COST = 4;

/**
 * Returns the input channels of a layer's convolution if the covariance of the input takes less time than the statistics
 * of the output; undefined otherwise. The covariance multiplies each pair of channels for each pixel, the variances each
 * pair for each output.
 * @param shape of the layer's input
 */
export function covarianceWidth({ pixelWidth, width }: BlockedLayer, shape: readonly number[]): number | undefined {
	if (pixelWidth === undefined || pixelWidth > MAX_PRODUCTS * chainOf(shape)) {
		return undefined;
	}
	const [images = 0, , rows = 0, columns = 0] = shape;
	const products = pixelWidth ** 2 * (1 + (WIDE_COST * width) / (images * rows * columns));
	return products < ELEMENT_COST * width ? pixelWidth : undefined;
}

/** Adds the statistics of layers behind convolutions of single pixels, from the covariance of the convolution's input. */
export class CovarianceStatistics {
	readonly #additions: GraphAdditions;

	constructor(additions: GraphAdditions) {
		this.#additions = additions;
	}

	/**
	 * Adds a layer's results. The mean of W x + b is W mean(x) + b, its variance the diagonal of W cov(x) W'.
	 * @param x input of the convolution, and shape of the layer's input
	 */
	add(
		layer: BlockedLayer,
		x: GroupedTensor,
		{ constants, results }: { readonly constants: LayerConstants; readonly results: CovarianceResults },
	): FoldedConvolution {
		const { index, source, width, pixelWidth: channels = 0 } = layer;
		const additions = this.#additions;
		const node = additions.node.bind(additions);
		const name = (part: string) => `layer${index}//${part}`;
		const [, weight, bias = ''] = source.inputs;
		const { mean, covariance, power } = this.#inputMoments(source.inputs[0], x, channels);

		// The weights of 1 x 1 have the order of an image of 1 x channels.
		const weightImage = node('Reshape', [weight, additions.integers(1, width, 1, channels)], name('weightImage'));
		const plain = node('ReorderOutput', [weightImage], name('plainWeight'), {
			...BLOCKED,
			integers: { channels: width },
		});
		const matrix = node('Reshape', [plain, additions.integers(width, channels)], name('matrix'));
		const weights = node('Cast', [matrix], name('weights'), TO_FLOAT64);
		const products = node('Mul', [node('MatMul', [weights, covariance], name('products')), weights], name('terms'));
		const rows = { integers: { keepdims: 0 } };
		const variance64 = node('ReduceSum', [products, additions.integers(1)], name('variance64'), rows);
		const variance = node('Cast', [variance64], results.variance, TO_FLOAT32);
		const squares = node('Mul', [weights, weights], name('weightSquares'));
		node('Cast', [node('MatMul', [squares, power], name('spread64'))], results.spread, TO_FLOAT32);
		const own64 = node('MatMul', [weights, mean], name('mean64'));
		const own = node('Cast', [own64], name('meanWithoutBias'), TO_FLOAT32);
		node(bias === '' ? 'Identity' : 'Add', bias === '' ? [own] : [own, bias], results.mean);

		const factor = addFactor(additions, index, constants, variance);
		const factors = node('Reshape', [factor, additions.integers(width, 1, 1, 1)], name('factors'));
		const scaled = node('Conv', [weightImage, factors], name('scaled'), { ...BLOCKED, integers: { group: width } });
		return {
			weight: node('Reshape', [scaled, additions.integers(width, channels, 1, 1)], name('foldedWeight')),
			bias: node('Sub', [constants.beta, node('Mul', [factor, own], name('move'))], name('foldedBias')),
		};
	}

	/**
	 * Adds the moments of a convolution's input x in float64: mean (channels), covariance (channels, channels), and power,
	 * the mean squares around the center (channels). Values are centered by the mean of the last group, so that little
	 * cancels.
	 */
	#inputMoments(x: string, { groups, sizes, shape }: GroupedTensor, channels: number) {
		const additions = this.#additions;
		const node = additions.node.bind(additions);
		const name = (part: string) => `${x}//${part}`;
		const [images = 0, , rows = 0, columns = 0] = shape;
		const pixels = rows * columns;
		const chain = chainOf(shape);
		const plain = groups.map((group) => {
			const values = node('ReorderOutput', [group], `${group}//plain`, { ...BLOCKED, integers: { channels } });
			return node('Reshape', [values, additions.integers(0, channels, pixels / chain, chain)], `${group}//chains`);
		});
		const inLast = (sizes[sizes.length - 1] ?? 0) * pixels;
		const total = node('ReduceSum', [plain[plain.length - 1], additions.integers(0, 2, 3)], name('lastSum'));
		const center = node('Div', [total, additions.constant(`added//last${inLast}`, [], [inLast])], name('center'));
		const centered = plain.map((values, group) => {
			const distances = node('Sub', [values, center], `${groups[group]}//centered`);
			return node('Transpose', [distances], `${groups[group]}//byChain`, { integers: { perm: [0, 2, 1, 3] } });
		});
		const multiply = { domain: 'com.microsoft', integers: { transB: 1 } };
		const products = this.#mean(
			centered.map((values) => node('FusedMatMul', [values, values], `${values}//products`, multiply)),
			name('products'),
			images * pixels,
		);
		const sums = { integers: { keepdims: 0 } };
		const distance = this.#mean(
			centered.map((values) => node('ReduceSum', [values, additions.integers(3)], `${values}//sums`, sums)),
			name('distance'),
			images * pixels,
		);
		const column = node('Reshape', [distance, additions.integers(channels, 1)], name('column'));
		const square = node('Mul', [column, distance], name('squaredDistance'));
		const flat = node('Reshape', [center, additions.integers(channels)], name('flatCenter'));
		const center64 = node('Cast', [flat], name('center64'), TO_FLOAT64);
		const identity = Float64Array.from({ length: channels ** 2 }, (_, at) => (at % (channels + 1) === 0 ? 1 : 0));
		const eye = additions.constant(`added//identity${channels}`, [channels, channels], identity, 'float64');
		const diagonal = node('Mul', [products, eye], name('diagonal'));
		return {
			mean: node('Add', [center64, distance], name('mean')),
			covariance: node('Sub', [products, square], name('covariance')),
			power: node('ReduceSum', [diagonal, additions.integers(1)], name('power'), sums),
		};
	}

	/** Adds the sum over the first two axes of all parts together in float64, divided by `count`. */
	#mean(parts: readonly string[], name: string, count: number): string {
		const additions = this.#additions;
		const joined =
			parts.length > 1 ? additions.node('Concat', parts, `${name}//joined`, { integers: { axis: 0 } }) : parts[0];
		const wide = additions.node('Cast', [joined], `${name}//float64`, TO_FLOAT64);
		const sum = additions.node('ReduceSum', [wide, additions.integers(0, 1)], `${name}//sum`, {
			integers: { keepdims: 0 },
		});
		const divisor = additions.constant(`added//count${count}`, [], [count], 'float64');
		return additions.node('Div', [sum, divisor], `${name}//mean`);
	}
}
