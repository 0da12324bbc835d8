export interface CauseDescription {
	/** Short name for tables, in lower case. */
	readonly title: string;
	/** Next step, in at most two sentences. */
	readonly advice: string;
}

const ROUNDED = 'Nothing is wrong with the fold; if accuracy suffers, keep these weights in float32.';
const EPSILON =
	"If the original's epsilon is right, give it to the converter and repair the deployed model; if not, correct the original.";
const FORMULA = 'Correct the converter: the scale is gamma / sqrt(variance + epsilon).';
const BIAS =
	"Correct the converter: the folded bias is (bias - mean) * scale + beta, with the operator's own bias in it.";

/**
 * Catalogue of causes: errors that folding a BatchNormalization can make. Codes are fixed by contract; core/folding
 * recognizes them, and every surface shows their words beside the evidence.
 */
export const CAUSES = {
	'rounding-fp16': {
		title: 'rounded to float16',
		advice: `${ROUNDED} A variance above 65504 overflows float16: fold before converting.`,
	},
	'rounding-bf16': { title: 'rounded to bfloat16', advice: ROUNDED },
	'quantized-int8': {
		title: 'quantized',
		advice:
			'The fold itself is right. Where channels differ much in scale, quantize per channel instead of per tensor.',
	},
	'wrong-epsilon': { title: 'different epsilon', advice: EPSILON },
	'epsilon-outside-sqrt': {
		title: 'epsilon added outside the square root',
		advice: `${FORMULA} Epsilon belongs inside the square root.`,
	},
	'epsilon-clamped': {
		title: 'epsilon used as a lower limit',
		advice: `${FORMULA} Epsilon is added to the variance, not a limit for it.`,
	},
	'epsilon-applied-twice': {
		title: 'epsilon applied twice',
		advice:
			'The scale was folded once and then treated as a BatchNormalization with variance 1 again. Set epsilon to 0 in the second step, or fold once.',
	},
	'missing-sqrt': { title: 'square root missing', advice: FORMULA },
	'std-as-variance': {
		title: 'standard deviation taken for the variance',
		advice: `${FORMULA} Pass the running variance, not its square root.`,
	},
	'multiplied-by-std': { title: 'multiplied by the standard deviation', advice: `${FORMULA} Divide, not multiply.` },
	'variance-ignored': { title: 'variance ignored', advice: FORMULA },
	'unbiased-variance': {
		title: "Bessel's correction applied to the variance",
		advice: 'Use the running variance as it is stored; do not multiply it by m / (m - 1) or its inverse.',
	},
	'variance-scale-factor': {
		title: 'moving-average factor not divided out',
		advice:
			'Caffe keeps a scale factor in the third blob of its BatchNorm layer: divide mean and variance by it, once.',
	},
	'gamma-dropped': {
		title: 'gamma dropped',
		advice:
			'Multiply the weights by gamma. If gamma is meant to stay 1 (MXNet: fix_gamma), set it to 1 in the original instead.',
	},
	'gamma-sign-lost': { title: 'sign of gamma lost', advice: 'Gamma may be negative: multiply by it with its sign.' },
	'beta-dropped': { title: 'beta dropped', advice: BIAS },
	'mean-dropped': { title: 'mean dropped', advice: BIAS },
	'mean-sign-flipped': { title: 'sign of the mean flipped', advice: BIAS },
	'mean-unscaled': { title: 'mean not scaled', advice: BIAS },
	'conv-bias-dropped': { title: "operator's bias dropped", advice: BIAS },
	'conv-bias-unscaled': { title: "operator's bias not scaled", advice: BIAS },
	'gemm-beta-reapplied': {
		title: "Gemm's beta applied again",
		advice: "Set Gemm's beta to 1 after folding, or divide the folded bias by it.",
	},
	'bias-not-folded': { title: 'bias not folded', advice: BIAS },
	'weights-not-folded': {
		title: 'weights not folded',
		advice:
			'Multiply the weights by the scale along the output channels; only the bias was changed, or nothing at all.',
	},
	'folded-twice': {
		title: 'folded twice',
		advice: 'Fold once: either remove the BatchNormalization after folding, or start from the unfolded weights.',
	},
	'initial-statistics': {
		title: 'statistics of an untrained layer',
		advice:
			'Load the checkpoint, with its running mean and variance (buffers, not parameters), before folding or exporting.',
	},
	'stale-statistics': {
		title: 'statistics of another moment',
		advice:
			'The deployed weights fit other running statistics than those in the file: export both from the same checkpoint, and confirm with batch statistics of real data.',
	},
	'parameters-permuted': {
		title: 'parameters in another order',
		advice: 'Apply each parameter to its own channel: the order of channels changed on one side only.',
	},
	'channels-permuted': {
		title: 'channels in another order',
		advice:
			'Reorder the output channels, or make sure that the next layer was reordered the same way: then nothing is wrong.',
	},
	'wrong-axis': {
		title: 'scaled along the wrong axis',
		advice:
			'Scale along the output channels: axis 0 of Conv, axis 1 (within each group) of ConvTranspose, the columns of MatMul and of Gemm without transB.',
	},
	'forward-fold-padding': {
		title: 'folded forward into a padded convolution',
		advice:
			'Padding inserts zeros after the BatchNormalization: fold forward only without padding, or pad with -shift / scale.',
	},
	'training-mode': {
		title: 'exported in training mode',
		advice:
			'Export the model in inference mode (PyTorch: call model.eval() first). In training mode a layer uses the statistics of each batch, and exporting may change the running statistics.',
	},
	'transposed-weight': {
		title: 'weight transposed',
		advice:
			'Keep the order of input and output channels, or transpose once: the square shape of the weight hides that its axes were exchanged.',
	},
	'layers-exchanged': {
		title: 'layers exchanged',
		advice: 'Give each layer its own weights: two layers of one shape have exchanged theirs.',
	},
	'folded-across-activation': {
		title: 'moved across an activation',
		advice:
			'Keep the BatchNormalization behind the activation, or fold it forward into the next operator: an activation does not commute with scale and shift.',
	},
	'several-consumers': {
		title: 'folded although the output has another reader',
		advice: 'Fold into a copy of the operator, because another node reads its output without the BatchNormalization.',
	},
	'shared-weight': {
		title: 'shared weight changed for another reader',
		advice: 'Fold into a copy of the weight, because another operator uses it unchanged.',
	},
	'bias-clipped': {
		title: 'bias clipped to int32',
		advice:
			"Give the channel a larger weight scale, so that its bias fits 32-bit steps, or keep its bias in float: the step is the input's scale times the weight's.",
	},
	'statistics-reset': {
		title: 'statistics lost',
		advice: 'Restore the running mean and variance from the checkpoint: the converter replaced them by a constant.',
	},
	'statistics-clipped': {
		title: 'clipped to a limit of float16',
		advice:
			'Fold in float32 before converting to float16, or keep the BatchNormalization in float32: the converter replaces values beyond its limits by the limits.',
	},
	'not-identifiable': {
		title: 'no scale to compare',
		advice: 'The channels concerned have scale 0 or only zero weights, so their ratio shows no scale.',
	},
	unknown: {
		title: 'unknown',
		advice: 'Compare the channels named; if the model was trained on, or edited, fold the current original again.',
	},
} as const satisfies Readonly<Record<string, CauseDescription>>;

export type CauseCode = keyof typeof CAUSES;

/** Roundings of a right fold to a narrower type. */
export const ROUNDING_CAUSES = [
	'rounding-fp16',
	'rounding-bf16',
	'quantized-int8',
] as const satisfies readonly CauseCode[];

/** Causes that graph or file show, without a formula of weights. */
export const PLACEMENT_CAUSES = [
	'training-mode',
	'transposed-weight',
	'layers-exchanged',
	'folded-across-activation',
	'several-consumers',
	'shared-weight',
	'bias-clipped',
	'statistics-reset',
	'statistics-clipped',
] as const satisfies readonly CauseCode[];

export type PlacementCause = (typeof PLACEMENT_CAUSES)[number];

/** All codes, in the order of the catalog. */
export const CAUSE_CODES = Object.keys(CAUSES) as readonly CauseCode[];

export function isCauseCode(value: unknown): value is CauseCode {
	return typeof value === 'string' && Object.hasOwn(CAUSES, value);
}
