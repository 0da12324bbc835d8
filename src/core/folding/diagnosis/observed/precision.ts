import { areRepresentable, FLOAT_FORMATS, type FloatType } from '../../../numbers/float-formats.js';
import { type FoldTolerance, foldTolerance } from '../../operators/expected.js';
import { type ChannelLayout, channelCount } from '../../operators/layout.js';
import { type Lattice, quantizationLattice } from './lattice.js';

/** A possible rounding of the deployed weights, and the error that it allows. */
export interface DeployedPrecision {
	/** null: folded and stored in the weights' own type. */
	readonly cause: 'rounding-fp16' | 'rounding-bf16' | 'quantized-int8' | null;
	readonly tolerance: FoldTolerance;
	/** Allowed absolute error of each row's weights, shape (rows): half a quantization step, or almost 0. */
	readonly absolute: Float64Array;
	readonly lattice?: Lattice;
	/**
	 * Set if intermediate results were rounded, too. Two observations show it: rows that are otherwise no multiples, and
	 * weights that were numbers of the narrow type from the beginning. `type` is absent for quantization.
	 */
	readonly loose?: { readonly type?: FloatType };
}

const ROUNDINGS = [
	// bfloat16 first: within float16's range its numbers are float16 numbers too.
	['bfloat16', 'rounding-bf16'],
	['float16', 'rounding-fp16'],
	// Folded in float32 and widened: ordinary.
	['float32', null],
] as const;

/**
 * Returns the roundings that the deployed values admit, the strictest first: the fold rounded once to a narrower type,
 * the whole computation in that type, the stored type itself.
 * @param stored element type of the deployed weight tensor.
 * @param source element type of the original weight tensor: a type as narrow as that is nothing to remark on.
 * @param steps quantization step of each row that the model states, shape (rows); otherwise the values show it
 */
export function deployedPrecisions(
	deployed: Float32Array | Float64Array,
	layout: ChannelLayout,
	stored: FloatType,
	source: FloatType,
	steps?: Float64Array,
): readonly DeployedPrecision[] {
	const flat = (tolerance: FoldTolerance, cause: DeployedPrecision['cause']) =>
		uniformPrecision(layout, tolerance, cause);
	const narrow = ROUNDINGS.find(
		([type]) => (type === stored && type !== 'float32') || (isWider(stored, type) && areRepresentable(deployed, type)),
	);
	if (narrow && !steps) {
		const [type, code] = narrow;
		const cause = type === source ? null : code;
		const throughout = { ...flat(foldTolerance(type), cause), loose: { type } };
		const readings = [flat(foldTolerance(type, 'float32'), cause), throughout];
		return type === stored ? readings : [flat(foldTolerance(stored), null), ...readings];
	}
	const native = flat(foldTolerance(stored), null);
	const lattice = steps ? statedLattice(steps) : quantizationLattice(deployed, layout);
	return lattice ? [native, ...fromLattice(lattice, native.tolerance)] : [native];
}

/** Returns the rounding of a correct fold computed in float32 or better and stored as `stored`. */
export function strictestPrecision(layout: ChannelLayout, stored: FloatType): DeployedPrecision {
	return uniformPrecision(layout, foldTolerance(stored, stored === 'float64' ? 'float64' : 'float32'), null);
}

/**
 * Returns the rounding of an original that is a copy rounded to a narrow type, such as a checkpoint saved in half
 * precision, while the deployed model was made from wider values. With the type's unit roundoff u, gamma and each
 * weight are off by u and the root of the variance by u / 2. So s W, b s and mean s are off by 2.5 u, and beta by u.
 * @param scale s of each row, by which the rounding of subnormal weights grows
 */
export function roundedCopyPrecision(
	{ source, stored }: { readonly source: FloatType; readonly stored: FloatType },
	scale: Float64Array,
): DeployedPrecision {
	const { unitRoundoff: u, tiny } = FLOAT_FORMATS[source];
	const fold = foldTolerance(stored, stored === 'float64' ? 'float64' : 'float32');
	const tolerance = {
		weightRelative: fold.weightRelative + PRODUCT_ROUNDINGS * u,
		weightAbsolute: fold.weightAbsolute + tiny,
		biasTerms: fold.biasTerms + PRODUCT_ROUNDINGS * u,
		biasBeta: fold.biasBeta + u,
		biasRelative: fold.biasRelative,
		biasAbsolute: fold.biasAbsolute + tiny,
	};
	return {
		cause: source === 'bfloat16' ? 'rounding-bf16' : 'rounding-fp16',
		tolerance,
		absolute: scale.map((s) => fold.weightAbsolute + (tiny / 2) * Math.abs(s)),
		loose: { type: source },
	};
}

/** 2.5, and a tenth for the products of roundings. */
const PRODUCT_ROUNDINGS = 2.6;

function statedLattice(steps: Float64Array): Lattice {
	return { steps, perTensor: steps.every((step) => step === steps[0]) };
}

function uniformPrecision(
	layout: ChannelLayout,
	tolerance: FoldTolerance,
	cause: DeployedPrecision['cause'],
): DeployedPrecision {
	return { cause, tolerance, absolute: new Float64Array(channelCount(layout)).fill(tolerance.weightAbsolute) };
}

const isWider = (stored: FloatType, type: FloatType): boolean =>
	stored === 'float64' || (stored === 'float32' && type !== 'float32');

/**
 * Allows half a step for rounding to the nearest value, or a whole step for truncation and for clipping at the end of
 * the range.
 */
function fromLattice(lattice: Lattice, tolerance: FoldTolerance): DeployedPrecision[] {
	return [0.5, 1].map((steps) => ({
		cause: 'quantized-int8' as const,
		tolerance,
		absolute: lattice.steps.map((step) => step * (steps + LATTICE_SLACK) + tolerance.weightAbsolute),
		lattice,
		...(steps > 0.5 && { loose: {} }),
	}));
}

/** The step itself was rounded, and each product with it. */
const LATTICE_SLACK = 1e-3;
