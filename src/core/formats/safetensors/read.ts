import type { DataTypeName } from '../../onnx/model.js';
import type { ByteSource } from '../../onnx/source.js';
import { byteLength, typeCode } from '../../onnx/types.js';
import { failure, type Result } from '../../result.js';
import type { Checkpoint } from '../checkpoint.js';
import { CheckpointError, truncated } from '../errors.js';
import { findLayers } from '../layers/find.js';
import { commonPrefix, compareNames } from '../layers/names.js';
import { type CheckpointLimits, DEFAULT_CHECKPOINT_LIMITS } from '../limits.js';
import { fileStorage } from '../storage.js';
import {
	type CheckpointTensor,
	createTensor,
	elementCount,
	rowMajorStrides,
	type UnreadableTensor,
} from '../tensor.js';
import { type HeaderEntry, parseHeader } from './header.js';

/** Bytes of the header's length, a little-endian uint64. */
export const LENGTH_BYTES = 8;

/** Names of element types in safetensors' `Dtype`, as of version 0.6. */
const TYPES: Readonly<Record<string, DataTypeName>> = {
	BOOL: 'bool',
	U8: 'uint8',
	I8: 'int8',
	F8_E5M2: 'float8e5m2',
	F8_E4M3: 'float8e4m3fn',
	F8_E8M0: 'float8e8m0',
	U16: 'uint16',
	I16: 'int16',
	F16: 'float16',
	BF16: 'bfloat16',
	U32: 'uint32',
	I32: 'int32',
	F32: 'float32',
	U64: 'uint64',
	I64: 'int64',
	F64: 'float64',
	C64: 'complex64',
};

/**
 * Reads the header of a safetensors file; the tensors stay in the file.
 * Format: https://github.com/huggingface/safetensors#format
 * @throws {CheckpointError} `truncated`, `malformed`, `limit` or `no-tensors`
 */
export async function readSafetensors(source: ByteSource, given: Partial<CheckpointLimits> = {}): Promise<Checkpoint> {
	const limits = { ...DEFAULT_CHECKPOINT_LIMITS, ...given };
	const { name: path, size } = source;
	const length = await readHeaderLength(source, limits);
	const context = { path, start: LENGTH_BYTES, limits };
	const { entries, metadata } = parseHeader(await source.read(LENGTH_BYTES, length), context);
	if (entries.length === 0) {
		throw new CheckpointError('no-tensors', `${path} is a safetensors file without a tensor: save the model again.`);
	}
	checkRanges(entries, path, size - LENGTH_BYTES - length);
	const sorted = entries.slice().sort((a, b) => a.begin - b.begin || a.end - b.end);
	const order = isSortedByName(sorted) ? 'names' : 'definition';
	if (order === 'names') {
		sorted.sort((a, b) => compareNames(a.name, b.name));
	}
	const tensors: CheckpointTensor[] = [];
	const unreadable: UnreadableTensor[] = [];
	for (const entry of sorted) {
		const tensor = tensorOf(entry, { source, start: LENGTH_BYTES + length, limits });
		if (tensor.ok) {
			tensors.push(tensor.value);
		} else {
			unreadable.push({ name: entry.name, reason: tensor.reason });
		}
	}
	const found = findLayers({ tensors, unreadable, modules: [], order });
	return {
		path,
		bytes: size,
		format: 'safetensors',
		tensors,
		unreadable,
		modules: [],
		...found,
		choice: {
			chosen: { path: [], tensors: tensors.length, layers: found.layers.length },
			others: [],
			sentence: `All ${tensors.length} tensors of the file were read as one model.`,
		},
		order,
		prefix: commonPrefix(tensors.map(({ name }) => name)),
		metadata,
	};
}

async function readHeaderLength(source: ByteSource, limits: CheckpointLimits): Promise<number> {
	const { name, size } = source;
	if (size < LENGTH_BYTES) {
		throw truncated(name, size, 'the length of its header');
	}
	const bytes = await source.read(0, LENGTH_BYTES);
	const view = new DataView(bytes.buffer, bytes.byteOffset, LENGTH_BYTES);
	const length = Number(view.getBigUint64(0, true));
	if (length > limits.headerBytes) {
		throw new CheckpointError(
			'limit',
			`${name} announces a safetensors header of ${length} bytes, more than the limit of ${limits.headerBytes} (headerBytes).`,
			0,
		);
	}
	if (length > size - LENGTH_BYTES) {
		throw truncated(name, size, `its header of ${length} bytes`);
	}
	return length;
}

/** @param available bytes of the file behind the header */
function checkRanges(entries: readonly HeaderEntry[], path: string, available: number): void {
	const sorted = entries.filter(({ begin, end }) => begin !== end).sort((a, b) => a.begin - b.begin);
	let previous: HeaderEntry | undefined;
	for (const entry of sorted) {
		const { name, begin, end } = entry;
		if (begin > end) {
			throw new CheckpointError('malformed', `Tensor "${name}" of ${path} ends before it begins: save the file again.`);
		}
		if (previous && begin < previous.end) {
			throw new CheckpointError(
				'malformed',
				`Tensors "${previous.name}" and "${name}" of ${path} overlap at byte ${begin} of the data: save the file again.`,
			);
		}
		previous = entry;
	}
	if (previous && previous.end > available) {
		throw truncated(path, available, `tensor "${previous.name}", which ends at byte ${previous.end} of the data`);
	}
}

interface Context {
	readonly source: ByteSource;
	/** Offset of the data in the file, in bytes. */
	readonly start: number;
	readonly limits: CheckpointLimits;
}

function tensorOf(
	{ name, dtype: code, dims, begin, end }: HeaderEntry,
	{ source, start, limits }: Context,
): Result<CheckpointTensor> {
	const dtype = TYPES[code];
	if (!dtype) {
		return failure(`its element type ${code} is unknown here`);
	}
	const needed = byteLength(typeCode(dtype), elementCount(dims));
	if (needed !== end - begin) {
		const shape = `[${dims.join(', ')}]`;
		const message = `Tensor "${name}" of ${source.name} has ${end - begin} bytes where ${dtype} of shape ${shape} takes ${needed}`;
		throw new CheckpointError('bad-tensor', `${message}: save the file again.`);
	}
	const storage = fileStorage(source, start + begin, end - begin);
	return createTensor({ name, dtype, dims, storage, offset: 0, strides: rowMajorStrides(dims) }, limits);
}

/** Returns true if tensors of equal type are sorted by name: safetensors' own writers do so and lose the model's order. */
function isSortedByName(entries: readonly HeaderEntry[]): boolean {
	const last = new Map<string, string>();
	return entries.every(({ dtype, name }) => {
		const sorted = (last.get(dtype) ?? '') <= name;
		last.set(dtype, name);
		return sorted;
	});
}
