import { affine } from '../../../core/batchnorm/affine.js';
import { handBuiltBound } from '../../../core/batchnorm/handbuilt-bound.js';
import { squaredDeviation } from '../../../core/batchnorm/handbuilt-deviation.js';
import type { BatchNormLayer, HandBuilt, Parameter } from '../../../core/batchnorm/layer.js';
import { resolveAxes } from '../../../core/batchnorm/normalized-axes.js';
import { product } from '../../../core/numbers/arrays.js';
import { biasedVariance } from '../../../core/numbers/moments.js';
import { failure, type Result, success } from '../../../core/result.js';
import type { FloatData, Kernel, VerifyResult } from '../../../kernel/types.js';
import { permute } from './permute.js';
import type { Arranged, PreparedLayer } from './prepared-layer.js';

/**
 * Maximum number of rows of a hand-built normalization: some ten numbers are kept for each. A layer normalization of a
 * transformer has 100,000.
 */
const MAX_ROWS = 1 << 21;

/** Order of axes: a mean and variance per index of the kept axes, a row per index of kept and split axes. */
interface AxisGroups {
	readonly kept: readonly number[];
	/** Normalized axes along which gamma, beta or the channels vary. */
	readonly split: readonly number[];
	readonly rest: readonly number[];
}

type Data = Pick<PreparedLayer, 'x' | 'dtype' | 'shape' | 'layout' | 'perActivation'>;

/**
 * Combines the input of a hand-built normalization with the statistics that the kernel takes from it.
 * @returns the reason, a clause, if the layer cannot be recomputed
 */
export function prepareHandBuilt(
	{ gamma, beta, epsilon, channelAxis }: BatchNormLayer,
	{ axes, variance, unbiased, place }: HandBuilt,
	data: Data,
	kernel: Kernel,
): Result<PreparedLayer> {
	const { shape, dtype } = data;
	const reduced = resolveAxes(axes, shape.length);
	if (!reduced) {
		return failure(`the input of shape [${shape.join(', ')}] lacks one of the axes ${axes?.join(', ')}`);
	}
	const groups = groupAxes(reduced, shape.length, [
		...variesAlong(gamma, shape),
		...variesAlong(beta, shape),
		channelAxis,
	]);
	const sizeOf = (list: readonly number[]) => product(list.map((axis) => shape[axis]));
	const [statistics, perStatistic, rest] = [sizeOf(groups.kept), sizeOf(groups.split), sizeOf(groups.rest)];
	const rows = statistics * perStatistic;
	if (rows > MAX_ROWS) {
		return failure(`the layer has ${rows} pairs of statistics, gamma and beta; the limit is ${MAX_ROWS}`);
	}
	const rowAxes = [...groups.kept, ...groups.split];
	const [gammas, betas] = [gamma, beta].map((parameter) => spread(parameter, shape, rowAxes));
	if (!gammas || !betas) {
		return failure(`gamma or beta does not broadcast to the input's shape [${shape.join(', ')}]`);
	}
	const order = [...rowAxes, ...groups.rest];
	const x = permute(data.x, shape, order);
	const whole = { batch: 1, channels: statistics, planeSize: perStatistic * rest };
	const moments = kernel.moments(x, dtype, whole);
	const repeat = (values: Float64Array) =>
		Float64Array.from({ length: rows }, (_, i) => values[Math.floor(i / perStatistic)]);
	const count = perStatistic * rest;
	const correction = count / (count - 1);
	if (typeof unbiased === 'number' && unbiased !== count) {
		return failure(`its variance is corrected for ${unbiased} values, but each variance here has ${count}`);
	}
	if (unbiased !== undefined && !Number.isFinite(correction)) {
		return failure('the unbiased variance of a single value does not exist');
	}
	const deviation = { epsilon, place, correction: unbiased === undefined ? 1 : correction };
	// Moments leave out values that are not finite; the layer's own statistics include them.
	const spoilt = (values: Float64Array) =>
		repeat(values.map((value, i) => (moments.nonFinite[i] > 0 ? Number.NaN : value)));
	const used = { gamma: gammas, beta: betas, mean: spoilt(moments.mean), variance: spoilt(biasedVariance(moments)) };
	const squared = used.variance.map((value) => squaredDeviation(deviation, value));
	const numbers = {
		...affine(gammas, betas, used.mean, squared, 0),
		bound: handBuiltBound(used, { count, variance, deviation }, dtype),
	};
	const channelOf = Int32Array.from({ length: rows }, (_, row) => indexAlong(row, rowAxes, shape, channelAxis));
	const layout = { batch: 1, channels: rows, planeSize: rest };
	return success({
		...data,
		...numbers,
		arranged: { x, layout, order, channelOf },
		deviation,
	});
}

function groupAxes(reduced: readonly number[], rank: number, varying: readonly number[]): AxisGroups {
	const kept = Array.from({ length: rank }, (_, axis) => axis).filter((axis) => !reduced.includes(axis));
	return {
		kept,
		split: reduced.filter((axis) => varying.includes(axis)),
		rest: reduced.filter((axis) => !varying.includes(axis)),
	};
}

/** Returns the data axes along which a constant varies. */
function variesAlong({ dims }: Parameter, shape: readonly number[]): number[] {
	return dims.flatMap((dim, at) => (dim === 1 ? [] : [at + shape.length - dims.length]));
}

/** Returns a constant's value per row; undefined if it cannot broadcast. */
function spread(
	{ values, dims }: Parameter,
	shape: readonly number[],
	rowAxes: readonly number[],
): Float64Array | undefined {
	const missing = shape.length - dims.length;
	if (!values || missing < 0 || dims.some((dim, at) => dim !== 1 && dim !== shape[at + missing])) {
		return undefined;
	}
	const stepOf = (axis: number) => {
		const at = axis - missing;
		return at < 0 || dims[at] === 1 ? 0 : product(dims.slice(at + 1));
	};
	const sizes = rowAxes.map((axis) => shape[axis]);
	const steps = rowAxes.map(stepOf);
	return Float64Array.from({ length: product(sizes) }, (_, row) => {
		let at = 0;
		for (let i = sizes.length - 1, left = row; i >= 0; i--) {
			at += (left % sizes[i]) * steps[i];
			left = Math.floor(left / sizes[i]);
		}
		return values[at];
	});
}

/** Returns the index of a row along an axis; 0 if rows do not differ along it. */
function indexAlong(row: number, rowAxes: readonly number[], shape: readonly number[], axis: number): number {
	const at = rowAxes.indexOf(axis);
	const behind = product(rowAxes.slice(at + 1).map((other) => shape[other]));
	return at < 0 ? 0 : Math.floor(row / behind) % shape[axis];
}

/** Brings values in the order of rows back into the order of the layer's shape. */
export function rearrange(values: FloatData, shape: readonly number[], { order }: Arranged): FloatData {
	const back = shape.map((_, axis) => order.indexOf(axis));
	return permute(
		values,
		order.map((axis) => shape[axis]),
		back,
	);
}

/**
 * Joins results per row to results per channel: the largest errors, the sums of the counts.
 * @param whole moments and number of values per channel of the layer
 */
export function joinRows(
	rows: VerifyResult,
	{ channelOf }: Arranged,
	whole: Pick<VerifyResult, 'moments' | 'count'>,
): VerifyResult {
	const channels = whole.moments.count.length;
	const collect = (values: Float64Array, join: (a: number, b: number) => number, start: number) => {
		const joined = new Float64Array(channels).fill(start);
		channelOf.forEach((channel, row) => {
			joined[channel] = join(joined[channel], values[row]);
		});
		return joined;
	};
	const sum = (a: number, b: number) => a + b;
	return {
		...rows,
		...whole,
		maxAbs: collect(rows.maxAbs, Math.max, 0),
		boundRatio: collect(rows.boundRatio, Math.max, 0),
		bound: collect(rows.bound, Math.max, 0),
		sumSquares: collect(rows.sumSquares, sum, 0),
		nonFiniteY: collect(rows.nonFiniteY, sum, 0),
		firstBad: collect(rows.firstBad, Math.max, -1),
	};
}
