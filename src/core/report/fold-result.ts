import type { OutputComparison } from './comparison.js';
import { encodeObject, type JsonObject } from './json.js';

export const FOLD_FORMAT = 'batchnorm-lens.fold';
export const FOLD_VERSION = 1;

export interface FoldedLayer {
	readonly name: string;
	/** Name of the operator that took the layer in. */
	readonly into: string;
}

export interface KeptLayer {
	readonly name: string;
	/** Codes of core/folding/reasons.ts; {@link FOLD_REASONS} has the words. */
	readonly reasons: readonly string[];
}

/** A model that was written with its BatchNormalization folded, and how that was verified. */
export interface FoldResult {
	readonly format: typeof FOLD_FORMAT;
	readonly version: typeof FOLD_VERSION;
	/** The model that was read. */
	readonly model: string;
	/** The file that was written; null: nothing could be folded, and nothing was written. */
	readonly written: { readonly path: string; readonly bytes: number } | null;
	/** Together every layer of the model, each list in graph order. */
	readonly folded: readonly FoldedLayer[];
	readonly kept: readonly KeptLayer[];
	/** Both models run on the same input. A mismatch is never the result: such a file is not written. */
	readonly outputs: OutputComparison;
}

export function encodeFoldResult(result: FoldResult): JsonObject {
	return encodeObject(result);
}

/** What a reason code says, to follow "not folded: ". */
export const FOLD_REASONS: Readonly<Record<string, string>> = {
	'several-consumers': 'the output of the operator in front is used elsewhere too',
	'graph-output': 'the output of the operator in front is an output of the graph',
	'training-mode': 'it is in training mode',
	'per-activation': 'it keeps a statistic for each activation',
	'dynamic-parameter': 'a parameter is not a constant',
	'invalid-variance': 'a value is not finite, or variance + epsilon is not positive',
	'no-linear-operator': 'no linear operator stands in front of it',
	'operator-between': 'another operator stands between it and the linear operator in front',
	'padded-forward-fold': 'the convolution behind it pads its input',
	'shared-weight': 'the weight is shared with another node',
	'mixed-types': 'the data types differ',
	rank: 'the rank is not supported',
	'parameter-shape': 'its parameters are not one value for each channel of the operator',
	'cyclic-graph': 'the graph has a cycle',
	'bias-shape': 'the bias is not one value for each channel',
	'zero-alpha': 'the Gemm multiplies its weight by an alpha of 0',
	overridable: 'a constant is only the default of a graph input, which a caller may feed',
	'inside-function': 'it stands in a model-local function, which other calls share',
};

/** "the data types differ; it is in training mode", codes without words as they are. */
export function foldReasons(codes: readonly string[]): string {
	return codes.map((code) => FOLD_REASONS[code] ?? code).join('; ');
}
