import type { Cursor } from './cursor.js';
import { readDense } from './dense.js';
import { type Hdf5Object, MESSAGE, messageOf } from './object-header.js';
import type { StructureReader } from './structure.js';

/** A name in a group. */
export interface Link {
	readonly name: string;
	/** Address of the object's header; undefined for a link by path or to another file. */
	readonly address: number | undefined;
}

/** True for a group, false for a dataset or a type. */
export function isGroup({ messages }: Hdf5Object): boolean {
	return messages.some(
		({ type }) => type === MESSAGE.symbolTable || type === MESSAGE.linkInfo || type === MESSAGE.link,
	);
}

/** Returns the links of a group, in no certain order. @throws {CheckpointError} */
export async function readLinks(reader: StructureReader, group: Hdf5Object): Promise<readonly Link[]> {
	const table = messageOf(group, MESSAGE.symbolTable);
	if (table) {
		return readSymbolTable(reader, table);
	}
	const links = group.messages.filter(({ type, shared }) => type === MESSAGE.link && !shared);
	const info = messageOf(group, MESSAGE.linkInfo);
	if (!info) {
		return links.map(({ body }) => parseLink(body));
	}
	info.skip(1);
	const ordered = (info.uint8() & 1) !== 0;
	info.skip(ordered ? 8 : 0);
	const dense = await readDense(reader, { heap: info.address(), index: info.address() });
	return [...links.map(({ body }) => body), ...dense].map(parseLink);
}

const LINK_TYPE = 0x08;
const LINK_ORDER = 0x04;
const LINK_CHARSET = 0x10;
const HARD = 0;

/** Reads a link message, section IV.A.2.g of the format. */
function parseLink(cursor: Cursor): Link {
	cursor.at = 0;
	const version = cursor.uint8();
	if (version !== 1) {
		throw cursor.error(`has a link of the unknown version ${version}`);
	}
	const flags = cursor.uint8();
	const type = (flags & LINK_TYPE) !== 0 ? cursor.uint8() : HARD;
	cursor.skip(((flags & LINK_ORDER) !== 0 ? 8 : 0) + ((flags & LINK_CHARSET) !== 0 ? 1 : 0));
	const name = cursor.text(cursor.unsigned(1 << (flags & 3)));
	return { name, address: type === HARD ? cursor.target() : undefined };
}

interface LocalHeap {
	text(offset: number): string;
}

async function readSymbolTable(reader: StructureReader, table: Cursor): Promise<readonly Link[]> {
	const tree = table.target();
	const heap = await readLocalHeap(reader, table.target());
	const links: Link[] = [];
	await visitTree({ reader, heap, links }, tree, undefined);
	return links;
}

async function readLocalHeap(reader: StructureReader, address: number): Promise<LocalHeap> {
	const { widths } = reader;
	const head = await reader.read(address, 8 + 2 * widths.length + widths.address, 'a heap of names');
	head.expect('HEAP');
	head.skip(4);
	const length = head.length();
	head.length();
	const data = await reader.read(head.target(), length, 'a heap of names');
	return {
		text(offset) {
			const end = data.bytes.indexOf(0, offset);
			if (offset >= data.bytes.length || end < 0) {
				throw data.error('lacks the end of a name');
			}
			data.at = offset;
			const bytes = Math.min(end - offset, reader.limits.nameBytes);
			// Counts the bytes, because entries may repeat a name without end.
			reader.spend(bytes);
			return data.text(bytes);
		},
	};
}

interface Walk {
	readonly reader: StructureReader;
	readonly heap: LocalHeap;
	readonly links: Link[];
}

const NODE_HEAD_BYTES = 8;
const GROUP_NODE = 0;

/** Visits a node of a group's B-tree of version 1. `level`: as its parent demands, so that cycles end. */
async function visitTree(walk: Walk, address: number, level: number | undefined): Promise<void> {
	const { reader } = walk;
	const { widths } = reader;
	const head = await reader.read(address, NODE_HEAD_BYTES, 'a B-tree of a group');
	head.expect('TREE');
	const type = head.uint8();
	const ownLevel = head.uint8();
	const count = head.uint16();
	if (type !== GROUP_NODE || (level !== undefined && ownLevel !== level)) {
		throw head.error(`has a node of type ${type} and level ${ownLevel} in the wrong place`);
	}
	const start = address + NODE_HEAD_BYTES + 2 * widths.address;
	const body = await reader.read(start, count * (widths.length + widths.address), 'a B-tree of a group');
	for (let index = 0; index < count; index++) {
		body.length();
		const child = body.target();
		if (ownLevel === 0) {
			await readSymbols(walk, child);
		} else {
			await visitTree(walk, child, ownLevel - 1);
		}
	}
}

const SYMBOLIC_LINK = 2;

/** Reads a symbol table node, section III.B of the format. */
async function readSymbols({ reader, heap, links }: Walk, address: number): Promise<void> {
	const { widths } = reader;
	const head = await reader.read(address, NODE_HEAD_BYTES, 'a symbol table');
	head.expect('SNOD');
	head.skip(2);
	const count = head.uint16();
	const entryBytes = 2 * widths.address + 24;
	const body = await reader.read(address + NODE_HEAD_BYTES, count * entryBytes, 'a symbol table');
	for (let index = 0; index < count; index++) {
		const entry = body.part(entryBytes);
		const name = heap.text(entry.unsigned(widths.address));
		const target = entry.address();
		links.push({ name, address: entry.uint32() === SYMBOLIC_LINK ? undefined : target });
	}
	reader.checkCount(links.length, 'a group');
}
