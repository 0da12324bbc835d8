import { nullable, oneOf, optional, real, record, text } from '../decode.js';

export const BEHAVIOR_STATUSES = ['match', 'mismatch', 'behind', 'skipped'] as const;

/** Values behind a layer with both models on the same input. */
export interface LayerBehavior {
	/** `behind`: the models part in front of the layer, so that its values differ whether or not it is right. */
	readonly status: (typeof BEHAVIOR_STATUSES)[number];
	/** Tensor of the deployed model with these values, or with the most similar values; null without such a tensor. */
	readonly tensor: string | null;
	/** Signal-to-noise ratio in dB: 20 log10 of rms(original) / rms(difference). Infinity for equal values. */
	readonly snrDb: number | null;
	/** The same ratio without the rounding of activations, if the deployed model rounds them. */
	readonly unroundedSnrDb?: number;
	/** Largest |original - deployed|. */
	readonly maxAbs: number | null;
	/** `maxAbs` relative to the largest magnitude of the original's values. */
	readonly maxShare?: number;
	/** Largest difference that rounding explains. */
	readonly bound: number | null;
	/** Sentence: the reason for a missing verdict, or for a difference that this input does not show. */
	readonly reason?: string;
	/** Original tensor that was found, if it is not the layer's own output but the first found tensor behind it. */
	readonly behind?: string;
}

export const behavior = record<LayerBehavior>({
	status: oneOf(...BEHAVIOR_STATUSES),
	tensor: nullable(text),
	snrDb: nullable(real),
	unroundedSnrDb: optional(real),
	maxAbs: nullable(real),
	maxShare: optional(real),
	bound: nullable(real),
	reason: optional(text),
	behind: optional(text),
});
