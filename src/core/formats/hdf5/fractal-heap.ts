import { bytesFor } from './btree2.js';
import type { Cursor } from './cursor.js';
import type { StructureReader } from './structure.js';

const HEADER_BYTES = 160;

const MANAGED = 0;
const TINY = 2;

/**
 * Shape of the heap's address space: rows of blocks. From the third row on, blocks are twice as large as in the row
 * before.
 */
interface Table {
	/** Blocks of a row. */
	readonly width: number;
	/** Bytes of a block in the first row and in the second. */
	readonly firstBytes: number;
	readonly maxDirectBytes: number;
	/** Address of the root block. */
	readonly root: number;
	/** Rows of the root block; 0 for a single direct block. */
	readonly rootRows: number;
	/** Bytes of an offset in the heap. */
	readonly offsetBytes: number;
	/** Bytes of a length in an ID. */
	readonly lengthBytes: number;
}

/** Objects of a group or dataset that do not fit into its header, section III.G of the format. */
export class FractalHeap {
	readonly #reader: StructureReader;
	readonly #table: Table;
	readonly #idBytes: number;

	private constructor(reader: StructureReader, table: Table, idBytes: number) {
		this.#reader = reader;
		this.#table = table;
		this.#idBytes = idBytes;
	}

	/** @throws {CheckpointError} */
	static async open(reader: StructureReader, address: number): Promise<FractalHeap> {
		const head = await reader.readUpTo(address, HEADER_BYTES, 'a fractal heap');
		head.expect('FRHP');
		head.skip(1);
		const idBytes = head.uint16();
		const filterBytes = head.uint16();
		head.skip(1);
		const maxManagedBytes = head.uint32();
		const { widths } = reader;
		// Huge objects, free space, and eight statistics.
		head.skip(2 * (widths.length + widths.address) + 8 * widths.length);
		const width = head.uint16();
		const firstBytes = head.length();
		const maxDirectBytes = head.length();
		const offsetBits = head.uint16();
		head.skip(2);
		const root = head.target();
		const rootRows = head.uint16();
		const powers = [width, firstBytes, maxDirectBytes].every(
			(value) => value > 0 && Number.isInteger(Math.log2(value)),
		);
		if (filterBytes !== 0 || !powers || offsetBits > 64 || maxDirectBytes < firstBytes) {
			throw head.error('is compressed, or its blocks have odd sizes');
		}
		const lengthBytes = Math.min(bytesFor(maxDirectBytes), bytesFor(maxManagedBytes));
		const offsetBytes = Math.ceil(offsetBits / 8);
		const table = { width, firstBytes, maxDirectBytes, root, rootRows, offsetBytes, lengthBytes };
		return new FractalHeap(reader, table, idBytes);
	}

	/** Reads the object of the ID at the cursor. @throws {CheckpointError} */
	async read(id: Cursor): Promise<Cursor> {
		const part = id.part(this.#idBytes);
		const flags = part.uint8();
		const kind = (flags >> 4) & 3;
		if (kind === TINY) {
			return part.part((flags & 15) + 1);
		}
		if (kind !== MANAGED) {
			throw part.error('has an object of more than 64 KB');
		}
		const offset = part.unsigned(this.#table.offsetBytes);
		const length = part.unsigned(this.#table.lengthBytes);
		return this.#reader.read(await this.#locate(offset), length, 'a message in a fractal heap');
	}

	/** Returns the address of a byte of the heap. */
	async #locate(offset: number): Promise<number> {
		const { root, rootRows, width, maxDirectBytes } = this.#table;
		if (rootRows === 0) {
			return root + offset;
		}
		let block = root;
		let within = offset;
		let rows = rootRows;
		// A block of a row is smaller than the sum of the rows before it, so this ends.
		for (;;) {
			const { row, column, start, bytes } = this.#place(within);
			if (row >= rows) {
				throw this.#reader.malformed('a fractal heap ends before one of its messages');
			}
			const child = await this.#child(block, { rows, row, column });
			within -= start;
			if (bytes <= maxDirectBytes) {
				return child + within;
			}
			block = child;
			rows = Math.log2(bytes) - Math.log2(this.#table.firstBytes * width) + 1;
		}
	}

	/** Finds the block that holds an offset: its row and column, its first offset, and its size. */
	#place(offset: number): { row: number; column: number; start: number; bytes: number } {
		const { width, firstBytes } = this.#table;
		const rowBytes = firstBytes * width;
		const row = offset < rowBytes ? 0 : Math.floor(Math.log2(offset / rowBytes)) + 1;
		const bytes = row === 0 ? firstBytes : firstBytes * 2 ** (row - 1);
		const rowStart = row === 0 ? 0 : rowBytes * 2 ** (row - 1);
		const column = Math.floor((offset - rowStart) / bytes);
		return { row, column, start: rowStart + column * bytes, bytes };
	}

	/** Reads the address of a block from an indirect block. */
	async #child(
		block: number,
		{ rows, row, column }: { readonly rows: number; readonly row: number; readonly column: number },
	): Promise<number> {
		const { width, offsetBytes } = this.#table;
		const prefix = 5 + this.#reader.widths.address + offsetBytes;
		const length = prefix + rows * width * this.#reader.widths.address;
		const cursor = await this.#reader.read(block, length, 'a fractal heap');
		cursor.expect('FHIB');
		cursor.skip(prefix - 4 + (row * width + column) * this.#reader.widths.address);
		return cursor.target();
	}
}
