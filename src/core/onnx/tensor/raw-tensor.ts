import { product } from '../../numbers/arrays.js';
import { OnnxError } from '../errors.js';
import { DEFAULT_LIMITS, type Limits } from '../limits.js';
import { checkExternalLocation } from '../location.js';
import type { DataTypeCode, TensorRecord, TensorStorage } from '../model.js';
import type { ByteSource, ExternalFiles } from '../source.js';
import { byteLength, elementBits, typeName } from '../types.js';
import { isBacked } from './backed.js';
import { denseBytes, type SparseParts } from './sparse-tensor.js';
import { typedToRaw } from './typed-data.js';

/** Access to a tensor's bytes. */
export interface TensorAccess {
	/** The file that the record was read from. */
	readonly source: ByteSource;
	/** The files beside it; without them external data is an error. */
	readonly external?: ExternalFiles;
	/** Name of the tensor in messages, by default its own. */
	readonly name?: string;
	readonly limits?: Partial<Limits>;
}

/** Bytes of a tensor in the layout of raw_data, independent of their form in the file. */
export interface RawTensor {
	readonly dataType: DataTypeCode;
	readonly dims: readonly number[];
	/**
	 * Little-endian, row-major; types below a byte are packed with the first element in the low bits. The caller owns the
	 * array.
	 */
	readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Reads a tensor's bytes unchanged, in a single positional read.
 * @throws {OnnxError} `bad-tensor` when dims, type and data disagree; `external-data`; `unsupported` for strings and
 * types newer than this reader; `limit`; `io`
 */
export async function readRawTensor(record: TensorRecord, access: TensorAccess): Promise<RawTensor> {
	const { dataType, dims, storage } = record;
	const title = titleOf(record, access);
	if (record.segmented) {
		throw new OnnxError('unsupported', `${title} is only one segment of a tensor: segments were never in use.`);
	}
	const count = elementCount(dims, title);
	checkType(dataType, title);
	const length = byteLength(dataType, count);
	const limit = access.limits?.tensorBytes ?? DEFAULT_LIMITS.tensorBytes;
	if (length > limit) {
		throw new OnnxError('limit', `${title} takes ${length} bytes, more than the limit of ${limit} (tensorBytes).`);
	}
	if (storage.kind === 'sparse') {
		return { dataType, dims, bytes: await readSparse(record, storage, access) };
	}
	if (storage.kind === 'typed' && !isBacked(record)) {
		const bytes = storage.chunks.reduce((total, { span }) => total + span.length, 0);
		throw new OnnxError('bad-tensor', `${title} has only ${bytes} bytes of data for its ${count} elements.`);
	}
	return { dataType, dims, bytes: await readStorage(storage, { length, count, dataType, title, access }) };
}

/** "Tensor "conv1.weight" of model.onnx": the subject of its sentences. */
export function titleOf({ name }: TensorRecord, { name: given, source }: TensorAccess): string {
	return `Tensor "${given ?? name}" of ${source.name}`;
}

/**
 * Product of the dimensions: 1 for a scalar.
 * @throws {OnnxError} `bad-tensor` when one is negative or the product is no exact number
 */
export function elementCount(dims: readonly number[], title: string): number {
	const negative = dims.find((dim) => dim < 0);
	if (negative !== undefined) {
		throw new OnnxError('bad-tensor', `${title} has the negative dimension ${negative} in [${dims.join(', ')}].`);
	}
	// Checks for 0 first: [2^62, 4, 0] has no elements, although the product overflows.
	const count = dims.includes(0) ? 0 : product(dims);
	if (!Number.isSafeInteger(count)) {
		throw new OnnxError('bad-tensor', `${title} has dimensions [${dims.join(', ')}], whose product overflows.`);
	}
	return count;
}

function checkType(dataType: DataTypeCode, title: string): void {
	if (dataType === 0) {
		throw new OnnxError('bad-tensor', `${title} has no element type.`);
	}
	if (elementBits(dataType) === 0) {
		const what =
			typeName(dataType) === 'string' ? 'holds strings' : `has element type ${dataType}, newer than this reader`;
		throw new OnnxError('unsupported', `${title} ${what}.`);
	}
}

interface Expected {
	/** Bytes that dims and type ask for. */
	readonly length: number;
	readonly count: number;
	readonly dataType: DataTypeCode;
	readonly title: string;
	readonly access: TensorAccess;
}

async function readSparse(
	record: TensorRecord,
	parts: SparseParts,
	access: TensorAccess,
): Promise<Uint8Array<ArrayBuffer>> {
	const title = titleOf(record, access);
	if (!isBacked(record)) {
		const size = `claims ${record.dims.join(' x ')} elements with ${parts.values.dims.join(' x ')} values`;
		throw new OnnxError('limit', `${title} is sparse and ${size}, too few to believe.`);
	}
	const values = await readRawTensor(parts.values, access);
	const indices = await readRawTensor(parts.indices, access);
	return denseBytes(record, { values, indices }, title);
}

async function readStorage(
	storage: Exclude<TensorStorage, { kind: 'sparse' }>,
	expected: Expected,
): Promise<Uint8Array<ArrayBuffer>> {
	const { length, title, access } = expected;
	switch (storage.kind) {
		case 'raw':
			checkLength(storage.span.length, expected);
			return readBytes(access.source, storage.span.offset, length);
		case 'typed':
			return typedToRaw(storage, { ...expected, source: access.source });
		case 'external':
			return readExternal(storage, expected);
		case 'deferred':
			return storage.read(expected.count);
		case 'none':
			if (length > 0) {
				throw new OnnxError('bad-tensor', `${title} should hold ${length} bytes but has no data.`);
			}
			return new Uint8Array(0);
	}
}

async function readExternal(
	storage: TensorStorage & { kind: 'external' },
	expected: Expected,
): Promise<Uint8Array<ArrayBuffer>> {
	const { length, title, access } = expected;
	const { location, offset } = storage;
	checkExternalLocation(location);
	if (!Number.isSafeInteger(offset) || offset < 0) {
		throw new OnnxError('external-data', `${title} has the external data offset ${offset}, which is no byte offset.`);
	}
	checkLength(storage.length ?? length, expected);
	if (!access.external) {
		throw new OnnxError('external-data', `${title} is in the file "${location}", which cannot be reached from here.`);
	}
	const file = await access.external.open(location);
	if (offset + length > file.size) {
		const range = `bytes ${offset} to ${offset + length}`;
		throw new OnnxError(
			'external-data',
			`${title} needs ${range} of "${location}", which has only ${file.size} bytes.`,
		);
	}
	return readBytes(file, offset, length);
}

function checkLength(found: number, { length, count, dataType, title }: Expected): void {
	if (found !== length) {
		const wanted = `${count} elements of ${typeName(dataType)} take ${length} bytes`;
		throw new OnnxError('bad-tensor', `${title} has ${found} bytes of data where ${wanted}.`);
	}
}

/** Reads into memory of its own, which is also aligned for any element type. */
async function readBytes(source: ByteSource, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
	if (!source.readInto) {
		return new Uint8Array(await source.read(offset, length));
	}
	const bytes = new Uint8Array(length);
	await source.readInto(bytes, offset);
	return bytes;
}
