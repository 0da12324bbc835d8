import type { ClipRange } from '../../../core/folding/affine/clip-ranges.js';
import type { Node } from '../../../core/onnx/model.js';
import { editedBytes, planEdits } from '../../../core/onnx/write/edit.js';
import { type OpenedModel, openModel } from '../model/opened-model.js';
import { UNROUNDED_OPERATORS } from './unrounded-operators.js';
import { type QuantizedTensor, Unrounder } from './unrounder.js';

/** A quantized model without the rounding of its activations. */
export interface UnroundedModel {
	readonly file: OpenedModel;
	/** Names of constants that hold integers in place of values. */
	readonly codes: ReadonlySet<string>;
	/** Nodes that quantize a constant in float: training with simulated quantization leaves weights so. */
	readonly quantizers: readonly Node[];
	/** Integer tensors of the quantized model, without those that it dequantizes itself. */
	readonly quantized: readonly QuantizedTensor[];
}

/**
 * Returns a quantized model that computes the same function without rounding activations: each integer of an activation
 * becomes a float between the integers, and operators on integers become operators on floats. Constants keep their
 * integers. Quantizers clip only where they may replace an activation of the original. A difference between this model
 * and the original is no effect of quantized activations, so that it can be judged.
 * @param functions ranges to which functions of the original clip
 * @param open opens the result as `file` was opened
 * @returns undefined if an operator has no such form
 * @throws {OnnxError} `io` if the file was changed since it was read.
 */
export async function unroundedModel(
	file: OpenedModel,
	functions: readonly ClipRange[],
	open = openModel,
): Promise<UnroundedModel | undefined> {
	const unrounder = new Unrounder(file, functions, UNROUNDED_OPERATORS);
	const edits = await unrounder.edits();
	if (!edits) {
		return undefined;
	}
	const bytes = await editedBytes(await planEdits(file.source, edits), file.source);
	const opened = await open({ path: file.source.name, bytes });
	// External data stay beside the quantized model.
	const access = { ...file.access, source: opened.source };
	const { codes, quantizers, quantized } = unrounder;
	return { file: { ...opened, access, folder: file.folder }, codes, quantizers, quantized };
}
