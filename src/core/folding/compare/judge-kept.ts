import { affine } from '../../batchnorm/affine.js';
import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { PARAMETER_NAMES, type ParameterName } from '../../batchnorm/parameters.js';
import type { FloatType } from '../../numbers/float-formats.js';
import type { CauseCode } from '../../report/causes.js';
import { shortNumber } from '../../text/numbers.js';
import { count } from '../../text/sentences.js';
import type { FoldCase } from '../diagnosis/observed/fold-case.js';
import type { FoldParameters } from '../operators/expected.js';
import { layerParameters } from '../operators/layer-parameters.js';
import { alongAxis } from '../operators/layout.js';
import type { QuantizationGrid } from '../operators/quantization-grid.js';
import { clippedStatistics } from './clipped-statistics.js';
import { cannotTell, judgeFold, type Verdict } from './judge-fold.js';
import {
	affineSteps,
	isRounded,
	type KeptRounding,
	type ParameterSteps,
	roundedCopy,
	roundingOf,
	storedType,
} from './kept-rounding.js';

/** Returns the largest relative difference. */
function distance(a: Float64Array, b: Float64Array): number {
	let worst = 0;
	for (let index = 0; index < a.length; index++) {
		const difference = Math.abs(a[index] - b[index]);
		worst = Math.max(worst, difference === 0 ? 0 : difference / Math.max(Math.abs(a[index]), Math.abs(b[index])));
	}
	return worst;
}

/**
 * Judges a layer that is still a layer in the deployed model. Compares parameter by parameter and, if they differ,
 * scale and shift. Diagnoses a difference like a fold into weights that are all 1.
 * @param steps quantization steps of the kept layer's parameters
 */
export function judgeKept(layer: BatchNormLayer, keptAs: BatchNormLayer, steps: ParameterSteps = {}): Verdict {
	const [original, deployed] = [layerParameters(layer), layerParameters(keptAs)];
	if (!original.ok) {
		return cannotTell(`${UNCOMPARABLE}: ${original.reason}`);
	}
	if (!deployed.ok) {
		return cannotTell(`${UNCOMPARABLE}: ${deployed.reason}`);
	}
	return compareParameters(original.value, deployed.value, { keptAs, steps, copiedAs: roundedCopyType(layer) });
}

const UNCOMPARABLE = 'The layer is still there, but its parameters cannot be compared';

/** Returns the narrow type of rounded copies, such as parameters in half precision. */
function roundedCopyType({ node, mean: { dtype } }: BatchNormLayer): FloatType | undefined {
	return node.inferred && (dtype === 'float16' || dtype === 'bfloat16') ? dtype : undefined;
}

function roundingWords(rounding: KeptRounding, type: FloatType): string {
	switch (rounding) {
		case 'exact':
			return 'exactly';
		case 'quantized-int8':
			return 'quantized: none is off by more than half a step';
		default:
			return `rounded to ${type}`;
	}
}

interface KeptAs {
	readonly keptAs: BatchNormLayer;
	readonly steps: ParameterSteps;
	/** Type that the original's parameters were rounded to after deployment. */
	readonly copiedAs: FloatType | undefined;
}

function compareParameters(original: FoldParameters, deployed: FoldParameters, kept: KeptAs): Verdict {
	const { keptAs, steps, copiedAs } = kept;
	if (original.gamma.length !== deployed.gamma.length) {
		return cannotTell(
			`The layer is still there with ${deployed.gamma.length} channels instead of ${original.gamma.length}.`,
		);
	}
	const fold = asFold(original, deployed, { stored: storedType(keptAs), grid: affineSteps(original, steps) });
	const verdict = judgeFold(copiedAs ? { ...fold, source: copiedAs, isRoundedCopy: true } : fold, {
		epsilon: original.epsilon,
		operator: 'layer',
	});
	const rounding = roundingOf(original, deployed, kept) ?? (copiedAs && roundedCopy(original, deployed, copiedAs));
	if (rounding) {
		const how = roundingWords(rounding, copiedAs ?? storedType(keptAs));
		const cause = rounding === 'exact' ? null : rounding;
		const evidence = `The layer is still there as ${keptAs.name}, with the same ${count(original.gamma.length, 'channel')} of gamma, beta, mean and variance, ${how}.`;
		const numbers = rounding === 'exact' ? withoutError(verdict) : verdict;
		return {
			...numbers,
			status: 'kept',
			cause,
			causes: cause ? [cause] : [],
			confidence: 1,
			evidence,
			alternatives: [],
		};
	}
	const clipped = clippedStatistics(original, deployed);
	if (clipped) {
		return reportClipped(verdict, clipped, keptAs.name);
	}
	if (verdict.status === 'mismatch') {
		const changed = withParameters(verdict, parameterChanges(original, deployed, steps), keptAs.name);
		return recognizeLostStatistics(changed, deployed);
	}
	const evidence = `The layer is still there as ${keptAs.name}, written differently: scale and shift of all ${count(original.gamma.length, 'channel')} are the same within rounding.`;
	return { ...verdict, status: 'kept', evidence };
}

/** Confidence in clipped statistics, of a single value and of several. */
const CLIPPED_CONFIDENCE = { one: 0.8, several: 0.99 } as const;

function reportClipped(
	verdict: Verdict,
	{ words, channels }: NonNullable<ReturnType<typeof clippedStatistics>>,
	name: string,
): Verdict {
	return {
		...verdict,
		status: 'mismatch',
		cause: 'statistics-clipped',
		causes: ['statistics-clipped'],
		confidence: channels > 1 ? CLIPPED_CONFIDENCE.several : CLIPPED_CONFIDENCE.one,
		evidence: `The layer is still there as ${name}, but ${words}, where the original's value lies beyond: a converter to float16 clips there. The other parameters are the original ones or their rounding.`,
		details: {},
		alternatives: [],
	};
}

/**
 * States which parameters differ. Adds a formula if it explains the difference: gamma and beta alone reveal no error in
 * the statistics, and changed statistics have no formula.
 */
function withParameters(verdict: Verdict, changes: readonly ParameterChange[], name: string): Verdict {
	const lead = `The layer is still there as ${name}, with other parameters: ${changes.map(changeWords).join(', ')}.`;
	const details = Object.fromEntries(
		changes.map(({ name: parameter, channels, largest }) => [
			parameter,
			{ channels, largest: Number.isFinite(largest) ? largest : null },
		]),
	);
	const differs = (names: readonly string[]) => changes.every(({ name: parameter }) => names.includes(parameter));
	const isFormula = !['unknown', 'stale-statistics', null].includes(verdict.cause);
	if (isFormula && (!differs(['gamma', 'beta']) || verdict.causes.every((code) => AFFINE_CAUSES.includes(code)))) {
		return {
			...verdict,
			evidence: `${lead} ${verdict.evidence}`,
			details: { ...verdict.details, parameters: details },
		};
	}
	const isComparable = changes.every(({ largest }) => Number.isFinite(largest));
	const cause = isComparable && differs(['mean', 'variance']) ? 'stale-statistics' : 'unknown';
	return {
		...verdict,
		cause,
		causes: [cause],
		confidence: cause === 'unknown' ? 0 : MAX_CONFIDENCE,
		evidence: lead,
		details: { parameters: details },
		alternatives: [],
	};
}

/**
 * Names the loss if all channels have one mean and one variance: no data give such statistics. Those of an untrained layer
 * (0 and 1) may have a formula as their cause.
 */
function recognizeLostStatistics(verdict: Verdict, { mean, variance }: FoldParameters): Verdict {
	const [[center], [first]] = [mean, variance];
	const isConstant = mean.every((value) => value === center) && variance.every((value) => value === first);
	const isWidespread = verdict.cause === 'stale-statistics' && (center === 0 ? first === 1 : mean.length > 1);
	const isLost = isConstant && ((center === 0 && first === 0) || isWidespread);
	if (!isLost) {
		return verdict;
	}
	return {
		...verdict,
		cause: 'statistics-reset',
		causes: ['statistics-reset'],
		confidence: MAX_CONFIDENCE,
		alternatives: [],
		evidence: `${verdict.evidence} In the deployed model every mean is ${shortNumber(center)} and every variance is ${shortNumber(first)}: the running statistics were lost.`,
	};
}

/** Mistakes that only gamma or beta show, and a rounding beside them. */
const AFFINE_CAUSES: readonly CauseCode[] = ['gamma-dropped', 'gamma-sign-lost', 'beta-dropped', 'quantized-int8'];
/** Maximum confidence for changed statistics. It is unknown if they are older. */
const MAX_CONFIDENCE = 0.95;

interface ParameterChange {
	readonly name: ParameterName | 'epsilon';
	/** Number of channels that differ. */
	readonly channels: number;
	readonly of: number;
	/** Largest relative difference; NaN where a value is. */
	readonly largest: number;
	/** The first channel that differs. */
	readonly before: number;
	readonly after: number;
}

function parameterChanges(
	original: FoldParameters,
	deployed: FoldParameters,
	steps: ParameterSteps,
): ParameterChange[] {
	const values = (parameters: FoldParameters, name: ParameterChange['name']) => {
		const value = parameters[name];
		return typeof value === 'number' ? Float64Array.of(value) : value;
	};
	return [...PARAMETER_NAMES, 'epsilon' as const].flatMap((name) => {
		const [a, b] = [values(original, name), values(deployed, name)];
		const step = name === 'epsilon' ? undefined : steps[name];
		const changed = Array.from(a.keys()).filter((channel) => !isRounded(a[channel], b[channel], step?.[channel]));
		const [first] = changed;
		return first === undefined
			? []
			: [{ name, channels: changed.length, of: a.length, largest: distance(a, b), before: a[first], after: b[first] }];
	});
}

/** "gamma of 24 of 24 channels by up to 12 %", "epsilon 1e-3 instead of 1e-5". */
function changeWords({ name, channels, of, largest, before, after }: ParameterChange): string {
	if (name === 'epsilon') {
		return `epsilon ${shortNumber(after)} instead of ${shortNumber(before)}`;
	}
	const size = Number.isFinite(largest)
		? `by up to ${Number((100 * largest).toPrecision(3))} %`
		: 'some of them not finite';
	return `${name} differs in ${channels} of ${count(of, 'channel')}, ${size}`;
}

/**
 * Equal parameters have no error. The float64 comparison of scales with their float32 rounding must not show up as an
 * error.
 */
function withoutError(verdict: Verdict): Verdict {
	const { perChannel, bound } = verdict;
	const zero = new Float64Array(perChannel.biasError.length);
	const largest = bound === null ? null : 0;
	return {
		...verdict,
		details: {},
		maxAbs: largest,
		maxRel: largest,
		maxUlp: largest,
		maxShare: 0,
		perChannel: { ...perChannel, weightResidual: zero, biasError: zero, boundRatio: zero },
	};
}

/** Returns x * scale + shift as an operator with a weight per channel. */
function asFold(
	original: FoldParameters,
	deployed: FoldParameters,
	{ stored, grid }: { readonly stored: FloatType; readonly grid: QuantizationGrid | undefined },
): FoldCase {
	const channels = original.gamma.length;
	const layout = alongAxis([channels, 1], 0);
	const { scale, shift } = affine(deployed.gamma, deployed.beta, deployed.mean, deployed.variance, deployed.epsilon);
	return {
		original: { weight: new Float64Array(channels).fill(1), layout, bias: null },
		deployed: { weight: scale, layout, bias: shift },
		parameters: original,
		dims: [channels, 1],
		stored,
		source: stored,
		...(grid && { grid }),
		groups: [],
		gemmBetas: [],
	};
}
