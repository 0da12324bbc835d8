import { encodeObject, type JsonObject } from './json.js';
import type { OutputComparison } from './output-comparison.js';

export const FOLD_FORMAT = 'batchnorm-lens.fold';
export const FOLD_VERSION = 1;

export interface FoldedLayer {
	readonly name: string;
	/** Name of the operator that took the layer in. */
	readonly into: string;
	/** Sentence: why no run verified it; missing for a verified layer. */
	readonly unverified?: string;
}

export interface KeptLayer {
	readonly name: string;
	/** Codes of FOLD_REASONS in fold-reasons.ts. */
	readonly reasons: readonly string[];
}

/** A model written with folded BatchNormalization, and its verification. */
export interface FoldResult {
	readonly format: typeof FOLD_FORMAT;
	readonly version: typeof FOLD_VERSION;
	/** The model that was read. */
	readonly model: string;
	/** The written file; null if no layer could be folded and no file was written. */
	readonly written: { readonly path: string; readonly bytes: number } | null;
	/** Together every layer of the model, each list in graph order. */
	readonly folded: readonly FoldedLayer[];
	readonly kept: readonly KeptLayer[];
	/** Comparison of both models' outputs on the same input. Never a mismatch, because such a file is not written. */
	readonly outputs: OutputComparison;
}

export function encodeFoldResult(result: FoldResult): JsonObject {
	return encodeObject(result);
}
