import { median } from '../../numbers/arrays.js';
import type { CauseCode } from '../../report/causes.js';
import type { AlternativeExplanation } from '../../report/comparison/comparison.js';
import { expectedFold, type FoldParameters } from '../operators/expected.js';
import { type Explanation, explanations } from './explanation.js';
import { aliasesOf } from './hypotheses/aliases.js';
import type { Deviation } from './observed/deviation.js';
import type { FoldCase } from './observed/fold-case.js';
import { countMultiples, RowState } from './observed/ratios.js';
import { compareRows, type RowSimilarity } from './observed/similarity.js';
import { type ImpliedStatistics, solveStatistics } from './observed/stale-statistics.js';

/** Conclusion about a fold that is not simply correct. */
export interface Diagnosis {
	readonly status: 'match' | 'mismatch';
	/** Causes found, the largest effect first. `unknown` has no deviation, or a deviation that states only its effect. */
	readonly causes: readonly CauseCode[];
	readonly deviations: readonly Deviation[];
	/** 0 for `unknown`. */
	readonly confidence: number;
	readonly alternatives: readonly AlternativeExplanation[];
	/** Explanation behind the conclusion. For `unknown`: the nearest, insufficient explanation. */
	readonly explanation: Explanation;
	/** Rows that the account leaves unexplained, ascending. */
	readonly unexplained: readonly number[];
	/** A constant factor on the right weights that explains them about as well. */
	readonly rivalFactor?: number;
	readonly similarity?: RowSimilarity;
	readonly statistics?: ImpliedStatistics;
}

/** Minimum share of wrong rows that a named cause explains. */
const MIN_EXPLAINED_SHARE = 0.5;
/** Maximum confidence, because the catalog may lack the real cause. */
const MAX_CONFIDENCE = 0.99;
/** Maximum confidence while some rows stay unexplained. */
const MAX_CONFIDENCE_IN_PART = 0.85;
/** Maximum confidence beside an equally good explanation with as few causes. */
const MAX_CONFIDENCE_WITH_RIVAL = 0.9;
/** Maximum confidence beside a constant factor that explains almost as well. */
const MAX_CONFIDENCE_BESIDE_FACTOR = 0.5;
/** Maximum bits of a mentioned explanation beyond the best. 7 bits make an explanation a hundred times less likely. */
const MAX_EXTRA_BITS = 7;

/** Concludes the causes from the ranked {@link explanations}. */
export function diagnose(fold: FoldCase): Diagnosis {
	const ranked = explanations(fold);
	const right = ranked.filter(({ deviations }) => deviations.length === 0);
	const complete = right.find(({ explained }) => explained.every((flag) => flag === 1));
	if (complete) {
		return createDiagnosis(fold, complete, { status: 'match', confidence: 1 });
	}
	const wrong = wrongRows(right);
	const best = ranked.find(({ deviations }) => deviations.length > 0);
	const [nearest] = right;
	if (best && best.bits < nearest.bits && explainedShare(best, wrong) >= MIN_EXPLAINED_SHARE) {
		return fromExplanation(fold, best, ranked);
	}
	return withoutFormula(fold, nearest, wrong);
}

/** Returns the rows that no explanation without deviations explains. */
function wrongRows(right: readonly Explanation[]): number[] {
	return Array.from(right[0].explained.keys()).filter((row) => right.every(({ explained }) => explained[row] === 0));
}

function explainedShare({ explained }: Explanation, rows: readonly number[]): number {
	return rows.filter((row) => explained[row] === 1).length / Math.max(rows.length, 1);
}

function fromExplanation(fold: FoldCase, best: Explanation, ranked: readonly Explanation[]): Diagnosis {
	const rivals = bestOfEachKind(ranked);
	const total = rivals.reduce((sum, { bits }) => sum + 2 ** (best.bits - bits), 0);
	const posterior = (bits: number) => 2 ** (best.bits - bits) / total;
	const others = rivals.filter((rival) => kind(rival) !== kind(best) && rival.deviations.length > 0);
	const aliases = aliasesOf(fold, best.deviations);
	// Coarse rounding admits pairs of causes that finer rounding would distinguish.
	const isCoarse = best.precision.cause !== null && best.deviations.length > 1;
	const isRivalled = isCoarse || aliases.length > 0 || others.some((rival) => isAsGood(rival, best));
	const known = new Set(others.map(kind));
	const ceiling = confidenceCeiling(best, isRivalled);
	const alternatives = [
		...others
			.filter((rival) => rival.bits - best.bits < MAX_EXTRA_BITS && !isUnknown(rival))
			.map((rival) => ({ causes: causesOf(fold, rival), confidence: Math.min(posterior(rival.bits), ceiling) })),
		...aliases
			.filter((causes) => !known.has([...causes].sort().join(' ')))
			.map((causes) => ({ causes, confidence: (1 - MAX_CONFIDENCE_WITH_RIVAL) / aliases.length })),
	];
	const rivalFactor = rivals
		.filter((rival) => rival !== best && rival.bits - best.bits < MAX_EXTRA_BITS)
		.flatMap(({ deviations }) => deviations.filter(({ code }) => code === 'unknown'))
		.map(({ values }) => Number(values.factor))
		.at(0);
	const most = rivalFactor === undefined ? ceiling : Math.min(ceiling, MAX_CONFIDENCE_BESIDE_FACTOR);
	const confidence = isUnknown(best) ? 0 : Math.min(posterior(best.bits), most);
	const diagnosis = createDiagnosis(fold, best, {
		alternatives,
		confidence,
		deviations: orderByEffect(fold, best),
	});
	return rivalFactor === undefined ? diagnosis : { ...diagnosis, rivalFactor };
}

/** True for a constant factor on the weights: its effect is known, its cause is not. */
const isUnknown = ({ deviations }: Explanation): boolean => deviations.some(({ code }) => code === 'unknown');

function confidenceCeiling(best: Explanation, isRivalled: boolean): number {
	const share = explainedShare(best, Array.from(best.explained.keys()));
	if (share < 1) {
		return MAX_CONFIDENCE_IN_PART * share;
	}
	return isRivalled ? MAX_CONFIDENCE_WITH_RIVAL : MAX_CONFIDENCE;
}

/** A simpler explanation may miss 1 row of this many, because a value may lie at the edge of its rounding. */
const ROWS_PER_MISS = 8;

/**
 * True if a rival explains every row that the best does with no more causes, or almost every row with fewer. Then only
 * the bits of a parameter, or of a row at the edge, separate the two.
 */
function isAsGood(rival: Explanation, best: Explanation): boolean {
	const { length: causes } = best.deviations;
	const missed = best.explained.filter((flag, row) => flag === 1 && rival.explained[row] !== 1).length;
	const isSimpler = rival.deviations.length < causes && missed * ROWS_PER_MISS <= best.explained.length;
	return isSimpler || (rival.deviations.length === causes && missed === 0);
}

/** The same causes count once, with their best account. */
function bestOfEachKind(ranked: readonly Explanation[]): Explanation[] {
	const seen = new Set<string>();
	return ranked.filter((explanation) => {
		const isNew = !seen.has(kind(explanation));
		seen.add(kind(explanation));
		return isNew;
	});
}

const kind = ({ deviations }: Explanation): string =>
	deviations
		.map(({ code }) => code)
		.sort()
		.join(' ');

function causesOf(fold: FoldCase, explanation: Explanation): CauseCode[] {
	const codes = orderByEffect(fold, explanation).map(({ code }) => code);
	const rounding = explanation.precision.cause;
	return [...new Set<CauseCode>(rounding ? [...codes, rounding] : codes)];
}

/**
 * Orders the deviations by effect. Deviations of the bias come first if they change the result more than deviations of
 * the scale.
 */
function orderByEffect(fold: FoldCase, explanation: Explanation): readonly Deviation[] {
	const { deviations, biasDeviations, arrangement, scale, bias } = explanation;
	const others = deviations.filter((deviation) => !biasDeviations.includes(deviation));
	if (arrangement.deviation || others.length === 0) {
		return deviations;
	}
	const right = expectedFold(fold.original.bias, fold.parameters);
	const scaleEffect = median(Array.from(scale, (value, row) => Math.abs(value / right.scale[row] - 1)));
	const biasEffect = median(
		Array.from(bias, (value, row) => Math.abs(value - right.bias[row]) / Math.abs(right.bias[row])),
	);
	return scaleEffect < biasEffect / 4 ? [...biasDeviations, ...others] : [...others, ...biasDeviations];
}

/** No formula explains enough: other statistics, other weights, or single channels that were changed. */
function withoutFormula(fold: FoldCase, nearest: Explanation, wrong: readonly number[]): Diagnosis {
	const { multiples, informative } = countMultiples(nearest.ratios);
	const weightsWrong = wrong.filter((row) => !isRightScale(nearest, row)).length;
	const isWidespread =
		!fold.withoutLayer &&
		hasStatistics(fold.parameters) &&
		weightsWrong >= MIN_EXPLAINED_SHARE * informative &&
		multiples >= MIN_MULTIPLES_SHARE * informative;
	const statistics = isWidespread ? solveStatistics(fold, nearest.ratios) : undefined;
	if (statistics) {
		const rounding = nearest.precision.cause;
		const causes: CauseCode[] = rounding ? ['stale-statistics', rounding] : ['stale-statistics'];
		return {
			...createDiagnosis(fold, nearest, { confidence: STALE_CONFIDENCE }),
			causes,
			statistics,
			unexplained: [],
		};
	}
	const similarity = compareRows(fold, nearest.ratios);
	return { ...createDiagnosis(fold, nearest, {}), causes: ['unknown'], similarity };
}

/** False for a decomposed layer with a file that holds scale and shift only, so that no statistics can be outdated. */
function hasStatistics({ mean, variance, epsilon }: FoldParameters): boolean {
	return epsilon !== 0 || mean.some((value) => value !== 0) || variance.some((value) => value !== 1);
}

/** Confidence in other statistics. They always have a solution, so weights cannot prove them. */
const STALE_CONFIDENCE = 0.5;
const MIN_MULTIPLES_SHARE = 0.9;

function isRightScale({ ratios, scale }: Explanation, row: number): boolean {
	return ratios.state[row] !== RowState.distorted && ratios.low[row] <= scale[row] && scale[row] <= ratios.high[row];
}

/** Creates a diagnosis. Without other values it is an unexplained mismatch. */
function createDiagnosis(
	fold: FoldCase,
	explanation: Explanation,
	conclusion: Partial<Pick<Diagnosis, 'status' | 'alternatives' | 'confidence' | 'deviations'>>,
): Diagnosis {
	return {
		status: 'mismatch',
		deviations: [],
		confidence: 0,
		alternatives: [],
		...conclusion,
		causes: causesOf(fold, explanation),
		explanation,
		unexplained: Array.from(explanation.explained.keys()).filter((row) => explanation.explained[row] === 0),
	};
}
