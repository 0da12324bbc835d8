import { product } from '../../numbers/arrays.js';
import type { DataTypeName } from '../../onnx/model.js';
import { failure, type Result, success } from '../../result.js';
import { CheckpointError } from '../errors.js';
import { memoryStorage, type Storage } from '../storage.js';
import { elementCount } from '../tensor.js';
import type { Inflate } from '../zip/archive.js';
import { type ChunkGrid, type ChunkPlace, listChunks } from './chunks.js';
import { readDatatype, readDims } from './datatype.js';
import { type Filter, readFilters, unfilter } from './filters.js';
import { type ChunkedLayout, readLayout } from './layout.js';
import { type Hdf5Object, MESSAGE, messageOf } from './object-header.js';
import type { StructureReader } from './structure.js';

/** An array of numbers in an HDF5 file. */
export interface Dataset {
	readonly dtype: DataTypeName;
	readonly dims: readonly number[];
	/** Elements in row-major order. */
	readonly storage: Storage;
}

interface Context {
	readonly reader: StructureReader;
	readonly inflate: Inflate;
}

/** Largest factor by which deflate shrinks. A sound file holds at least this part of the bytes that it announces. */
const MAX_INFLATION = 1032;

/**
 * Returns the elements of a dataset as a storage; its values stay in the file.
 * @returns the dataset, or a clause that follows "because"
 * @throws {CheckpointError} for a broken header
 */
export function openDataset(object: Hdf5Object, context: Context): Result<Dataset> {
	const typeMessage = messageOf(object, MESSAGE.datatype);
	const spaceMessage = messageOf(object, MESSAGE.dataspace);
	const layoutMessage = messageOf(object, MESSAGE.layout);
	if (!typeMessage || !spaceMessage || !layoutMessage) {
		return failure('it lacks its type, its shape or its place');
	}
	const isShared = object.messages.some(({ type, shared }) => shared && type !== MESSAGE.attribute);
	if (isShared) {
		return failure('it shares its type with other objects');
	}
	if (messageOf(object, MESSAGE.externalFiles)) {
		return failure('its values are in another file');
	}
	const type = readDatatype(typeMessage);
	if (!type.ok) {
		return type;
	}
	const element = type.value;
	// NumPy has no bfloat16 of its own, so that h5py writes its elements as opaque bytes.
	const brainFloat = element.kind === 'opaque' && element.size === 2;
	if (element.kind !== 'number' && !brainFloat) {
		return failure(element.kind === 'opaque' ? 'its elements are opaque bytes' : 'its elements are texts');
	}
	const dims = readDims(spaceMessage);
	const bytes = elementCount(dims) * element.size;
	if (!Number.isSafeInteger(bytes)) {
		return failure(`its shape [${dims.join(', ')}] has more elements than can be counted`);
	}
	const storage = openStorage(object, context, { dims, size: element.size, bytes });
	const dtype = element.kind === 'number' ? element.dtype : 'bfloat16';
	return storage.ok ? success({ dtype, dims, storage: storage.value }) : storage;
}

interface Shape {
	readonly dims: readonly number[];
	/** Bytes of an element. */
	readonly size: number;
	/** Bytes of all elements. */
	readonly bytes: number;
}

function openStorage(object: Hdf5Object, { reader, inflate }: Context, shape: Shape): Result<Storage> {
	const { bytes } = shape;
	const message = messageOf(object, MESSAGE.layout);
	if (bytes === 0 || !message) {
		return success(memoryStorage(new Uint8Array(0)));
	}
	const layout = readLayout(message);
	if (!layout.ok) {
		return layout;
	}
	if (layout.value.kind === 'compact') {
		const held = layout.value.bytes;
		return held.length < bytes ? failure(tooShort(bytes, held.length)) : success(memoryStorage(held.slice(0, bytes)));
	}
	if (layout.value.kind === 'contiguous') {
		const { address, size } = layout.value;
		if (address === undefined) {
			return failure('its values were never written');
		}
		const start = reader.base + address;
		const held = Math.min(size, reader.storage.bytes - start);
		return held < bytes ? failure(tooShort(bytes, Math.max(0, held))) : success(partOf(reader.storage, start, bytes));
	}
	return openChunks(object, { reader, inflate }, { ...shape, layout: layout.value });
}

function tooShort(needed: number, held: number): string {
	return `it needs ${needed} bytes of which the file holds ${held}`;
}

/** Returns a range of a storage as a storage. */
function partOf(storage: Storage, start: number, bytes: number): Storage {
	return {
		bytes,
		read: (at, length) => storage.read(start + at, length),
		locate: async () => {
			const base = await storage.locate();
			return base === undefined ? undefined : base + start;
		},
	};
}

function openChunks(
	object: Hdf5Object,
	context: Context,
	shape: Shape & { readonly layout: ChunkedLayout },
): Result<Storage> {
	const { dims, size, bytes, layout } = shape;
	const { reader } = context;
	const filterMessage = messageOf(object, MESSAGE.filters);
	const filters = filterMessage ? readFilters(filterMessage) : success([]);
	if (!filters.ok) {
		return filters;
	}
	const { chunk } = layout;
	const chunkBytes = product(chunk) * size;
	const odd = chunk.length !== dims.length || chunk.some((dim) => !(dim >= 1));
	if (odd || chunkBytes > reader.limits.tensorBytes) {
		return failure(`its shape [${dims.join(', ')}] does not fit its chunks [${chunk.join(', ')}]`);
	}
	const held = reader.storage.bytes;
	if (bytes > held * (filters.value.length > 0 ? MAX_INFLATION : 1)) {
		return failure(tooShort(bytes, held));
	}
	const counts = dims.map((dim, axis) => Math.ceil(dim / (chunk[axis] ?? 1)));
	const grid = { counts, chunkBytes, filtered: filters.value.length > 0 };
	const read = () => readChunks({ ...shape, ...context, reader: reader.restarted(), grid, filters: filters.value });
	return success({
		bytes,
		read: async (at, length) => (await read()).subarray(at, at + length),
		locate: async () => undefined,
	});
}

interface ChunkedShape extends Shape, Context {
	readonly layout: ChunkedLayout;
	readonly grid: ChunkGrid;
	readonly filters: readonly Filter[];
}

/** Reads all chunks into an array, because tensors are read whole. */
async function readChunks(shape: ChunkedShape): Promise<Uint8Array> {
	const { reader, layout, grid, bytes } = shape;
	const places = await listChunks(reader, layout, grid);
	const expected = product(grid.counts);
	const known = new Map(places.map((place) => [place.index, place]));
	if (known.size !== expected || places.some(({ index }) => index >= expected)) {
		throw reader.malformed(`a tensor has ${known.size} of its ${expected} chunks`);
	}
	const result = new Uint8Array(bytes);
	for (const place of known.values()) {
		copyChunk(result, await readChunk(shape, place), shape, place.index);
	}
	return result;
}

async function readChunk({ reader, grid, filters, inflate }: ChunkedShape, place: ChunkPlace): Promise<Uint8Array> {
	const start = reader.base + place.address;
	if (start + place.bytes > reader.storage.bytes) {
		throw new CheckpointError(
			'truncated',
			`${reader.path} ends inside a chunk of a tensor: copy or download it again.`,
		);
	}
	// Chunks may share their bytes without end.
	reader.spend(place.bytes);
	const stored = new Uint8Array(await reader.storage.read(start, place.bytes));
	const chunk = unfilter({ bytes: stored, mask: place.mask, size: grid.chunkBytes }, filters, inflate);
	if (!chunk) {
		throw reader.malformed(`a chunk of a tensor does not unpack to ${grid.chunkBytes} bytes`);
	}
	return chunk;
}

/** Copies the rows of a chunk that lie in the array; chunks at the end of an axis reach beyond it. */
function copyChunk(
	result: Uint8Array,
	bytes: Uint8Array,
	{ dims, size, layout: { chunk }, grid: { counts } }: ChunkedShape,
	index: number,
): void {
	const rank = dims.length;
	const origin = originOf(index, counts, chunk);
	const extent = dims.map((dim, axis) => Math.min(chunk[axis] ?? 1, dim - (origin[axis] ?? 0)));
	const rowBytes = (extent[rank - 1] ?? 1) * size;
	const position = dims.map(() => 0);
	const rows = product(extent.slice(0, -1));
	for (let row = 0; row < rows; row++) {
		const from = flatten(position, chunk) * size;
		const to =
			flatten(
				position.map((at, axis) => at + (origin[axis] ?? 0)),
				dims,
			) * size;
		result.set(bytes.subarray(from, from + rowBytes), to);
		for (let axis = rank - 2; axis >= 0; axis--) {
			position[axis] = (position[axis] ?? 0) + 1;
			if ((position[axis] ?? 0) < (extent[axis] ?? 0)) {
				break;
			}
			position[axis] = 0;
		}
	}
}

/** Returns the first element of a chunk, by axis. */
function originOf(index: number, counts: readonly number[], chunk: readonly number[]): readonly number[] {
	let rest = index;
	const origin: number[] = [];
	for (let axis = counts.length - 1; axis >= 0; axis--) {
		const count = counts[axis] ?? 1;
		origin.unshift((rest % count) * (chunk[axis] ?? 1));
		rest = Math.floor(rest / count);
	}
	return origin;
}

/** Returns the row-major index of a position. */
function flatten(position: readonly number[], dims: readonly number[]): number {
	return position.reduce((index, at, axis) => index * (dims[axis] ?? 1) + at, 0);
}
