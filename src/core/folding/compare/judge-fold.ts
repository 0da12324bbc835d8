import { roundTo, ulp } from '../../numbers/float-formats.js';
import type { CauseCode } from '../../report/causes.js';
import type { ChannelComparison, LayerComparison, LayerDetails } from '../../report/comparison/comparison.js';
import type { JsonObject } from '../../report/json.js';
import { listChannels } from '../../text/sentences.js';
import { type Diagnosis, diagnose } from '../diagnosis/diagnose.js';
import { computedBiasSlack, computedWeightSlack, withSlack } from '../diagnosis/observed/computed-constants.js';
import type { FoldCase } from '../diagnosis/observed/fold-case.js';
import { type DeployedPrecision, roundedCopyPrecision, strictestPrecision } from '../diagnosis/observed/precision.js';
import { biasBounds, type ExpectedFold, expectedFold } from '../operators/expected.js';
import { measureRows, type RowErrors } from '../operators/measure.js';
import type { ClauseContext } from './clauses.js';
import { clippedRows, withClippedBias } from './clipped-bias.js';
import { type Measured, matchEvidence, mismatchEvidence } from './evidence.js';
import { precisionOf } from './survived-precision.js';
import { withTransposedWeight } from './transposed-weight.js';

/** Comparison of a layer without its name and place. */
export type Verdict = Omit<LayerComparison, 'name' | 'into'>;

/** Found against expected, over weights and bias. */
interface Measurement extends Measured {
	readonly weights: RowErrors;
	readonly expected: ExpectedFold;
	readonly biasError: Float64Array;
	readonly biasBound: Float64Array;
	readonly maxUlp: number;
	readonly maxShare: number;
	/** Per row: the larger error / bound of weights and bias. */
	readonly ratios: Float64Array;
}

/** True if the fold is correct to within rounding. Searches no cause. */
export function hasArrived(fold: FoldCase): boolean {
	const expected = expectedFold(fold.original.bias, fold.parameters);
	const isWithin = (precision: DeployedPrecision) => measure(fold, expected, precision).boundRatio <= 1;
	return (
		isWithin(strictestPrecision(fold.original.layout, fold.stored)) ||
		(fold.isRoundedCopy === true && isWithin(roundedCopyPrecision(fold, expected.scale)))
	);
}

/** Judges a fold: compares the values and, if they differ by more than rounding, finds the cause. */
export function judgeFold(fold: FoldCase, context: ClauseContext): Verdict {
	const expected = expectedFold(fold.original.bias, fold.parameters);
	const invalid = rowsWhere(
		expected.scale,
		(scale, row) => !Number.isFinite(scale) || !Number.isFinite(expected.bias[row]),
	);
	if (invalid.length > 0) {
		return cannotTell(
			`The parameters of ${listChannels(invalid)} give no finite scale and shift, so there is no right fold to compare with.`,
		);
	}
	const measured = measure(fold, expected, strictestPrecision(fold.original.layout, fold.stored));
	const unidentified = unidentifiedRows(measured);
	if (measured.boundRatio <= 1) {
		return judgeMatch(fold, measured, unidentified, storedRounding(fold));
	}
	if (fold.isRoundedCopy) {
		const precision = roundedCopyPrecision(fold, expected.scale);
		const copied = measure(fold, expected, precision);
		if (copied.boundRatio <= 1) {
			return judgeMatch(fold, copied, unidentified, precision.cause);
		}
	}
	const diagnosis = diagnose(fold);
	const rounding = diagnosis.explanation.precision.cause;
	const { bias } = diagnosis.explanation;
	const clipped = { rows: clippedRows(fold, diagnosis.explanation), bias };
	if (diagnosis.status === 'match') {
		const match = judgeMatch(fold, measure(fold, expected, diagnosis.explanation.precision), unidentified, rounding);
		return withClippedBias(match, fold, clipped);
	}
	const allowed = rounding ? measure(fold, expected, diagnosis.explanation.precision) : measured;
	const mismatch: Verdict = {
		status: 'mismatch',
		cause: diagnosis.causes[0] ?? 'unknown',
		causes: diagnosis.causes,
		confidence: diagnosis.confidence,
		evidence: mismatchEvidence(fold, diagnosis, context, allowed),
		details: detailsOf(diagnosis, unidentified),
		alternatives: diagnosis.alternatives,
		...withExplanation(numbersOf(fold, allowed), diagnosis),
	};
	if (mismatch.cause === 'unknown') {
		const isBiasRight = allowed.biasError.every((error, row) => Math.abs(error) <= allowed.biasBound[row]);
		const { precision } = diagnosis.explanation;
		const transposed = withTransposedWeight(mismatch, fold, { expected, precision, isBiasRight });
		if (transposed !== mismatch) {
			return transposed;
		}
	}
	return withClippedBias(mismatch, fold, clipped);
}

/** A right fold stored in a narrower type than the original's is rounded to it. */
function storedRounding({ stored, source }: FoldCase): keyof RoundingCauses | null {
	if (stored === source) {
		return null;
	}
	return stored === 'float16' ? 'rounding-fp16' : stored === 'bfloat16' ? 'rounding-bf16' : null;
}

/** A verdict without numbers. */
export function cannotTell(evidence: string, status: 'not-identifiable' | 'unmatched' = 'not-identifiable'): Verdict {
	const nothing = new Float64Array(0);
	return {
		status,
		cause: status === 'not-identifiable' ? 'not-identifiable' : null,
		causes: [],
		confidence: 0,
		evidence,
		details: {},
		alternatives: [],
		maxAbs: null,
		maxRel: null,
		maxUlp: null,
		bound: null,
		perChannel: { weightRatio: nothing, weightResidual: nothing, biasError: nothing },
	};
}

/** Rounding of the bias that the layers folded before leave in a row. */
function earlierRounding({ earlier }: FoldCase, row: number, { biasTerms }: DeployedPrecision['tolerance']): number {
	return biasTerms * (earlier?.terms[row] ?? 0);
}

function measure(
	fold: FoldCase,
	expected: ExpectedFold,
	{ tolerance, absolute }: Pick<DeployedPrecision, 'tolerance' | 'absolute'>,
): Measurement {
	const weights = measureRows({
		deployed: fold.deployed.weight,
		original: fold.original.weight,
		layout: fold.original.layout,
		scale: expected.scale,
		dtype: fold.stored,
		relative: tolerance.weightRelative * (1 + (fold.earlier?.count ?? 0)),
		absolute: withSlack(absolute, computedWeightSlack(fold, expected.scale)),
	});
	const slack = computedBiasSlack(fold, expected.scale);
	const biasBound = biasBounds(tolerance, fold.original.bias, fold.parameters, expected.scale, fold.grid?.bias).map(
		(bound, row) => bound + slack[row] + earlierRounding(fold, row, tolerance) * Math.abs(expected.scale[row]),
	);
	const biasError = expected.bias.map((value, row) => (fold.deployed.bias?.[row] ?? 0) - roundTo(value, fold.stored));
	const ratios = biasError.map((error, row) =>
		Math.max(weights.boundRatio[row], ratioOf(Math.abs(error), biasBound[row])),
	);
	return {
		weights,
		expected,
		biasError,
		biasBound,
		ratios,
		boundRatio: largest(ratios),
		maxAbs: Math.max(weights.maxAbs, largest(biasError.map((error) => finiteOr(Math.abs(error))))),
		maxRel: Math.max(
			weights.maxRel,
			largest(biasError.map((error, row) => finiteOr(Math.abs(error)) / largestTerm(fold, expected, row))),
		),
		maxUlp: Math.max(
			weights.maxUlp,
			largest(
				biasError.map((error, row) => finiteOr(Math.abs(error)) / ulp(largestTerm(fold, expected, row), fold.stored)),
			),
		),
		bound: Math.max(weights.bound, largest(biasBound)),
		maxShare: Math.max(
			shareOf(weights.maxAbs, weights.largest),
			shareOf(largest(biasError.map((error) => finiteOr(Math.abs(error)))), largest(expected.bias.map(Math.abs))),
		),
	};
}

/**
 * Returns the magnitude of a bias's largest term. The error is relative to the terms, not to their sum, which may
 * cancel to almost 0.
 */
function largestTerm({ original, parameters }: FoldCase, { scale }: ExpectedFold, row: number): number {
	const terms = [(original.bias?.[row] ?? 0) * scale[row], parameters.mean[row] * scale[row], parameters.beta[row]];
	return Math.max(...terms.map(Math.abs), Number.MIN_VALUE);
}

const ratioOf = (error: number, bound: number): number =>
	error <= bound * Number.MAX_VALUE ? error / bound : Number.POSITIVE_INFINITY;

const shareOf = (error: number, largest: number): number => (error === 0 ? 0 : error / largest);

const finiteOr = (value: number): number => (Number.isNaN(value) ? Number.POSITIVE_INFINITY : value);

const largest = (values: Float64Array): number => values.reduce((most, value) => Math.max(most, value), 0);

function rowsWhere(values: Float64Array, test: (value: number, row: number) => boolean): number[] {
	return Array.from(values.keys()).filter((row) => test(values[row], row));
}

/** Returns the rows that cannot show their scale: gamma or the original row is 0. */
function unidentifiedRows({ expected, weights }: Measurement): number[] {
	return rowsWhere(expected.scale, (scale, row) => scale === 0 || Number.isNaN(weights.ratio[row]));
}

function judgeMatch(
	fold: FoldCase,
	measured: Measurement,
	unidentified: readonly number[],
	cause: keyof RoundingCauses | null,
): Verdict {
	const rows = fold.parameters.gamma.length;
	const details: LayerDetails = { boundRatio: measured.boundRatio };
	if (unidentified.length === rows) {
		return {
			...cannotTell(
				`Every channel has scale 0 or only zero weights, and all deployed weights are 0: they do not show if the layer was folded.`,
			),
			details,
			...numbersOf(fold, measured),
		};
	}
	const numbers = numbersOf(fold, measured);
	return {
		status: 'match',
		cause,
		causes: cause ? [cause] : [],
		confidence: (rows - unidentified.length) / rows,
		evidence: matchEvidence(rows, unidentified.length, measured, cause),
		details: unidentified.length > 0 ? { ...details, notIdentifiable: unidentified } : details,
		alternatives: [],
		...numbers,
		perChannel: { ...numbers.perChannel, ...precisionOf(fold, measured.expected.scale) },
	};
}

type RoundingCauses = Record<Extract<CauseCode, 'rounding-fp16' | 'rounding-bf16' | 'quantized-int8'>, unknown>;

function numbersOf(
	fold: FoldCase,
	measured: Measurement,
): Pick<Verdict, 'maxAbs' | 'maxRel' | 'maxUlp' | 'bound' | 'maxShare' | 'perChannel'> {
	const { weights, expected, biasError, biasBound, ratios } = measured;
	const perChannel: ChannelComparison = {
		weightRatio: weights.ratio,
		weightResidual: weights.residual,
		biasError,
		expectedRatio: expected.scale,
		biasBound,
		foundBias: fold.deployed.bias ?? new Float64Array(ratios.length),
		expectedBias: expected.bias,
		boundRatio: ratios,
		weightBoundRatio: weights.boundRatio,
	};
	const { maxAbs, maxRel, maxUlp, bound, maxShare } = measured;
	return { maxAbs, maxRel, maxUlp, bound, maxShare, perChannel };
}

/** Adds the predicted values of each channel, if they belong to its own weights. */
function withExplanation<T extends Pick<Verdict, 'perChannel'>>(numbers: T, { deviations, explanation }: Diagnosis): T {
	const { arrangement, scale, bias } = explanation;
	const { perChannel } = numbers;
	if (deviations.length === 0 || scale.length !== perChannel.weightRatio.length) {
		return numbers;
	}
	// Found factors refer to the channel's own original row, predicted factors to the arrangement's.
	const isOwnRow = arrangement.source === undefined;
	const explained = { ...(isOwnRow && { explainedRatio: scale }), explainedBias: bias };
	return { ...numbers, perChannel: { ...perChannel, ...explained } };
}

function detailsOf(diagnosis: Diagnosis, unidentified: readonly number[]): LayerDetails {
	const { deviations, unexplained, similarity, statistics } = diagnosis;
	const values: Partial<Record<CauseCode, JsonObject>> = {};
	for (const deviation of deviations) {
		values[deviation.code] = deviation.values;
	}
	return {
		...values,
		...(unexplained.length > 0 && { unexplained }),
		...(unidentified.length > 0 && { notIdentifiable: unidentified }),
		...(similarity && { similarity: { kind: similarity.kind, cosine: nullForNaN(similarity.cosine) } }),
		...(statistics && { 'stale-statistics': { ...statistics } }),
	};
}

const nullForNaN = (value: number): number | null => (Number.isNaN(value) ? null : value);
