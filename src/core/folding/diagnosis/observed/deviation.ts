import type { CauseCode, PlacementCause } from '../../../report/causes.js';
import type { JsonValue } from '../../../report/json.js';

/**
 * An error that a hypothesis assumes. Hypotheses are ranked by description length: the bits that state the deviations
 * plus, for every unexplained channel, the bits of its value. So a simple explanation beats a flexible explanation that
 * fits equally well, and a fitted parameter must pay for its digits.
 */
export interface Deviation {
	/** Cause. `unknown`: the effect is known, the cause is not. */
	readonly code: Exclude<CauseCode, 'not-identifiable' | PlacementCause>;
	/** Bits that state the deviation, its parameters included. */
	readonly bits: number;
	/** The parameters, for details and evidence: the epsilon that fits, a factor, a permutation. */
	readonly values: Readonly<Record<string, JsonValue>>;
}

/** Maximum information of a number, in bits, also in a narrow interval. */
export const MAX_BITS = 40;

/** Cost of a cause, in bits: a choice among about thirty, times the prior odds against any error. */
export const CAUSE_BITS = 8;
/** Bits of a fitted parameter, about as many as a float32 ratio has. */
export const PARAMETER_BITS = 22;
/** A parameter with a well-known value. */
export const KNOWN_VALUE_BITS = 4;
/** Cost of a variant of a cause that differs in a detail, for example epsilon left out of a wrong formula, in bits. */
export const VARIANT_BITS = 3;

export function deviation(code: Deviation['code'], extraBits = 0, values: Deviation['values'] = {}): Deviation {
	return { code, bits: CAUSE_BITS + extraBits, values };
}

export function totalBits(deviations: readonly Deviation[]): number {
	return deviations.reduce((sum, { bits }) => sum + bits, 0);
}

/** Default values of epsilon with the names of their frameworks. They match to within rounding only. */
export const KNOWN_EPSILONS: readonly (readonly [number, string])[] = [
	[1e-3, 'the default of Keras, TensorFlow and MXNet'],
	[1e-5, 'the default of PyTorch, ONNX, Paddle and MindSpore'],
	[1e-4, 'the default of Huawei CANN'],
	[1e-6, 'used by darknet'],
	[0, 'as in FrozenBatchNorm2d of older torchvision'],
	[2e-5, 'used by older MXNet models'],
	[1.001e-5, 'used by keras-applications ResNets'],
	[1e-7, "Keras' fuzz factor"],
	[1e-8, 'a common choice'],
	[1e-9, 'a common choice'],
	[1e-12, 'a common choice'],
	[1e-2, 'a common choice'],
	[0.1, 'a common choice'],
];
