import { absent, byStatus, list, literal, NO_REASON, optional, orElse, real, record, text } from './decode.js';
import { runInput } from './json.js';
import type { RunInput } from './types.js';

/** Largest differences of the outputs of two models. */
export interface OutputDifferences {
	/** Largest |original - deployed| over all outputs. NaN, here and below, if a document does not state it. */
	readonly maxAbs: number;
	/** Largest error relative to its output's largest magnitude. */
	readonly maxRel: number;
	/** Difference that rounding explains, in the output that exceeds its own most, or comes closest. */
	readonly bound: number;
	/** Largest error over its bound, of the output that exceeds its own most or comes closest; above 1 is a mismatch. */
	readonly boundRatio?: number;
	/**
	 * Set for a deployed model that rounds activations, if the differences above are those without this rounding: largest error
	 * with it, relative to its output's largest magnitude.
	 */
	readonly roundedMaxRel?: number;
}

interface OutputRun {
	/** "onnxruntime-node 1.30.0"; absent without a run. */
	readonly runtime?: string;
	readonly inputs?: readonly RunInput[];
	readonly milliseconds?: number;
	/**
	 * Signal-to-noise ratio in dB of the output that is furthest off: 20 log10 of rms(original) / rms(difference). Infinity
	 * for equal outputs.
	 */
	readonly snrDb?: number;
	/** The same ratio without the rounding of activations, if the deployed model rounds them. */
	readonly unroundedSnrDb?: number;
	/** Set if the baseline of the comparison holds the finding about the outputs, so that it does not fail. */
	readonly known?: true;
}

export interface MatchingOutputs extends OutputRun, OutputDifferences {
	readonly status: 'match';
	/** Sentence: a remark. */
	readonly reason?: string;
	readonly firstLayer?: undefined;
}

/** Without differences, the outputs cannot be compared, and `reason` says why. */
export interface DifferingOutputs extends OutputRun, Partial<OutputDifferences> {
	readonly status: 'mismatch';
	/** Sentence. */
	readonly reason?: string;
	/** First layer with an output that differs by more than rounding explains, if it is known. */
	readonly firstLayer?: string;
}

/** No verdict. Differences are present if they were measured but are no evidence about the fold. */
export interface SkippedOutputs extends OutputRun, Partial<OutputDifferences> {
	readonly status: 'skipped';
	/** Sentence: the reason. */
	readonly reason: string;
	/** Set if the original runs and the deployed model does not. */
	readonly refused?: 'deployed';
	readonly firstLayer?: undefined;
}

/** The proof that needs no formula: both models run on the same input, their outputs compared. */
export type OutputComparison = MatchingOutputs | DifferingOutputs | SkippedOutputs;

/** Maximum number of inputs of a run. */
const MAX_INPUTS = 1_000;

const outputRun = {
	runtime: optional(text),
	inputs: optional(list(runInput, MAX_INPUTS)),
	milliseconds: optional(real),
	snrDb: optional(real),
	unroundedSnrDb: optional(real),
	known: optional(literal(true)),
};
const someDifferences = {
	maxAbs: optional(real),
	maxRel: optional(real),
	bound: optional(real),
	boundRatio: optional(real),
	roundedMaxRel: optional(real),
};

export const outputs = byStatus<OutputComparison>({
	match: record<MatchingOutputs>({
		...outputRun,
		status: literal('match'),
		reason: optional(text),
		maxAbs: orElse(Number.NaN, real),
		maxRel: orElse(Number.NaN, real),
		bound: orElse(Number.NaN, real),
		boundRatio: optional(real),
		roundedMaxRel: optional(real),
		firstLayer: absent,
	}),
	mismatch: record<DifferingOutputs>({
		...outputRun,
		...someDifferences,
		status: literal('mismatch'),
		reason: optional(text),
		firstLayer: optional(text),
	}),
	skipped: record<SkippedOutputs>({
		...outputRun,
		...someDifferences,
		status: literal('skipped'),
		reason: orElse(NO_REASON, text),
		refused: optional(literal('deployed')),
		firstLayer: absent,
	}),
});
