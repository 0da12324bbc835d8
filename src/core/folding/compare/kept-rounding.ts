import { affine } from '../../batchnorm/affine.js';
import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { PARAMETER_NAMES, type ParameterName } from '../../batchnorm/parameters.js';
import { FLOAT_FORMATS, type FloatType, isFloatType, roundTo } from '../../numbers/float-formats.js';
import { type FoldParameters, ROUNDED_STEPS } from '../operators/expected.js';
import { alongAxis } from '../operators/layout.js';
import type { QuantizationGrid } from '../operators/quantization-grid.js';
import type { WeightReader } from '../operators/weights.js';

/** Quantization steps of a kept layer's parameters, shape (channels); parameters in float have none. */
export type ParameterSteps = Partial<Record<ParameterName, Float64Array>>;

/** Reads the steps that the model states for a layer's parameters. */
export async function parameterSteps(layer: BatchNormLayer, weights: WeightReader): Promise<ParameterSteps> {
	const steps: ParameterSteps = {};
	for (const name of PARAMETER_NAMES) {
		const { name: tensor, values } = layer[name];
		const dims = [values?.length ?? 0];
		const layout = alongAxis(dims, 0);
		const ofParameter = values && (await weights.steps(layer.scope, tensor, { values, dims, layout }));
		if (ofParameter) {
			steps[name] = ofParameter;
		}
	}
	return steps;
}

export type KeptRounding = 'exact' | 'rounding-fp16' | 'rounding-bf16' | 'quantized-int8';

/** Returns the narrowest of the types that the four parameters come in. */
export function storedType(layer: BatchNormLayer): FloatType {
	const types = PARAMETER_NAMES.map((name) => layer[name].dtype).filter(isFloatType);
	const narrower = (a: FloatType, b: FloatType) =>
		FLOAT_FORMATS[b].unitRoundoff > FLOAT_FORMATS[a].unitRoundoff ? b : a;
	return types.length > 0 ? types.reduce(narrower) : 'float32';
}

/** Returns the rounding of all deployed parameters; undefined if any is neither the original's nor its rounding. */
export function roundingOf(
	original: FoldParameters,
	deployed: FoldParameters,
	{ keptAs, steps }: { readonly keptAs: BatchNormLayer; readonly steps: ParameterSteps },
): KeptRounding | undefined {
	const same = (round: (value: number, dtype: FloatType) => number) =>
		PARAMETER_NAMES.every((name) => {
			const { dtype } = keptAs[name];
			const rounded = (value: number) => (isFloatType(dtype) ? round(value, dtype) : value);
			// Adding 0 makes +0 and -0 equal; Object.is makes NaN equal to itself.
			return original[name].every((value, channel) => Object.is(rounded(value) + 0, deployed[name][channel] + 0));
		});
	if (original.epsilon !== deployed.epsilon) {
		return undefined;
	}
	if (same((value) => value)) {
		return 'exact';
	}
	const stored = storedType(keptAs);
	const code = stored === 'float16' ? 'rounding-fp16' : stored === 'bfloat16' ? 'rounding-bf16' : undefined;
	if (code && same(roundTo)) {
		return code;
	}
	const isOnGrid = PARAMETER_NAMES.every((name) =>
		original[name].every((value, channel) => isRounded(value, deployed[name][channel], steps[name]?.[channel])),
	);
	return isOnGrid ? 'quantized-int8' : undefined;
}

/** True if `rounded` is `value` rounded to whole steps, or equal to it without a step. */
export function isRounded(value: number, rounded: number, step: number | undefined): boolean {
	if (step === undefined) {
		return value === rounded;
	}
	// The product of integer and scale is rounded to float32.
	return Math.abs(rounded - value) <= ROUNDED_STEPS * step + FLOAT_FORMATS.float32.unitRoundoff * Math.abs(value);
}

/** Returns the rounding of the original, if the deployed parameters round to its parameters. */
export function roundedCopy(
	original: FoldParameters,
	deployed: FoldParameters,
	type: FloatType,
): 'rounding-fp16' | 'rounding-bf16' | undefined {
	const same = PARAMETER_NAMES.every((name) =>
		original[name].every((value, channel) => Object.is(value + 0, roundTo(deployed[name][channel], type) + 0)),
	);
	const isSame = same && original.epsilon === deployed.epsilon;
	return isSame ? (type === 'bfloat16' ? 'rounding-bf16' : 'rounding-fp16') : undefined;
}

/**
 * Returns steps for scale and shift, which are judged like weights and biases: twice their largest error if each
 * parameter is off by half a step. With d for the error of a parameter, s = gamma / sqrt(variance + epsilon) is largest
 * at gamma + d and variance - d, and t = beta - mean s is off by d(beta) + (|mean| + d(mean)) d(s) + |s| d(mean).
 * Undefined for parameters in float.
 */
export function affineSteps(parameters: FoldParameters, steps: ParameterSteps): QuantizationGrid | undefined {
	if (PARAMETER_NAMES.every((name) => steps[name] === undefined)) {
		return undefined;
	}
	const { gamma, beta, mean, variance, epsilon } = parameters;
	const half = (name: ParameterName, channel: number) => (steps[name]?.[channel] ?? 0) / 2;
	const { scale } = affine(gamma, beta, mean, variance, epsilon);
	const weight = scale.map((s, channel) => {
		const least = Math.max(variance[channel] - half('variance', channel), 0) + epsilon;
		return 2 * ((Math.abs(gamma[channel]) + half('gamma', channel)) / Math.sqrt(least) - Math.abs(s));
	});
	const bias = scale.map((s, channel) => {
		const ofMean = half('mean', channel);
		const ofScale = (Math.abs(mean[channel]) + ofMean) * (weight[channel] / 2);
		return 2 * (half('beta', channel) + ofScale + Math.abs(s) * ofMean);
	});
	return { weight, bias };
}
