import type { Cursor } from './cursor.js';
import type { StructureReader } from './structure.js';

/** A record of a B-tree of version 2. */
export interface IndexRecord {
	readonly type: number;
	readonly record: Cursor;
}

const HEADER_BYTES = 64;

/** Signature, version, type and checksum of a node. */
const NODE_OVERHEAD = 10;

/** Maximum depth of a tree. Nodes hold up to 64 KB, so a deeper tree would have more records than any file. */
const MAX_DEPTH = 8;

interface Tree {
	readonly reader: StructureReader;
	readonly type: number;
	readonly recordBytes: number;
	readonly nodeBytes: number;
	/** Bytes of the two counts in a pointer, by level, 0 for leaves. */
	readonly pointers: readonly { readonly records: number; readonly total: number }[];
}

interface Child {
	readonly address: number;
	readonly records: number;
	readonly level: number;
}

/**
 * Reads all records of a B-tree of version 2, section III.A.2 of the format. Checksums are not compared.
 * @throws {CheckpointError} `truncated`, `malformed` or `limit`
 */
export async function readIndex(reader: StructureReader, address: number): Promise<readonly IndexRecord[]> {
	const head = await reader.readUpTo(address, HEADER_BYTES, 'an index of names');
	head.expect('BTHD');
	head.skip(1);
	const type = head.uint8();
	const nodeBytes = head.uint32();
	const recordBytes = head.uint16();
	const depth = head.uint16();
	head.skip(2);
	const root = head.address();
	const records = head.uint16();
	if (root === undefined) {
		return [];
	}
	if (depth > MAX_DEPTH || recordBytes === 0 || nodeBytes < NODE_OVERHEAD + recordBytes) {
		throw head.error(`has ${depth} levels of nodes of ${nodeBytes} bytes with records of ${recordBytes}`);
	}
	const pointers = pointerWidths(reader, { nodeBytes, recordBytes, depth });
	const found: IndexRecord[] = [];
	await visit({ reader, type, recordBytes, nodeBytes, pointers }, { address: root, records, level: depth }, found);
	return found;
}

/** Computes the widths of counts in pointers, which follow from the largest number of records that fit below. */
function pointerWidths(
	{ widths }: StructureReader,
	{
		nodeBytes,
		recordBytes,
		depth,
	}: { readonly nodeBytes: number; readonly recordBytes: number; readonly depth: number },
): Tree['pointers'] {
	const inLeaf = Math.floor((nodeBytes - NODE_OVERHEAD) / recordBytes);
	const records = bytesFor(inLeaf);
	const pointers = [{ records, total: 0 }];
	let below = inLeaf;
	for (let level = 1; level <= depth; level++) {
		const pointer = widths.address + records + (pointers[level - 1]?.total ?? 0);
		const inNode = Math.max(0, Math.floor((nodeBytes - NODE_OVERHEAD - pointer) / (recordBytes + pointer)));
		below = (inNode + 1) * below + inNode;
		pointers.push({ records, total: bytesFor(below) });
	}
	return pointers;
}

/** Returns the width of the largest number up to `value`, in bytes. */
export function bytesFor(value: number): number {
	return Math.floor(Math.log2(Math.max(1, value)) / 8) + 1;
}

async function visit(tree: Tree, { address, records, level }: Child, found: IndexRecord[]): Promise<void> {
	const { reader, recordBytes, nodeBytes, type } = tree;
	const node = await reader.read(address, nodeBytes, 'an index of names');
	node.expect(level === 0 ? 'BTLF' : 'BTIN');
	node.skip(2);
	for (let index = 0; index < records; index++) {
		found.push({ type, record: node.part(recordBytes) });
	}
	reader.checkCount(found.length, 'an index of names');
	if (level === 0) {
		return;
	}
	const below = tree.pointers[level - 1] ?? { records: 1, total: 0 };
	for (let index = 0; index <= records; index++) {
		const child = node.target();
		const count = node.unsigned(below.records);
		node.skip(below.total);
		await visit(tree, { address: child, records: count, level: level - 1 }, found);
	}
}
