import { product } from '../../numbers/arrays.js';
import type { TensorRecord, TensorStorage } from '../../onnx/model.js';
import { elementBits } from '../../onnx/types.js';

/** True if the first bytes of a tensor's data are its first elements. */
function canBeCut(
	storage: TensorStorage,
): storage is Extract<TensorStorage, { kind: 'raw' | 'external' | 'deferred' }> {
	return storage.kind === 'raw' || storage.kind === 'external' || storage.kind === 'deferred';
}

/** Returns a record of the first elements; undefined if they cannot be cut off. */
export function headOf(record: TensorRecord, count: number): TensorRecord | undefined {
	const { storage, dataType } = record;
	const total = product(record.dims);
	const bytes = (count * elementBits(dataType)) / 8;
	if (total <= count || !Number.isInteger(bytes) || !canBeCut(storage)) {
		return undefined;
	}
	const head = { ...record, dims: [count] };
	if (storage.kind === 'deferred') {
		return head;
	}
	return storage.kind === 'raw'
		? { ...head, storage: { ...storage, span: { offset: storage.span.offset, length: bytes } } }
		: { ...head, storage: { ...storage, length: bytes } };
}
