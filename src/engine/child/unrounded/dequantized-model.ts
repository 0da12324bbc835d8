import { addToGraph, editedBytes, planEdits } from '../../../core/onnx/write/edit.js';
import { encodeNode } from '../../../core/onnx/write/encode.js';
import { type OpenedModel, openModel } from '../model/opened-model.js';
import type { QuantizedTensor } from './unrounder.js';

/**
 * Returns a quantized model that also computes the values of its integer tensors.
 * @throws {OnnxError} `io` if the file was changed since it was read.
 */
export async function withValues(file: OpenedModel, tensors: readonly QuantizedTensor[]): Promise<OpenedModel> {
	if (tensors.length === 0) {
		return file;
	}
	const { model, source, access, folder } = file;
	const edits = tensors.map(({ values, inputs }) => {
		const node = encodeNode({ opType: 'DequantizeLinear', name: '', inputs, outputs: [values] });
		return addToGraph(model.graph, 'node', node);
	});
	const bytes = await editedBytes(await planEdits(source, edits), source);
	const opened = await openModel({ path: source.name, bytes });
	return { ...opened, access: { ...access, source: opened.source }, folder };
}
