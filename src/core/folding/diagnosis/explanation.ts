import { biasBounds, expectedFold, gather, gatherParameters } from '../operators/expected.js';
import { type BiasHypothesis, type BiasProblem, type BiasSource, searchBias } from './hypotheses/bias-search.js';
import { constantFactor } from './hypotheses/scale-constant.js';
import { isRatio, predictScale, type ScaleHypothesis, scaleProblem } from './hypotheses/scale-problem.js';
import { nothingWrong, searchScale } from './hypotheses/scale-search.js';
import { bestFit, type Interpretation, plainInterpretations, rearrangedInterpretations } from './interpretations.js';
import type { Arrangement } from './observed/arrangement.js';
import { CAUSE_BITS, type Deviation, MAX_BITS } from './observed/deviation.js';
import type { FoldCase } from './observed/fold-case.js';
import type { DeployedPrecision } from './observed/precision.js';
import type { RowRatios } from './observed/ratios.js';

/** An explanation of the deployed weights that allows computing them again. */
export interface Explanation {
	readonly deviations: readonly Deviation[];
	/** Subset of `deviations` that concern the bias only. */
	readonly biasDeviations: readonly Deviation[];
	/** Description length of deviations and unexplained rows. */
	readonly bits: number;
	readonly arrangement: Arrangement;
	readonly precision: DeployedPrecision;
	/** Predicted factor of each row of the arrangement's layout. */
	readonly scale: Float64Array;
	/** The bias of each row, according to this account. */
	readonly bias: Float64Array;
	/** Terms from which the bias was computed; undefined for a bias that is no sum of the usual terms. */
	readonly biasFollows?: BiasSource;
	readonly ratios: RowRatios;
	/** Per row: 1 if weights and bias are explained to within rounding. */
	readonly explained: Uint8Array;
}

/** Minimum share of rows that are multiples; below it only the correct fold is considered. */
const MIN_FIT = 0.25;

/**
 * Returns the explanations worth comparing, the shortest first. The correct fold is the first explanation without
 * deviations.
 */
export function explanations(fold: FoldCase): readonly Explanation[] {
	const right = plainInterpretations(fold);
	const explain = (settings: readonly Interpretation[], most: 1 | 2) =>
		settings.flatMap((setting) => explainSetting(fold, setting, most));
	const ranked = explain(right, 1);
	if (!isSettled(ranked)) {
		const best = bestFit(right);
		const others = rearrangedInterpretations(fold, right, isComplete(ranked));
		ranked.push(...explain(others, 1));
		if (!isSettled(ranked)) {
			ranked.push(...explain([best, ...others], 2));
		}
	}
	ranked.sort((a, b) => a.bits - b.bits);
	return ranked.filter(({ deviations }, index) => index < MAX_EXPLANATIONS || deviations.length === 0);
}

/** Maximum number of explanations. The correct fold always stays. */
const MAX_EXPLANATIONS = 64;
/** Length of two deviations without a fitted parameter, in bits. No other explanation of every row is shorter. */
const SETTLED_BITS = 2 * CAUSE_BITS;

/** True if an explanation of any length explains every row. */
function isComplete(ranked: readonly Explanation[]): boolean {
	return ranked.some(({ explained }) => explained.every((flag) => flag === 1));
}

function isSettled(ranked: readonly Explanation[]): boolean {
	return ranked.some(({ bits, explained }) => bits <= SETTLED_BITS && explained.every((flag) => flag === 1));
}

/** An account that is not worked out yet. */
interface Sketch {
	readonly hypothesis: ScaleHypothesis;
	readonly bias: BiasHypothesis;
	readonly bits: number;
}

/** Explanations longer than the shortest by this much, in bits, are neither the answer nor a rival. */
const MARGIN = 24;
/** Maximum number of explanations worked out for a setting. */
const MAX_WORKED_OUT = 16;

function explainSetting(fold: FoldCase, setting: Interpretation, most: 1 | 2): Explanation[] {
	const { arrangement } = setting;
	const parameters = arrangement.scaleOf ? gatherParameters(fold.parameters, arrangement.scaleOf) : fold.parameters;
	const problem = scaleProblem(parameters, setting.ratios);
	const bias = biasProblem(fold, setting);
	// Formulas need rows that are multiples of their originals.
	const hypotheses =
		setting.fit < MIN_FIT
			? [nothingWrong(problem)]
			: fold.withoutLayer
				? [nothingWrong(problem), ...constantFactor(problem)]
				: searchScale(problem, most);
	const sketches: Sketch[] = [];
	let limit = Number.POSITIVE_INFINITY;
	for (const hypothesis of hypotheses) {
		// Hypotheses are sorted by length, and a bias never shortens a hypothesis.
		if (hypothesis.bits > limit && hypothesis.deviations.length > 0) {
			continue;
		}
		const biasScale = predictScale(hypothesis, bias.parameters);
		for (const biasHypothesis of searchBias(bias, hypothesis, biasScale, limit - hypothesis.bits)) {
			const bits = hypothesis.bits + biasHypothesis.bits;
			sketches.push({ hypothesis, bias: biasHypothesis, bits });
			limit = Math.min(limit, bits + MARGIN);
		}
	}
	const isPlain = ({ hypothesis, bias }: Sketch) => hypothesis.deviations.length + bias.deviations.length === 0;
	return sketches
		.sort((a, b) => a.bits - b.bits)
		.filter((sketch, index) => index < MAX_WORKED_OUT || isPlain(sketch))
		.map((sketch) => workOut(setting, sketch, predictScale(sketch.hypothesis, parameters)));
}

function workOut(setting: Interpretation, { hypothesis, bias, bits }: Sketch, scale: Float64Array): Explanation {
	const { arrangement, precision, ratios } = setting;
	const arranged = arrangement.deviation ? [arrangement.deviation] : [];
	const rows = Array.from(scale.keys());
	return {
		deviations: [...arranged, ...hypothesis.deviations, ...bias.deviations],
		biasDeviations: bias.deviations,
		bits: (arrangement.deviation?.bits ?? 0) + bits,
		arrangement,
		precision,
		scale,
		bias: Float64Array.from(rows, bias.predict),
		...(bias.follows && { biasFollows: bias.follows }),
		ratios,
		explained: Uint8Array.from(rows, (row) => (bias.explains(row) && isRatio(ratios, row, scale[row]) ? 1 : 0)),
	};
}

function biasProblem(fold: FoldCase, { arrangement, precision }: Interpretation): BiasProblem {
	const { shiftOf, operatorBiasOf } = arrangement;
	const parameters = shiftOf ? gatherParameters(fold.parameters, shiftOf) : fold.parameters;
	const { bias: originalBias } = fold.original;
	const bias = originalBias && operatorBiasOf ? gather(originalBias, operatorBiasOf) : originalBias;
	const right = expectedFold(null, parameters).scale;
	const steps = fold.grid?.bias;
	const bound = biasBounds(precision.tolerance, bias, parameters, right, steps);
	const weight = bound.map((allowed, row) => {
		const terms = (Math.abs(bias?.[row] ?? 0) + Math.abs(parameters.mean[row])) * Math.abs(right[row]);
		const bits = Math.log2((terms + Math.abs(parameters.beta[row])) / allowed);
		return Number.isFinite(bits) ? Math.min(Math.max(bits, 0), MAX_BITS) : 0;
	});
	const deployed = fold.deployed.bias ?? new Float64Array(right.length);
	const { gemmBetas } = fold;
	const limits = fold.grid?.biasLimit;
	return { parameters, bias, deployed, right, tolerance: precision.tolerance, steps, limits, weight, gemmBetas };
}
