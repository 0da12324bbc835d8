import { product } from '../../numbers/arrays.js';
import { bytesFor } from './btree2.js';
import type { ChunkedLayout } from './layout.js';
import type { StructureReader } from './structure.js';

/** A chunk in the file. */
export interface ChunkPlace {
	/** Index of the chunk in the row-major grid of chunks. */
	readonly index: number;
	readonly address: number;
	/** Stored bytes, after the filters. */
	readonly bytes: number;
	/** Bit i set: filter i was not applied. */
	readonly mask: number;
}

/** The array that chunks make together. */
export interface ChunkGrid {
	/** Chunks along each axis. */
	readonly counts: readonly number[];
	/** Bytes of a chunk before the filters. */
	readonly chunkBytes: number;
	readonly filtered: boolean;
}

/** Lists the chunks of a dataset, in any order. @throws {CheckpointError} */
export async function listChunks(
	reader: StructureReader,
	layout: ChunkedLayout,
	grid: ChunkGrid,
): Promise<readonly ChunkPlace[]> {
	const { index } = layout;
	if (index.address === undefined) {
		return [];
	}
	switch (index.kind) {
		case 'single':
			return [{ index: 0, address: index.address, bytes: index.bytes ?? grid.chunkBytes, mask: index.mask }];
		case 'implicit':
			return listImplicit(reader, index.address, grid);
		case 'fixed':
			return listFixed(reader, { address: index.address, wideSizes: index.wideSizes }, grid);
		case 'tree': {
			const places: ChunkPlace[] = [];
			await visitTree({ reader, layout, grid, places }, index.address, undefined);
			return places;
		}
	}
}

function listImplicit(reader: StructureReader, start: number, { counts, chunkBytes }: ChunkGrid): ChunkPlace[] {
	const places: ChunkPlace[] = [];
	for (let index = 0; index < product(counts); index++) {
		reader.spend(chunkBytes);
		places.push({ index, address: start + index * chunkBytes, bytes: chunkBytes, mask: 0 });
	}
	return places;
}

interface Walk {
	readonly reader: StructureReader;
	readonly layout: ChunkedLayout;
	readonly grid: ChunkGrid;
	readonly places: ChunkPlace[];
}

const CHUNK_NODE = 1;
const NODE_HEAD_BYTES = 8;

/** Visits a node of a B-tree of version 1, section III.A.1 of the format. */
async function visitTree(walk: Walk, address: number, level: number | undefined): Promise<void> {
	const { reader, layout, grid, places } = walk;
	const { widths } = reader;
	const head = await reader.read(address, NODE_HEAD_BYTES, 'a B-tree of chunks');
	head.expect('TREE');
	const type = head.uint8();
	const ownLevel = head.uint8();
	const count = head.uint16();
	if (type !== CHUNK_NODE || (level !== undefined && ownLevel !== level)) {
		throw head.error(`has a node of type ${type} and level ${ownLevel} in the wrong place`);
	}
	const rank = layout.chunk.length;
	const entryBytes = 8 + 8 * (rank + 1) + widths.address;
	const start = address + NODE_HEAD_BYTES + 2 * widths.address;
	const body = await reader.read(start, count * entryBytes, 'a B-tree of chunks');
	for (let entry = 0; entry < count; entry++) {
		const bytes = body.uint32();
		const mask = body.uint32();
		const offsets = Array.from({ length: rank }, () => body.unsigned(8));
		body.skip(8);
		const child = body.target();
		if (ownLevel === 0) {
			const position = offsets.map((offset, axis) => Math.floor(offset / (layout.chunk[axis] ?? 1)));
			places.push({ index: indexOf(position, grid.counts), address: child, bytes, mask });
		} else {
			await visitTree(walk, child, ownLevel - 1);
		}
	}
}

function indexOf(position: readonly number[], counts: readonly number[]): number {
	return position.reduce((index, at, axis) => index * (counts[axis] ?? 1) + at, 0);
}

/** Lists the chunks of a fixed array, section VII.C of the format. */
async function listFixed(
	reader: StructureReader,
	{ address, wideSizes }: { readonly address: number; readonly wideSizes: boolean },
	grid: ChunkGrid,
): Promise<readonly ChunkPlace[]> {
	const { widths } = reader;
	const head = await reader.read(address, 12 + widths.length + widths.address, 'a list of chunks');
	head.expect('FAHD');
	head.skip(3);
	const pageBits = head.uint8();
	const count = head.length();
	const block = head.target();
	// Before version 5 the width of a size follows from the chunk, with a byte to spare.
	const sizeBytes = wideSizes ? widths.length : Math.min(8, bytesFor(grid.chunkBytes) + 1);
	const entryBytes = widths.address + (grid.filtered ? sizeBytes + 4 : 0);
	if (count > 2 ** pageBits) {
		throw head.error(`has ${count} chunks on several pages, which are not read here`);
	}
	const prefix = 6 + widths.address;
	const body = await reader.read(block, prefix + count * entryBytes, 'a list of chunks');
	body.expect('FADB');
	body.skip(prefix - 4);
	const places: ChunkPlace[] = [];
	for (let index = 0; index < count; index++) {
		const chunk = body.address();
		const bytes = grid.filtered ? body.unsigned(sizeBytes) : grid.chunkBytes;
		const mask = grid.filtered ? body.uint32() : 0;
		if (chunk !== undefined) {
			places.push({ index, address: chunk, bytes, mask });
		}
	}
	return places;
}
