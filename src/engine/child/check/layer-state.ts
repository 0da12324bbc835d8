import type { DriftSubject } from '../../../core/batchnorm/drift.js';
import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import { emptyMoments, type Moments, mergeMoments } from '../../../core/numbers/moments.js';
import type { Finding, LayerReport, Normalization, SkippedRecompute } from '../../../core/report/types.js';
import type { Result } from '../../../core/result.js';
import type { FloatData, VerifyResult } from '../../../kernel/types.js';
import type { PreparedLayer } from './prepare-layer.js';
import { mergeResults } from './verify-layer.js';

/** Results of a layer over all runs so far. */
export interface LayerResults {
	/** Preparation of the first run. */
	readonly prepared: Pick<PreparedLayer, 'dtype' | 'shape' | 'reported'>;
	/** Moments of the layer's input, per channel. */
	readonly moments: Moments;
	/** Values per channel. */
	readonly count: number;
	/** Sum of N. */
	readonly images: number;
	/** Judged from the first run. */
	readonly normalization?: Normalization;
	/** Errors of the runtime's output; undefined if the runtime gives none. */
	readonly errors?: VerifyResult;
	/** Sentence about a fault that `errors` does not show. */
	readonly mismatch?: string;
	/** Sentence: why there is no verdict. */
	readonly skipped?: string;
}

/** Tensors of a layer's first run, kept until its normalization method is judged. Valid until the next capture. */
export interface FirstRun {
	readonly prepared: PreparedLayer;
	/** The runtime's output, with type and size of the input. */
	readonly y: FloatData;
	/** Moments of the input, per channel. */
	readonly moments: Moments;
}

/** State of a layer during an inspection. */
export interface LayerState {
	readonly layer: BatchNormLayer;
	/** Report of the structure, before any run. */
	readonly structure: LayerReport;
	/** Parameters come from random input: health findings would be meaningless. */
	readonly hasRandomParameters: boolean;
	/** Sums of colors, as in {@link DriftSubject}. */
	readonly colorSums?: Float64Array | undefined;
	/** undefined: no run has reached the layer. A reason: the layer cannot be recomputed. */
	results?: Result<LayerResults>;
	unjudged?: FirstRun | undefined;
	/** Reason why a run did not reach the layer. Counts only until a run reaches it. */
	missed?: Pick<SkippedRecompute, 'reason' | 'cause'>;
	/** Sentences to stand beside the verdict. */
	readonly remarks: Set<string>;
	/** Finding about the operator that the runtime merged the layer into. */
	fusionFinding?: Finding;
	/** Number of the last run that changed the layer's report; undefined once the changed report was sent. */
	changedIn?: number | undefined;
	/** Number of the last run with a saved output. A layer may run several times in a run; the first output is saved. */
	savedIn?: number;
}

/** Joins results of earlier (`a`) and later (`b`) runs. */
export function mergeRuns(a: LayerResults, b: LayerResults): LayerResults {
	const channels = a.moments.count.length;
	if (channels !== b.moments.count.length) {
		return { ...a, skipped: 'Not checked: the layer has different numbers of channels from one input to the next.' };
	}
	const errors = a.errors && b.errors && mergeResults(a.errors, b.errors);
	return {
		...a,
		moments: errors?.moments ?? mergeMoments([emptyMoments(channels), a.moments, b.moments]),
		count: a.count + b.count,
		images: a.images + b.images,
		...(errors && { errors }),
		...(b.mismatch !== undefined && { mismatch: b.mismatch }),
		...(b.skipped !== undefined && { skipped: b.skipped }),
	};
}
