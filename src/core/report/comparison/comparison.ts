import type { BaselineResult } from '../baseline.js';
import type { CauseCode } from '../causes.js';
import type { JsonObject } from '../json.js';
import type { OutputComparison } from '../output-comparison.js';
import type { ChannelValues, ModelSummary } from '../types.js';
import type { LayerBehavior } from './behavior.js';

/**
 * Comparison of an original model with a deployed model. It says for every BatchNormalization of the original if its
 * parameters arrived. The JSON form is fixed by contract. In memory, per-channel numbers are Float64Array.
 */
export const COMPARISON_FORMAT = 'batchnorm-lens.comparison';
export const COMPARISON_VERSION = 1;

export const COMPARISON_STATUSES = ['match', 'mismatch', 'kept', 'unmatched', 'not-identifiable'] as const;

export type ComparisonStatus = (typeof COMPARISON_STATUSES)[number];

/** Deployed operator that absorbed a layer, or feeds a kept layer. */
export interface FoldedInto {
	/** Name of the node, or a name made from its output. */
	readonly name: string;
	readonly op: string;
	/** Name of the weight tensor. */
	readonly weight: string;
	/** Name of the bias tensor; null: the operator has none. */
	readonly bias: string | null;
}

/** Values per channel, indexed like the BN's parameters, shape (channels); empty if no comparison was possible. */
export interface ChannelComparison {
	/** Least-squares ratio of the deployed to the original weight row; NaN if the original row is zero. */
	readonly weightRatio: ChannelValues;
	/** Residual of that ratio, relative to the deployed row: 0 is an exact multiple, 1 another direction. */
	readonly weightResidual: ChannelValues;
	/** Found minus expected bias. */
	readonly biasError: ChannelValues;
	/** Correct value of weightRatio: s = gamma / sqrt(variance + epsilon). */
	readonly expectedRatio?: ChannelValues;
	/** Largest allowed error of the bias. */
	readonly biasBound?: ChannelValues;
	readonly foundBias?: ChannelValues;
	readonly expectedBias?: ChannelValues;
	/** Value of weightRatio that the named causes of a mismatch predict. */
	readonly explainedRatio?: ChannelValues;
	/** Bias that the named causes of a mismatch predict. */
	readonly explainedBias?: ChannelValues;
	/** Largest error of the channel's weights and bias, each divided by its own bound; above 1 is a mismatch. */
	readonly boundRatio?: ChannelValues;
	/** Largest error of the channel's weights over its bound. */
	readonly weightBoundRatio?: ChannelValues;
	/** Number of different quantized weights; absent for weights in float. */
	readonly levels?: ChannelValues;
	/** Quantization step relative to the largest right weight; NaN if all right weights are 0. */
	readonly relativeStep?: ChannelValues;
	/** Power of the right weights over that of their rounding, in dB; NaN if all right weights are 0. */
	readonly quantizationSnrDb?: ChannelValues;
}

/** Finding about a layer that may be right. */
export interface LayerFinding {
	/** Channels that quantization left fewer than 4 bits. */
	readonly code: 'precision-lost';
	readonly severity: 'warning';
	/** Ascending. */
	readonly channels: readonly number[];
	/** Sentence with the numbers. */
	readonly message: string;
}

/** Another explanation that fits about as well, or less well. */
export interface AlternativeExplanation {
	readonly causes: readonly CauseCode[];
	readonly confidence: number;
}

/** Similarity of the deployed and the original rows of a layer that no formula explains. */
export const SIMILARITY_KINDS = [
	/** Rows point elsewhere: weights of another network or another training run. */
	'other-weights',
	/** The elements of the original rows, reordered within each row. */
	'rearranged',
	/** Rows point nearly the same way: fine-tuned, pruned or noisy. */
	'altered',
	/** Some rows were changed; the rest are multiples of the originals. */
	'edited',
	/** Every deployed weight is 0, but not every original weight. */
	'zero-weights',
	/** Rows of a single element have no direction. */
	'no-direction',
] as const;

export type SimilarityKind = (typeof SIMILARITY_KINDS)[number];

export interface KnownDetails {
	/** Largest error of a match's weights and bias over its bound. */
	readonly boundRatio?: number;
	/** Channels that the explanation does not cover, ascending. */
	readonly unexplained?: readonly number[];
	/** Channels with weights that do not show their scale, because gamma or the weights are 0; ascending. */
	readonly notIdentifiable?: readonly number[];
	/** `cosine`: median |cos| of the deployed and the original rows; null if no row has a direction. */
	readonly similarity?: { readonly kind: SimilarityKind; readonly cosine: number | null };
	/** Parameters of a kept layer that differ: number of channels, largest relative difference (null: not finite). */
	readonly parameters?: Readonly<Record<string, { readonly channels: number; readonly largest: number | null }>>;
	/** Pairing of the operator: fit of the weights, radius of equal surroundings, other operators that fit as well. */
	readonly pairing?: { readonly rivals: number; readonly radius: number; readonly fit?: number };
	/** Operators behind the layer that the fold took in. */
	readonly together?: readonly string[];
}

/**
 * Numbers behind the evidence. Each field is present only where it applies. A cause code holds the values that belong
 * to that cause, for example `wrong-epsilon: { epsilon: 0.001 }`.
 */
export type LayerDetails = KnownDetails & Readonly<Partial<Record<CauseCode, JsonObject>>>;

export interface LayerComparison {
	/** The BN's display name in the original, unique within the comparison. */
	readonly name: string;
	readonly status: ComparisonStatus;
	readonly into: FoldedInto | null;
	/** Cause of a mismatch, or the rounding of a match; else null. */
	readonly cause: CauseCode | null;
	/** All causes, the largest first; `cause` is the first. */
	readonly causes: readonly CauseCode[];
	/** Confidence in the explanation, or in the match, from 0 to 1. */
	readonly confidence: number;
	/** Sentence with the numbers. */
	readonly evidence: string;
	readonly details: LayerDetails;
	readonly alternatives: readonly AlternativeExplanation[];
	/** Largest |deployed - expected| over weights and bias; null without comparison. */
	readonly maxAbs: number | null;
	/** Largest error relative to the expected value. */
	readonly maxRel: number | null;
	/** Largest error in ulps of the deployed weights' type. */
	readonly maxUlp: number | null;
	/** Largest error that type and arithmetic allow. */
	readonly bound: number | null;
	/** Largest error of the weights and of the bias, each relative to the largest expected value of its tensor. */
	readonly maxShare?: number;
	readonly perChannel: ChannelComparison;
	/** Absent without a finding. */
	readonly findings?: readonly LayerFinding[];
	/** Absent in comparisons of earlier versions. */
	readonly behavior?: LayerBehavior;
	/** Set if the wrong layer differs by less than {@link Comparison.tolerance}. */
	readonly isTolerated?: true;
	/** Fingerprint of the original layer's parameters and structure. Absent in comparisons of earlier versions. */
	readonly fingerprint?: string;
	/** Set if the baseline of the comparison holds the layer's finding, so that it does not fail. */
	readonly known?: true;
}

/** A deployed operator, in a part of the network without a layer, with weights that are not the original's. */
export interface DifferingOperator {
	/** Name of the deployed node, or a name made from its output. */
	readonly name: string;
	/** Sentence with the numbers. */
	readonly evidence: string;
	/** True if the original has no such operator. */
	readonly isAdded?: boolean | undefined;
	/**
	 * |deployed - original| of the number furthest beyond its bound. `bound`: difference that rounding explains there.
	 */
	readonly maxAbs: number;
	readonly bound: number;
	/** `maxAbs` relative to the number itself. */
	readonly maxRel: number;
}

export interface Comparison {
	readonly format: typeof COMPARISON_FORMAT;
	readonly version: typeof COMPARISON_VERSION;
	readonly original: ModelSummary;
	readonly deployed: ModelSummary;
	/** Comparison of each BN of the original, in its graph order. */
	readonly layers: readonly LayerComparison[];
	readonly summary: Readonly<Record<ComparisonStatus, number>>;
	/** Sentences about the whole pair: swapped arguments, unrelated models, pruned layers. */
	readonly notes: readonly string[];
	/** Wrong operators in parts without a layer; absent if none is known. */
	readonly operators?: readonly DifferingOperator[];
	/** Absent where only the files were compared. */
	readonly outputs?: OutputComparison;
	/**
	 * Name of the first tensor of the original that the deployed model does not compute; null if there is none. Absent if
	 * the values inside the models were not compared.
	 */
	readonly firstDifference?: string | null;
	/** Differences below this share of the largest value are reported, but do not fail. */
	readonly tolerance?: number;
	/** Present if the findings were held against a baseline. */
	readonly baseline?: BaselineResult;
}

/** Counts the layers of each status. */
export function summarize(layers: readonly LayerComparison[]): Record<ComparisonStatus, number> {
	const summary = { match: 0, mismatch: 0, kept: 0, unmatched: 0, 'not-identifiable': 0 };
	for (const layer of layers) {
		summary[layer.status]++;
	}
	return summary;
}
