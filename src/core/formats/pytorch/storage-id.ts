import type { DataTypeName } from '../../onnx/model.js';
import { elementBits, typeCode } from '../../onnx/types.js';
import { failure, type Result, success } from '../../result.js';
import { itemsOf } from './containers.js';
import { type PersistentId, PickleGlobal } from './pickle/values.js';

/** A storage as the pickle refers to it. */
export interface StorageId {
	readonly key: string;
	/** Element type; undefined for quantized storages and for UntypedStorage (bytes). */
	readonly dtype: DataTypeName | undefined;
	/** Bytes of an element. */
	readonly elementBytes: number;
	/** Bytes of the whole storage. */
	readonly bytes: number;
	/** First element of the view that old versions wrote; normally 0. */
	readonly offset: number;
}

const TYPES: Readonly<Record<string, DataTypeName>> = {
	FloatStorage: 'float32',
	DoubleStorage: 'float64',
	HalfStorage: 'float16',
	BFloat16Storage: 'bfloat16',
	LongStorage: 'int64',
	IntStorage: 'int32',
	ShortStorage: 'int16',
	CharStorage: 'int8',
	ByteStorage: 'uint8',
	BoolStorage: 'bool',
	ComplexFloatStorage: 'complex64',
	ComplexDoubleStorage: 'complex128',
};

/** Bytes of an element of storages without an element type that can be read here. */
const OPAQUE: Readonly<Record<string, number>> = {
	UntypedStorage: 1,
	QInt8Storage: 1,
	QUInt8Storage: 1,
	QInt32Storage: 4,
	QUInt4x2Storage: 1,
	QUInt2x4Storage: 1,
};

/** torch.dtype by name. */
const DTYPES: Readonly<Record<string, DataTypeName>> = {
	...Object.fromEntries(
		['float32', 'float64', 'float16', 'bfloat16', 'int64', 'int32', 'int16', 'int8', 'uint8', 'bool'].map((name) => [
			name,
			name as DataTypeName,
		]),
	),
	uint16: 'uint16',
	uint32: 'uint32',
	uint64: 'uint64',
	complex64: 'complex64',
	complex128: 'complex128',
	float8_e4m3fn: 'float8e4m3fn',
	float8_e4m3fnuz: 'float8e4m3fnuz',
	float8_e5m2: 'float8e5m2',
	float8_e5m2fnuz: 'float8e5m2fnuz',
	float8_e8m0fnu: 'float8e8m0',
};

/** Reads ('storage', class, key, device, count, view); the result is a clause about the reference otherwise. */
export function parseStorageId({ id }: PersistentId): Result<StorageId> {
	const [kind, type, key, , count, view] = itemsOf(id) ?? [];
	const name = type instanceof PickleGlobal ? type.name : undefined;
	if (kind !== 'storage' || name === undefined || (typeof key !== 'string' && typeof key !== 'number')) {
		return failure('it refers to an object that is not a storage');
	}
	if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0) {
		return failure(`its storage "${key}" has no valid number of elements`);
	}
	const dtype = TYPES[name];
	const elementBytes = dtype ? elementBits(typeCode(dtype)) / 8 : OPAQUE[name];
	if (elementBytes === undefined) {
		return failure(`its storage is of the unknown class ${name}`);
	}
	const [, viewOffset = 0] = itemsOf(view) ?? [];
	const offset = typeof viewOffset === 'number' ? viewOffset : Number.NaN;
	return success({ key: String(key), dtype, elementBytes, bytes: count * elementBytes, offset });
}

/** Returns the element type of a torch.dtype, pickled as a class of this name. */
export function dtypeOf(value: unknown): DataTypeName | undefined {
	return value instanceof PickleGlobal && value.module === 'torch' ? DTYPES[value.name] : undefined;
}
