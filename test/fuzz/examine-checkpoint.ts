import { openCheckpoint } from '../../src/core/formats/open.js';
import { elementCount, readTensorValues } from '../../src/core/formats/tensor.js';
import { memorySource } from '../../src/core/onnx/source.js';
import { inflate } from '../../src/platform/inflate.js';
import { typed } from './typed.js';

/** Bytes of a tensor beyond which it is not read: a view may repeat one element without end. */
const TENSOR_BYTES = 1 << 20;

/** Opens a checkpoint and reads all its tensors. Typed errors are valid answers; any other error is thrown. */
export async function useCheckpoint(bytes: Uint8Array): Promise<void> {
	const checkpoint = await typed(openCheckpoint(memorySource(bytes, 'model.pth'), { inflate }));
	for (const tensor of checkpoint?.tensors ?? []) {
		const values = await typed(readTensorValues(tensor, { tensorBytes: TENSOR_BYTES }));
		if (values && values.data.length !== elementCount(tensor.dims)) {
			throw new Error(`Tensor ${tensor.name} of [${tensor.dims}] was read as ${values.data.length} elements.`);
		}
	}
}
