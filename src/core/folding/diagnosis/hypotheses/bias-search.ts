import { biasBounds, type FoldParameters, type FoldTolerance } from '../../operators/expected.js';
import { type Deviation, deviation, totalBits, VARIANT_BITS } from '../observed/deviation.js';
import type { ScaleHypothesis } from './scale-problem.js';

/**
 * The deployed bias and the values that it should follow from, arrays of shape (rows) in the order of the deployed
 * rows.
 */
export interface BiasProblem {
	readonly parameters: FoldParameters;
	/** The original operator's bias. */
	readonly bias: Float64Array | null;
	/** The deployed operator's bias; zeros where it has none. */
	readonly deployed: Float64Array;
	/** Right scale of each row. */
	readonly right: Float64Array;
	readonly tolerance: FoldTolerance;
	/** Quantization step of each row's bias, shape (rows); absent for a bias in float. */
	readonly steps?: Float64Array | undefined;
	/** Largest magnitude that each row's bias can have, shape (rows); absent without a limit. */
	readonly limits?: Float64Array | undefined;
	/** Bits that explaining a row is worth. */
	readonly weight: Float64Array;
	/** Gemm's beta of either model, if not 1. The bias may be multiplied by it twice. */
	readonly gemmBetas: readonly number[];
}

export interface BiasHypothesis {
	readonly deviations: readonly Deviation[];
	/** Description length: the deviations and the rows left unexplained. */
	readonly bits: number;
	/** The bias that it predicts for a row. */
	readonly predict: (row: number) => number;
	/** True if a row's bias is as predicted, to within rounding. */
	readonly explains: (row: number) => boolean;
	readonly follows?: BiasSource;
}

/** Terms from which a bias was computed. */
export interface BiasSource {
	/** True if the bias uses the right scale, but not the weights. */
	readonly isRightScale: boolean;
	readonly meanFactor: number;
}

/** A form that a tool may give to a term of the bias: a factor per row, from the scale used. */
interface TermVariant {
	readonly code: Deviation['code'] | null;
	readonly factor: (scale: number, meanFactor: number) => number;
}

const BETA_TERMS: readonly TermVariant[] = [
	{ code: null, factor: () => 1 },
	{ code: 'beta-dropped', factor: () => 0 },
];

const MEAN_TERMS: readonly TermVariant[] = [
	{ code: null, factor: (scale, meanFactor) => -scale * meanFactor },
	{ code: 'mean-dropped', factor: () => 0 },
	{ code: 'mean-sign-flipped', factor: (scale, meanFactor) => scale * meanFactor },
	{ code: 'mean-unscaled', factor: (_, meanFactor) => -meanFactor },
];

const OPERATOR_TERMS: readonly TermVariant[] = [
	{ code: null, factor: (scale) => scale },
	{ code: 'conv-bias-dropped', factor: () => 0 },
	{ code: 'conv-bias-unscaled', factor: () => 1 },
];

/** A variant of each term of the bias, with the deviations that they are. */
interface BiasTerms {
	readonly beta: TermVariant;
	readonly mean: TermVariant;
	readonly operator: TermVariant;
	readonly deviations: readonly Deviation[];
	/** Description length of the deviations. */
	readonly bits: number;
}

const TERMS: readonly BiasTerms[] = BETA_TERMS.flatMap((beta) =>
	MEAN_TERMS.flatMap((mean) =>
		OPERATOR_TERMS.map((operator) => {
			const deviations = [beta, mean, operator].flatMap(({ code }) => (code ? [deviation(code)] : []));
			return { beta, mean, operator, deviations, bits: totalBits(deviations) };
		}),
	),
);

/** A formula for the bias that is not evaluated for every row yet. Hundreds are weighed and a handful kept. */
interface Candidate {
	readonly deviations: readonly Deviation[];
	/** Description length without the rows. */
	readonly bits: number;
	readonly predict: (row: number) => number;
	/** Allowed error of a row. */
	readonly bound: (row: number) => number;
	readonly follows?: BiasSource;
}

/**
 * Returns the bias hypotheses for a scale hypothesis, the best first, at most a handful. All are shorter than `limit`,
 * except for the correct bias.
 * @param scale what the scale hypothesis predicts for each row
 */
export function searchBias(
	problem: BiasProblem,
	of: ScaleHypothesis,
	scale: Float64Array,
	limit = Number.POSITIVE_INFINITY,
): readonly BiasHypothesis[] {
	const candidates: Candidate[] = [notFolded(problem)];
	for (const choice of scaleChoices(problem, of, scale)) {
		for (const terms of TERMS) {
			// The correct bias always stays, because other hypotheses are measured by it.
			if (terms.bits === 0 || terms.bits + choice.bits < limit) {
				candidates.push(...fromTerms(problem, choice, terms));
			}
		}
	}
	if (of.bias.twice) {
		candidates.push(foldedTwice(problem, scale));
	}
	if (of.deviations.some(({ code }) => code === 'epsilon-applied-twice')) {
		candidates.push(shiftKept(problem, scale));
	}
	return shortest(problem, candidates, limit).map(({ candidate, bits }) => ({
		deviations: candidate.deviations,
		bits,
		predict: candidate.predict,
		explains: (row) => isMet(problem, candidate, row),
		...(candidate.follows && { follows: candidate.follows }),
	}));
}

const MAX_HYPOTHESES = 6;

interface Described {
	readonly candidate: Candidate;
	readonly bits: number;
}

/** Returns the candidates with the shortest descriptions. Evaluates other candidates on some rows only. */
function shortest(problem: BiasProblem, candidates: readonly Candidate[], most: number): readonly Described[] {
	let best: Described[] = [];
	for (const candidate of candidates) {
		const limit = best.length < MAX_HYPOTHESES ? most : best[MAX_HYPOTHESES - 1].bits;
		const bits = describe(problem, candidate, limit);
		if (bits < limit) {
			best = [...best, { candidate, bits }].sort((a, b) => a.bits - b.bits).slice(0, MAX_HYPOTHESES);
		}
	}
	// The correct bias always stays, because other hypotheses are measured by it.
	const plain = candidates.find(({ deviations }) => deviations.length === 0);
	const isKept = plain === undefined || best.some(({ candidate }) => candidate === plain);
	return isKept ? best : [...best, { candidate: plain, bits: describe(problem, plain, Number.POSITIVE_INFINITY) }];
}

interface ScaleChoice extends BiasSource {
	readonly scale: Float64Array;
	readonly bits: number;
	/** Allowed error of each row. */
	readonly bound: Float64Array;
}

/**
 * Returns the choices of scale and mean. The bias may use the weights' scale or the right scale, and the mean of a
 * wrong variance or the right mean. The first choice is the natural choice.
 */
function scaleChoices(problem: BiasProblem, of: ScaleHypothesis, scale: Float64Array): ScaleChoice[] {
	const { right, tolerance, bias, parameters, steps } = problem;
	const { beta, gamma, variance } = parameters;
	const choice = (values: Float64Array, meanFactor: number, bits: number) => {
		const mean = parameters.mean.map((value) => value * Math.max(Math.abs(meanFactor), 1));
		const bound = biasBounds(tolerance, bias, { beta, mean }, values, steps).map((allowed, row) => {
			const spread = of.uncertainty?.(gamma[row], variance[row]) ?? 0;
			return allowed + 2 * spread * (Math.abs(bias?.[row] ?? 0) + Math.abs(mean[row]));
		});
		return { scale: values, isRightScale: values === right, meanFactor, bits, bound };
	};
	const { foldedRight, meanFactor } = of.bias;
	const [natural, alternative] = foldedRight ? [right, scale] : [scale, right];
	const isSame = natural.every((value, row) => value === alternative[row]);
	return [
		choice(natural, meanFactor, 0),
		...(isSame ? [] : [choice(alternative, 1, UNNATURAL_BITS)]),
		...(meanFactor === 1 ? [] : [choice(natural, 1, UNNATURAL_BITS)]),
	];
}

/** Cost in bits if bias and weights were folded in different ways: more than a cause. */
const UNNATURAL_BITS = 10;

function fromTerms({ parameters, bias, gemmBetas }: BiasProblem, choice: ScaleChoice, terms: BiasTerms): Candidate[] {
	const { scale, meanFactor, bits, bound, isRightScale } = choice;
	const { beta, mean } = parameters;
	const follows = { isRightScale, meanFactor };
	const { deviations } = terms;
	const predict = (row: number) =>
		beta[row] * terms.beta.factor(scale[row], meanFactor) +
		mean[row] * terms.mean.factor(scale[row], meanFactor) +
		(bias?.[row] ?? 0) * terms.operator.factor(scale[row], meanFactor);
	const once = { deviations, bits, predict, bound: (row: number) => bound[row], follows };
	const again = gemmBetas.map((k) => ({
		deviations: [...deviations, deviation('gemm-beta-reapplied', VARIANT_BITS, { factor: k })],
		bits,
		predict: (row: number) => predict(row) * k,
		bound: (row: number) => bound[row] * Math.abs(k),
		follows,
	}));
	const forgotten = deviations.length > 0 ? [] : gemmBetas;
	const reapplied = forgotten.map((k) => ({
		deviations: [deviation('gemm-beta-reapplied', 2 * VARIANT_BITS, { factor: k, isForgotten: 'yes' })],
		bits,
		// The fold took the bias without the factor, and the operator multiplies the result by it.
		predict: (row: number) => {
			const own = (bias?.[row] ?? 0) * terms.operator.factor(scale[row], meanFactor);
			return own + (predict(row) - own) * k;
		},
		bound: (row: number) => bound[row] * Math.max(Math.abs(k), 1),
		follows,
	}));
	return [once, ...again, ...reapplied];
}

/** The operator kept its own bias, or still has none. */
function notFolded({ bias, tolerance, deployed, steps }: BiasProblem): Candidate {
	const rows = deployed.length;
	const zero = new Float64Array(rows);
	const kept = bias ?? zero;
	const bound = biasBounds(tolerance, kept, { beta: zero, mean: zero }, new Float64Array(rows).fill(1), steps);
	return {
		deviations: [deviation('bias-not-folded')],
		bits: 0,
		predict: (row) => kept[row],
		bound: (row) => bound[row],
	};
}

/** b'' = s (b' - mean) + beta with b' = (b - mean) s + beta: `scale` is s squared. */
function foldedTwice({ parameters, bias, tolerance, steps }: BiasProblem, scale: Float64Array): Candidate {
	const { gamma, beta, mean } = parameters;
	const once = scale.map((squared, row) => Math.sign(gamma[row]) * Math.sqrt(squared));
	const first = once.map((s, row) => ((bias?.[row] ?? 0) - mean[row]) * s + beta[row]);
	// The first fold's bound, scaled, on top of the second's.
	const inner = biasBounds(tolerance, bias, parameters, once);
	const outer = biasBounds(tolerance, first, parameters, once, steps);
	return {
		deviations: [],
		bits: 0,
		predict: (row) => (first[row] - mean[row]) * once[row] + beta[row],
		bound: (row) => outer[row] + inner[row] * Math.abs(once[row]),
	};
}

/** Scale and shift kept as a BN with mean 0 and variance 1. The second epsilon changes only the scale. */
function shiftKept({ parameters, bias, tolerance, right, steps }: BiasProblem, scale: Float64Array): Candidate {
	const { beta, mean } = parameters;
	const bound = biasBounds(tolerance, bias, parameters, scale, steps);
	return {
		deviations: [],
		bits: 1,
		predict: (row) => (bias?.[row] ?? 0) * scale[row] + beta[row] - mean[row] * right[row],
		bound: (row) => bound[row],
	};
}

function isMet({ deployed, limits }: BiasProblem, { predict, bound }: Candidate, row: number): boolean {
	const limit = limits?.[row] ?? Number.POSITIVE_INFINITY;
	return Math.abs(deployed[row] - Math.min(Math.max(predict(row), -limit), limit)) <= bound(row);
}

/** Returns the description length in bits, or `limit` if it is longer. */
function describe(problem: BiasProblem, candidate: Candidate, limit: number): number {
	let bits = totalBits(candidate.deviations) + candidate.bits;
	for (let row = 0; row < problem.deployed.length && bits < limit; row++) {
		bits += isMet(problem, candidate, row) ? 0 : problem.weight[row];
	}
	return bits;
}
