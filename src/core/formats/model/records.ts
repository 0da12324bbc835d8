import type { ReadElements, TensorRecord } from '../../onnx/model.js';
import { typeCode } from '../../onnx/types.js';
import { toOnnxError } from '../errors.js';
import { type CheckpointTensor, readTensorStart } from '../tensor.js';

/** Tensors outside ONNX files have no message there. */
const NO_SPAN = { offset: 0, length: 0 };

/** Returns a checkpoint's tensor as an initializer that reads its elements from the checkpoint on demand. */
export function recordOfTensor(tensor: CheckpointTensor): TensorRecord {
	return deferred(tensor, async (count) => {
		try {
			return await readTensorStart(tensor, count);
		} catch (error) {
			throw toOnnxError(error);
		}
	});
}

/** Returns a float32 initializer of shape (channels) with equal values. */
export function constantRecord(name: string, channels: number, value: number): TensorRecord {
	const read: ReadElements = async (count) => new Uint8Array(new Float32Array(count).fill(value).buffer);
	return deferred({ name, dtype: 'float32', dims: [channels] }, read);
}

function deferred({ name, dtype, dims }: Pick<CheckpointTensor, 'name' | 'dtype' | 'dims'>, read: ReadElements) {
	return { name, dataType: typeCode(dtype), dims, storage: { kind: 'deferred', read }, span: NO_SPAN } as const;
}
