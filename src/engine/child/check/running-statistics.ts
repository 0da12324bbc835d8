import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import { FLOAT_FORMATS } from '../../../core/numbers/float-formats.js';
import { biasedVariance, unbiasedVariance } from '../../../core/numbers/moments.js';
import type { Tensors } from '../tensors/tensor.js';
import { floatValues, type PreparedLayer } from './prepare-layer.js';

/** Running mean and variance after a batch, or the allowed errors of both. By channel. */
export interface Statistics {
	readonly mean: Float64Array;
	readonly variance: Float64Array;
}

/**
 * Computation of a new running value. In ONNX `momentum` is the weight of the old value, and the batch's variance is
 * biased (BatchNormalization, opset 14). Frameworks differ in both, and exporters do not always convert.
 */
interface Convention {
	readonly newWeight: (momentum: number) => number;
	readonly variance: 'biased' | 'unbiased';
	/** Completes "as if …". */
	readonly words: string;
}

const CONVENTIONS: readonly Convention[] = [
	{ newWeight: (momentum) => 1 - momentum, variance: 'biased', words: '' },
	{ newWeight: (momentum) => 1 - momentum, variance: 'unbiased', words: 'the variance of the batch were unbiased' },
	{ newWeight: (momentum) => momentum, variance: 'biased', words: 'momentum weighed the new value' },
	{
		newWeight: (momentum) => momentum,
		variance: 'unbiased',
		words: 'momentum weighed the new value and the variance of the batch were unbiased',
	},
];

/** Returns the new running statistics by ONNX's convention; undefined if the layer is not in training mode. */
export function updatedStatistics(layer: BatchNormLayer, prepared: PreparedLayer): Statistics | undefined {
	return mix(layer, prepared, CONVENTIONS[0]);
}

function mix({ momentum }: BatchNormLayer, prepared: PreparedLayer, convention: Convention): Statistics | undefined {
	const { moments, reported } = prepared;
	if (!moments || !reported) {
		return undefined;
	}
	const weight = convention.newWeight(momentum);
	const batch = convention.variance === 'biased' ? biasedVariance(moments) : unbiasedVariance(moments);
	const blend = (old: Float64Array, fresh: Float64Array) =>
		old.map((value, c) => value * (1 - weight) + fresh[c] * weight);
	return { mean: blend(reported.parameters.mean, moments.mean), variance: blend(reported.parameters.variance, batch) };
}

/**
 * Checks the statistics that a training-mode layer outputs besides y: from opset 14 on running mean and variance, before
 * that also the batch's own.
 * @returns a sentence about the fault; undefined if there is none, or no statistic was captured
 */
export function checkStatistics(layer: BatchNormLayer, prepared: PreparedLayer, tensors: Tensors): string | undefined {
	const { moments, reported } = prepared;
	const outputs = layer.node.outputs.slice(1).map((name) => floatValues(tensors.get(name)));
	if (!moments || !reported) {
		return undefined;
	}
	const [mean, variance, batchMean, batchVariance] = outputs;
	const allowed = allowedErrors(prepared, layer.momentum);
	// Moments leave out values that are not finite. A channel with such values has no finite statistic.
	const fitsIn = (c: number, found: number, expected: number, bound: number) =>
		moments.nonFinite[c] > 0 ? !Number.isFinite(found) : Math.abs(found - expected) <= bound;
	const fits = (found: Float64Array | undefined, expected: Float64Array, bound: Float64Array) =>
		found === undefined || expected.every((value, c) => fitsIn(c, found[c], value, bound[c]));
	const agrees = (convention: Convention) => {
		const expected = mix(layer, prepared, convention);
		return expected && fits(mean, expected.mean, allowed.mean) && fits(variance, expected.variance, allowed.variance);
	};
	const used = CONVENTIONS.find(agrees);
	if (!used) {
		return `The running statistics that the layer puts out are not those of its input: ${difference(mean, variance, updatedStatistics(layer, prepared))}.`;
	}
	if (used !== CONVENTIONS[0]) {
		return `The running statistics that the layer puts out are as if ${used.words}, which is not ONNX's convention.`;
	}
	// The specification does not define the saved variance; onnxruntime saves the inverse of the standard deviation.
	const biased = biasedVariance(moments);
	const inverse = (values: Float64Array) => values.map((value) => 1 / Math.sqrt(value + layer.epsilon));
	const inverseError = inverse(biased).map((value, c) => value ** 3 * allowed.variance[c]);
	const savedFits =
		fits(batchMean, moments.mean, allowed.mean) &&
		(fits(batchVariance, biased, allowed.variance) ||
			fits(batchVariance, unbiasedVariance(moments), allowed.variance) ||
			fits(batchVariance, inverse(biased), inverseError));
	return savedFits ? undefined : "The batch's mean and variance that the layer puts out are not those of its input.";
}

/**
 * Returns the allowed error of mixed mean and variance: their own error (bound.ts, trainingBound: e_m and e_v), and
 * three roundings of each term in mixing them with the old values.
 */
function allowedErrors(prepared: PreparedLayer, momentum: number): Statistics {
	const { layout, moments, reported, dtype, roundedTo } = prepared;
	const { unitRoundoff: u, tiny } = FLOAT_FORMATS[dtype];
	const arithmetic = FLOAT_FORMATS[dtype === 'float64' ? 'float64' : 'float32'].unitRoundoff;
	const variance = moments ? biasedVariance(moments) : new Float64Array(0);
	const chain = Math.min(layout.batch * layout.planeSize, Math.ceil(layout.planeSize / 4) + layout.batch + 8);
	const meanError = variance.map(
		(value, c) => (chain + 1) * arithmetic * Math.sqrt(value + (moments?.mean[c] ?? 0) ** 2),
	);
	const moved = variance.map((value, c) =>
		roundedTo ? roundedTo.unitRoundoff * Math.sqrt(value + (moments?.mean[c] ?? 0) ** 2) + roundedTo.tiny / 2 : 0,
	);
	for (let c = 0; c < moved.length; c++) {
		meanError[c] += moved[c];
	}
	const varianceError = variance.map(
		(value, c) =>
			(chain + 4) * arithmetic * value + meanError[c] ** 2 + 2 * moved[c] * Math.sqrt(value) + moved[c] ** 2,
	);
	const largest = Math.max(momentum, 1 - momentum, 1);
	const total = (fresh: Float64Array | undefined, old: Float64Array | undefined, error: Float64Array) =>
		error.map((value, c) => value + 4 * u * largest * (Math.abs(old?.[c] ?? 0) + Math.abs(fresh?.[c] ?? 0)) + tiny);
	return {
		mean: total(moments?.mean, reported?.parameters.mean, meanError),
		variance: total(variance, reported?.parameters.variance, varianceError),
	};
}

function difference(mean: Float64Array | undefined, variance: Float64Array | undefined, expected?: Statistics): string {
	const largest = (found: Float64Array | undefined, right: Float64Array | undefined) =>
		Math.max(0, ...(right ?? []).map((value, c) => Math.abs((found?.[c] ?? value) - value)));
	const words = [
		`the mean differs by up to ${largest(mean, expected?.mean).toPrecision(3)}`,
		`the variance by up to ${largest(variance, expected?.variance).toPrecision(3)}`,
	];
	return words.join(', ');
}
