import { CheckpointError, truncated } from '../errors.js';
import type { CheckpointLimits } from '../limits.js';
import type { Storage } from '../storage.js';
import { Cursor, type FieldWidths } from './cursor.js';

/** Bytes of a page. h5py keeps the structure of a file in blocks of 2,048 bytes between the values. */
const PAGE_BYTES = 2048;

/** Maximum number of pages in memory. Neighbors are read together, so few suffice. */
const MAX_PAGES = 256;

/** Cost of a read beside its bytes, because reads of no bytes may repeat without end as well. */
const READ_COST = 16;

/**
 * Maximum times that a file may be read as structure. A sound file is read about once; cycles and shared nodes read it
 * again.
 */
const MAX_REPEATS = 16;

/** Cost that every file may have, however small it is. */
const FREE_COST = 1 << 20;

/** Reads the structure of an HDF5 file, page by page, with a limit on the sum of all reads. */
export class StructureReader {
	/** Name of the file in messages. */
	readonly path: string;
	readonly limits: CheckpointLimits;
	/** Bytes of the file, perhaps an entry of an archive. */
	readonly storage: Storage;
	/** Widths of addresses and lengths, known once the superblock is read. */
	widths: FieldWidths = { address: 8, length: 8 };
	/** Offset of address 0 in the file. */
	base = 0;
	readonly #pages = new Map<number, Uint8Array>();
	readonly #maxCost: number;
	#cost = 0;

	constructor(storage: Storage, path: string, limits: CheckpointLimits) {
		this.storage = storage;
		this.path = path;
		this.limits = limits;
		this.#maxCost = Math.min(limits.structureBytes, FREE_COST + MAX_REPEATS * storage.bytes);
	}

	/**
	 * Reads `length` bytes at an address.
	 * @param part names the bytes in messages, for example "a group"
	 * @throws {CheckpointError} `truncated`, `malformed` or `limit`
	 */
	async read(address: number, length: number, part: string): Promise<Cursor> {
		const offset = this.base + address;
		if (!Number.isSafeInteger(offset)) {
			throw this.malformed(`${part} has no address`);
		}
		if (offset + length > this.storage.bytes) {
			throw truncated(this.path, this.storage.bytes, `${part} at byte ${offset}`);
		}
		this.spend(length + READ_COST);
		return new Cursor(await this.#bytes(offset, length), this, part);
	}

	/** Reads up to `length` bytes at an address: fewer at the end of the file. */
	readUpTo(address: number, length: number, part: string): Promise<Cursor> {
		const available = this.storage.bytes - this.base - address;
		return this.read(address, available > 0 ? Math.min(length, available) : length, part);
	}

	/** Counts work. @throws {CheckpointError} `limit` if the structure repeats itself */
	spend(cost: number): void {
		this.#cost += cost;
		if (this.#cost > this.#maxCost) {
			throw new CheckpointError(
				'limit',
				`${this.path} has a structure that repeats itself beyond ${this.#maxCost} bytes (structureBytes): save the model again.`,
			);
		}
	}

	/** Returns a reader of the same file with cost 0, because values may be read again and again. */
	restarted(): StructureReader {
		const reader = new StructureReader(this.storage, this.path, this.limits);
		reader.widths = this.widths;
		reader.base = this.base;
		return reader;
	}

	/** @throws {CheckpointError} `limit` if `part` has more entries than a file may have tensors */
	checkCount(entries: number, part: string): void {
		const { tensors } = this.limits;
		if (entries > tensors) {
			throw new CheckpointError('limit', `${this.path} has ${part} of more than ${tensors} entries (tensors).`);
		}
	}

	/** @param problem clause that follows "because" */
	malformed(problem: string): CheckpointError {
		return new CheckpointError(
			'malformed',
			`${this.path} is a broken HDF5 file, because ${problem}: copy or save it again.`,
		);
	}

	async #bytes(offset: number, length: number): Promise<Uint8Array> {
		const first = Math.floor(offset / PAGE_BYTES);
		const last = Math.floor((offset + Math.max(length, 1) - 1) / PAGE_BYTES);
		if (last - first > 1) {
			return new Uint8Array(await this.storage.read(offset, length));
		}
		const start = offset - first * PAGE_BYTES;
		const page = await this.#page(first);
		if (last === first) {
			return page.subarray(start, start + length);
		}
		const joined = new Uint8Array(length);
		joined.set(page.subarray(start));
		joined.set((await this.#page(last)).subarray(0, start + length - PAGE_BYTES), PAGE_BYTES - start);
		return joined;
	}

	async #page(index: number): Promise<Uint8Array> {
		const known = this.#pages.get(index);
		if (known) {
			return known;
		}
		const start = index * PAGE_BYTES;
		const length = Math.max(0, Math.min(PAGE_BYTES, this.storage.bytes - start));
		const page = new Uint8Array(await this.storage.read(start, length));
		const [oldest] = this.#pages.keys();
		if (oldest !== undefined && this.#pages.size >= MAX_PAGES) {
			this.#pages.delete(oldest);
		}
		this.#pages.set(index, page);
		return page;
	}
}
