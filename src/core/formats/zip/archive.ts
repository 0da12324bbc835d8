import type { ByteSource } from '../../onnx/source.js';
import { CheckpointError, truncated } from '../errors.js';
import { type CheckpointLimits, DEFAULT_CHECKPOINT_LIMITS } from '../limits.js';
import type { Storage } from '../storage.js';
import { readDirectory, type ZipEntry } from './directory.js';

/**
 * Inflates raw deflate data.
 * @param size length of the result; an implementation stops there
 * @returns the result, of any length up to `size`
 * @throws anything, for data that is not deflate or is longer
 */
export type Inflate = (bytes: Uint8Array, size: number) => Uint8Array;

const LOCAL_HEADER = 0x04034b50;
const LOCAL_HEADER_BYTES = 30;
const STORED = 0;
const DEFLATED = 8;
const ENCRYPTED = 1;

/** A zip archive. Entries are read on demand. */
export class ZipArchive {
	readonly #source: ByteSource;
	readonly #inflate: Inflate;
	readonly #limits: CheckpointLimits;
	readonly #entries: ReadonlyMap<string, ZipEntry>;

	private constructor(source: ByteSource, entries: ReadonlyMap<string, ZipEntry>, options: ZipOptions) {
		this.#source = source;
		this.#entries = entries;
		this.#inflate = options.inflate;
		this.#limits = { ...DEFAULT_CHECKPOINT_LIMITS, ...options.limits };
	}

	/**
	 * Reads the central directory.
	 * @throws {CheckpointError} `truncated`, `malformed`, `limit` or `unsupported`
	 */
	static async open(source: ByteSource, options: ZipOptions): Promise<ZipArchive> {
		const limits = { ...DEFAULT_CHECKPOINT_LIMITS, ...options.limits };
		return new ZipArchive(source, await readDirectory(source, limits), options);
	}

	/** Names of the entries, in the order of the directory. */
	get names(): readonly string[] {
		return [...this.#entries.keys()];
	}

	has(name: string): boolean {
		return this.#entries.has(name);
	}

	/**
	 * Reads a whole entry into memory of its own.
	 * @param limit largest length in bytes, with the name of the limit for the error
	 * @throws {CheckpointError} also `malformed` if there is no such entry
	 */
	async read(name: string, limit: { readonly bytes: number; readonly name: string }): Promise<Uint8Array<ArrayBuffer>> {
		const entry = this.#entry(name);
		if (entry.size > limit.bytes) {
			throw new CheckpointError(
				'limit',
				`Entry "${name}" of ${this.#source.name} has ${entry.size} bytes, more than the limit of ${limit.bytes} (${limit.name}).`,
				entry.offset,
			);
		}
		return new Uint8Array(await this.storage(name).read(0, entry.size));
	}

	/**
	 * Returns an entry as a storage. Reading from a deflated entry inflates all of it each time, because PyTorch never
	 * deflates storages.
	 * @throws {CheckpointError} `malformed` if there is no such entry
	 */
	storage(name: string): Storage {
		const entry = this.#entry(name);
		let start: Promise<number> | undefined;
		const locate = (): Promise<number> => {
			start ??= this.#locate(entry);
			return start;
		};
		return {
			bytes: entry.size,
			read: async (at, length) => {
				const offset = await locate();
				return entry.method === STORED
					? this.#source.read(offset + at, length)
					: (await this.#inflated(entry, offset)).subarray(at, at + length);
			},
			locate: async () => (entry.method === STORED ? locate() : undefined),
		};
	}

	#entry(name: string): ZipEntry {
		const entry = this.#entries.get(name);
		if (!entry) {
			throw new CheckpointError(
				'malformed',
				`${this.#source.name} lacks the entry "${name}" that its pickle refers to: save the file again.`,
			);
		}
		return entry;
	}

	/** Returns the offset of an entry's first byte. Only the local header knows it, since its extra field pads to 64. */
	async #locate(entry: ZipEntry): Promise<number> {
		const { name, offset, flags, method } = entry;
		const source = this.#source;
		if ((flags & ENCRYPTED) !== 0 || (method !== STORED && method !== DEFLATED)) {
			const problem = (flags & ENCRYPTED) !== 0 ? 'is encrypted' : `is compressed by method ${method}`;
			throw new CheckpointError(
				'unsupported',
				`Entry "${name}" of ${source.name} ${problem}, which is not supported: save the file again with torch.save.`,
				offset,
			);
		}
		if (offset + LOCAL_HEADER_BYTES > source.size) {
			throw truncated(source.name, source.size, `entry "${name}"`);
		}
		const bytes = await source.read(offset, LOCAL_HEADER_BYTES);
		const view = new DataView(bytes.buffer, bytes.byteOffset, LOCAL_HEADER_BYTES);
		const start = offset + LOCAL_HEADER_BYTES + view.getUint16(26, true) + view.getUint16(28, true);
		const problem = findContradiction(entry, view, start);
		if (problem) {
			throw new CheckpointError(
				'malformed',
				`Entry "${name}" of ${source.name} ${problem}: copy or save the file again.`,
				offset,
			);
		}
		return start;
	}

	async #inflated({ name, offset, compressedSize, size }: ZipEntry, start: number): Promise<Uint8Array> {
		const limit = this.#limits.tensorBytes;
		if (size > limit || compressedSize > limit) {
			throw new CheckpointError(
				'limit',
				`Entry "${name}" of ${this.#source.name} inflates to ${size} bytes, more than the limit of ${limit} (tensorBytes).`,
				offset,
			);
		}
		const bytes = this.#tryInflate(await this.#source.read(start, compressedSize), size);
		if (bytes?.length !== size) {
			throw new CheckpointError(
				'malformed',
				`Entry "${name}" of ${this.#source.name} does not inflate to the ${size} bytes that it announces: copy or save the file again.`,
				offset,
			);
		}
		return bytes;
	}

	#tryInflate(bytes: Uint8Array, size: number): Uint8Array | undefined {
		try {
			return this.#inflate(bytes, size);
		} catch {
			return undefined;
		}
	}
}

/** Compares a local header with the directory. `start`: offset of the entry's first byte, by the local header. */
function findContradiction(entry: ZipEntry, header: DataView, start: number): string | undefined {
	if (header.getUint32(0, true) !== LOCAL_HEADER) {
		return 'has no local header where the directory says';
	}
	if (header.getUint16(8, true) !== entry.method) {
		return 'is compressed in another way than the directory says';
	}
	if (start + entry.compressedSize > entry.end) {
		return 'reaches into the next entry';
	}
	return entry.method === STORED && entry.compressedSize !== entry.size
		? 'is stored, but has two different sizes'
		: undefined;
}

export interface ZipOptions {
	readonly inflate: Inflate;
	readonly limits?: Partial<CheckpointLimits>;
}
