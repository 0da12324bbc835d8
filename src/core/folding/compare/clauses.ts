import { shortNumber } from '../../text/numbers.js';
import type { Deviation } from '../diagnosis/observed/deviation.js';
import { KNOWN_EPSILONS } from '../diagnosis/observed/deviation.js';

/** Facts for a sentence about a deviation, besides the deviation. */
export interface ClauseContext {
	/** The epsilon that the file states. */
	readonly epsilon: number;
	/** "Conv", "Gemm" …: the operator folded into. */
	readonly operator: string;
}

/** Findings about the bias in the explanation as a whole. */
export interface BiasContext {
	/** True if the mean was multiplied by the factor on the variance. */
	readonly isMeanScaled: boolean;
	/** The bias is as it should be. */
	readonly isBiasRight: boolean;
}

type Clause = (values: Deviation['values'], context: ClauseContext & BiasContext) => string;

const numeric = (value: unknown): string => (typeof value === 'number' ? shortNumber(value) : String(value));

/** Adds the framework to its default value: "0.001, the default of Keras …". */
function epsilonWords(value: unknown): string {
	const known = KNOWN_EPSILONS.find(([epsilon]) => Math.fround(epsilon) === Math.fround(Number(value)));
	return known ? `${numeric(value)}, ${known[1]}` : numeric(value);
}

/** Returns a number in enough digits to distinguish it from another number. */
function unlike(value: number, other: number): string {
	const isTold = shortNumber(value) !== shortNumber(other);
	return isTold ? shortNumber(value) : String(Number(value.toPrecision(6)));
}

/** Clauses with the numbers of each cause. They stand alone or are joined. */
const CLAUSES: Readonly<Record<Deviation['code'], Clause>> = {
	'wrong-epsilon': ({ epsilon }, context) =>
		`the weights fit epsilon ${epsilonWords(epsilon)}; the original says ${unlike(context.epsilon, Number(epsilon))}`,
	'epsilon-outside-sqrt': () => 'the weights fit gamma / (sqrt(variance) + epsilon): epsilon outside the square root',
	'epsilon-clamped': () => 'the weights fit gamma / sqrt(max(variance, epsilon)): epsilon as a lower limit',
	'epsilon-applied-twice': ({ epsilon }) =>
		`every weight has an additional factor of ${(1 / Math.sqrt(1 + Number(epsilon))).toFixed(7)} = 1 / sqrt(1 + ${numeric(epsilon)}): epsilon was added to a variance of 1 once more`,
	'missing-sqrt': () => 'the weights fit gamma / (variance + epsilon): the square root is missing',
	'std-as-variance': () => 'the weights fit the standard deviation in place of the variance',
	'multiplied-by-std': () => 'the weights fit gamma * sqrt(variance + epsilon): multiplied instead of divided',
	'variance-ignored': () => 'the weights are multiplied by gamma alone: the variance is ignored',
	'unbiased-variance': ({ samples, inverse }) =>
		inverse
			? `the weights fit variance * (m - 1) / m with m = ${numeric(samples)}: Bessel's correction was taken back`
			: `the weights fit variance * m / (m - 1) with m = ${numeric(samples)}: Bessel's correction was applied again`,
	'variance-scale-factor': ({ factor }, { isMeanScaled }) =>
		`the weights fit the variance${isMeanScaled ? ', and the bias the mean,' : ''} multiplied by ${numeric(factor)}`,
	'gamma-dropped': () => 'the weights fit 1 / sqrt(variance + epsilon): gamma is missing',
	'gamma-sign-lost': () => 'the weights fit the absolute value of gamma: rows of negative gamma have the wrong sign',
	'beta-dropped': () => 'the bias is short of exactly beta',
	'mean-dropped': () => 'the bias is too large by exactly mean * scale: the mean is missing',
	'mean-sign-flipped': () => 'the bias is off by exactly 2 * mean * scale: the mean was added',
	'mean-unscaled': () => 'the bias has the mean in it without the scale',
	'conv-bias-dropped': (_, { operator }) => `the bias lacks the ${operator}'s own bias`,
	'conv-bias-unscaled': (_, { operator }) => `the bias has the ${operator}'s own bias in it without the scale`,
	'gemm-beta-reapplied': ({ factor, isForgotten }) =>
		isForgotten
			? `mean and beta in the bias are multiplied by Gemm's beta, ${numeric(factor)}: the fold left it out, and the Gemm applies it to the whole bias`
			: `the whole bias is multiplied by Gemm's beta, ${numeric(factor)}, once more`,
	'bias-not-folded': (_, { operator }) => `the bias is still the ${operator}'s own: mean and beta were not folded in`,
	'weights-not-folded': () => 'the weights are still the original ones: the scale was not folded in',
	'folded-twice': () => 'the weights carry the square of the scale: folded twice',
	'initial-statistics': () => 'the weights fit a variance of 1: the statistics of a layer that never saw data',
	'stale-statistics': () => 'the weights fit other running statistics than those in the file',
	'parameters-permuted': ({ moved }) => `the parameters of ${numeric(moved)} channels stand in another order`,
	'channels-permuted': ({ moved, bias }) =>
		`the weight has the rows of ${numeric(moved)} channels in another order${bias ? ', their bias stayed in place' : ''}`,
	'wrong-axis': ({ axis, groups, order }) =>
		order === undefined
			? `the weights were scaled along axis ${numeric(axis)}${groups ? ` in ${numeric(groups)} groups` : ''} instead of the output channels`
			: `the scale was laid out over the weight in the wrong order (${numeric(order)})`,
	'forward-fold-padding': () => 'the weights carry the layer in front, folded forward into a padded convolution',
	'rounding-fp16': ({ overflow }) =>
		overflow ? 'the variance overflowed float16, so the scale became 0' : 'the values are rounded to float16',
	'rounding-bf16': () => 'the values are rounded to bfloat16',
	unknown: ({ factor }, { isBiasRight }) =>
		`the weights are the right ones multiplied by ${numeric(factor)}${isBiasRight ? ', the bias is right' : ''}: no mistake of folding does that, but a scaling of the input or of a layer in front that went into the weights does`,
	'quantized-int8': () => 'the values are whole multiples of a quantization step',
};

export function clause({ code, values }: Deviation, context: ClauseContext & BiasContext): string {
	return CLAUSES[code](values, context);
}
