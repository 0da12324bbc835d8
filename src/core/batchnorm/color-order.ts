import { ConstantResolver } from '../onnx/graph/constants.js';
import type { TensorAccess } from '../onnx/tensor/tensor.js';
import type { LayerParameters } from '../report/types.js';
import type { BatchNormLayer } from './layer.js';

/** Channels of an image with colors. */
const COLORS = 3;

/**
 * Sums of a convolution's weights per output and input channel, shape (channels, 3): a constant added to a color of the
 * input adds the sum's multiple to the mean of a channel. Undefined unless a convolution of a model input with three
 * channels stands in front of the layer.
 */
export async function colorSums(
	{ scope, input, channels }: Pick<BatchNormLayer, 'scope' | 'input' | 'channels'>,
	access: TensorAccess,
): Promise<Float64Array | undefined> {
	const definition = scope.lookup(input);
	if (definition.kind !== 'node' || definition.node.opType !== 'Conv' || definition.node.domain !== '') {
		return undefined;
	}
	const [data = '', weight = ''] = definition.node.inputs;
	const from = definition.scope.lookup(data);
	if (from.kind !== 'input' || from.owner !== undefined) {
		return undefined;
	}
	const { tensor, dims } = await new ConstantResolver(access).resolve(definition.scope, weight);
	if (!tensor || dims.length < 3 || dims[0] !== channels || dims[1] !== COLORS) {
		return undefined;
	}
	const kernel = tensor.data.length / (channels * COLORS);
	return Float64Array.from({ length: channels * COLORS }, (_, row) => {
		let sum = 0;
		for (let i = row * kernel; i < (row + 1) * kernel; i++) {
			sum += Number(tensor.data[i]);
		}
		return sum;
	});
}

/** Means and deviations of the colors of ImageNet's images, from 0 to 1: red, green, blue. */
const IMAGENET = { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] } as const;

/**
 * Returns how far the mean of each channel moves if images like ImageNet's arrive with red and blue exchanged.
 * @param sums as of {@link colorSums}
 */
export function exchangeShift(sums: Float64Array): Float64Array {
	const { mean, deviation } = IMAGENET;
	const apart = mean[2] - mean[0];
	return Float64Array.from(
		{ length: sums.length / COLORS },
		(_, c) => (apart * sums[COLORS * c]) / deviation[0] - (apart * sums[COLORS * c + 2]) / deviation[2],
	);
}

/** A layer's running means and the means of a batch. */
export interface Means {
	readonly parameters: Pick<LayerParameters, 'mean' | 'variance'>;
	readonly batch: { readonly mean: Float64Array };
	readonly epsilon: number;
}

/** Share of the drift, as a sum of squares, that three shifts of colors must explain. */
const EXPLAINED = 0.8;

/**
 * Largest shift of green against the mean of red and blue, and of the brightness, as shares of the distance between red and
 * blue. Chance moves the brightness further than the tint.
 */
const MAX_TINT = 0.25;
const MAX_BRIGHTNESS = 0.5;

/**
 * True if the means of a layer's channels drift as they do when red and blue are exchanged: shifts of the three colors
 * explain them, red and blue move apart, and green stays between them. Exchanged colors leave the variances as they are.
 * @param sums as of {@link colorSums}
 */
export function hasExchangedColors({ parameters, batch, epsilon }: Means, sums: Float64Array): boolean {
	const deviations = parameters.variance.map((variance) => Math.sqrt(variance + epsilon));
	const drift = batch.mean.map((mean, c) => (mean - parameters.mean[c]) / deviations[c]);
	const rows = sums.map((sum, i) => sum / deviations[Math.floor(i / COLORS)]);
	const shifts = leastSquares(rows, drift);
	if (!shifts) {
		return false;
	}
	const [red, green, blue] = shifts;
	const apart = Math.abs(red - blue);
	const left = drift.map((value, c) => value - shifts.reduce((sum, shift, k) => sum + shift * rows[COLORS * c + k], 0));
	const isExplained = squares(left) <= (1 - EXPLAINED) * squares(drift);
	const isBetween = Math.abs(green - (red + blue) / 2) <= MAX_TINT * apart;
	return isExplained && isBetween && Math.abs(red + green + blue) / COLORS <= MAX_BRIGHTNESS * apart;
}

const squares = (values: Float64Array) => values.reduce((sum, value) => sum + value ** 2, 0);

/** Solves rows (n, 3) times x = values (n) in the sense of least squares; undefined if the rows do not determine x. */
function leastSquares(rows: Float64Array, values: Float64Array): readonly [number, number, number] | undefined {
	const gram = (a: number, b: number) =>
		values.reduce((sum, _, c) => sum + rows[COLORS * c + a] * rows[COLORS * c + b], 0);
	const right = [0, 1, 2].map((a) => values.reduce((sum, value, c) => sum + rows[COLORS * c + a] * value, 0));
	const columns = [0, 1, 2].map((a) => [0, 1, 2].map((b) => gram(a, b)));
	const whole = determinant(columns);
	const scale = columns[0][0] * columns[1][1] * columns[2][2];
	if (!(Math.abs(whole) > Number.EPSILON * scale * values.length)) {
		return undefined;
	}
	const solved = (at: number) => determinant(columns.map((column, i) => (i === at ? right : column))) / whole;
	return [solved(0), solved(1), solved(2)];
}

function determinant([[a, b, c], [d, e, f], [g, h, i]]: readonly (readonly number[])[]): number {
	return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
}
