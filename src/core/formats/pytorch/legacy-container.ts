import type { ByteSource } from '../../onnx/source.js';
import { failure, type Result, success } from '../../result.js';
import type { Checkpoint } from '../checkpoint.js';
import { CheckpointError, truncated } from '../errors.js';
import type { CheckpointLimits } from '../limits.js';
import type { Storage } from '../storage.js';
import { entriesOf, itemsOf } from './containers.js';
import { type Unpickled, unpickle } from './pickle/machine.js';
import type { PersistentId } from './pickle/values.js';
import { buildCheckpoint, type PytorchOptions } from './read.js';
import { parseStorageId, type StorageId } from './storage-id.js';

const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;

/** First size of the window in which a pickle is read; doubled until its end is found. */
const WINDOW_BYTES = 65_536;

/** Bytes of the element count before each storage, a little-endian int64. */
const COUNT_BYTES = 8;

/**
 * Reads a file that torch.save wrote before version 1.6. It begins with pickles: a magic number, a protocol, facts
 * about the system, the object and the list of storage keys. Then each key has a count and the raw elements.
 * @throws {CheckpointError}
 */
export async function readLegacyCheckpoint(source: ByteSource, options: PytorchOptions): Promise<Checkpoint> {
	const pickles = new PickleSequence(source, options.limits);
	const magic = await pickles.next();
	const protocol = await pickles.next();
	const system = await pickles.next();
	if (magic.value !== MAGIC || protocol.value !== PROTOCOL) {
		throw malformed(source, 'does not begin with the magic number and protocol 1001');
	}
	if (entriesOf(system.value)?.get('little_endian') !== true) {
		throw new CheckpointError(
			'unsupported',
			`${source.name} holds numbers in big-endian order: load and save it on another machine.`,
		);
	}
	const object = await pickles.next();
	const keys = itemsOf((await pickles.next()).value);
	if (!keys?.every((key) => typeof key === 'string')) {
		throw malformed(source, 'lacks the list of its storages');
	}
	const storages = placeStorages(source, { keys, start: pickles.at, external: object.external });
	const find = ({ key }: StorageId): Result<Storage> => storages.get(key) ?? failure(`its storage "${key}" is missing`);
	return buildCheckpoint(source, { format: 'pytorch-legacy', root: object.value, storages: { find } }, options);
}

/** Reads pickles that follow each other, each of unknown length. */
class PickleSequence {
	/** Offset of the next pickle in the file. */
	at = 0;
	readonly #source: ByteSource;
	readonly #limits: CheckpointLimits;
	/** Bytes of the file from `#start` on. */
	#window: Uint8Array = new Uint8Array(0);
	#start = 0;

	constructor(source: ByteSource, limits: CheckpointLimits) {
		this.#source = source;
		this.#limits = limits;
	}

	async next(): Promise<Unpickled> {
		const loaded = this.#start + this.#window.length - this.at;
		for (let size = loaded || WINDOW_BYTES; ; size = Math.max(WINDOW_BYTES, 2 * size)) {
			const complete = await this.#load(size);
			try {
				const context = { path: this.#source.name, limits: this.#limits };
				const unpickled = unpickle(this.#window, this.at - this.#start, context);
				this.at = this.#start + unpickled.end;
				return unpickled;
			} catch (error) {
				const ended = error instanceof CheckpointError && error.code === 'truncated';
				if (!ended || complete) {
					throw ended && this.#isBeyondLimit() ? this.#limit() : error;
				}
			}
		}
	}

	#isBeyondLimit(): boolean {
		return this.#source.size - this.at > this.#limits.pickleBytes;
	}

	#limit(): CheckpointError {
		const { pickleBytes } = this.#limits;
		return new CheckpointError(
			'limit',
			`${this.#source.name} has a pickle of more than ${pickleBytes} bytes (pickleBytes).`,
			this.at,
		);
	}

	/** Extends the window to `size` bytes. @returns true if it cannot grow further, at the end of the file or the limit */
	async #load(size: number): Promise<boolean> {
		const available = this.#source.size - this.at;
		const length = Math.min(size, available, this.#limits.pickleBytes);
		if (this.at + length > this.#start + this.#window.length) {
			this.#window = new Uint8Array(await this.#source.read(this.at, length));
			this.#start = this.at;
		}
		return length === available || length === this.#limits.pickleBytes;
	}
}

interface Placement {
	/** Keys in the order of the storages in the file. */
	readonly keys: readonly string[];
	/** Offset of the first storage in the file. */
	readonly start: number;
	readonly external: readonly PersistentId[];
}

/** Computes the offset of every storage from the sizes in the pickle, so that opening reads none of them. */
function placeStorages(source: ByteSource, { keys, start, external }: Placement): ReadonlyMap<string, Result<Storage>> {
	const ids = new Map<string, StorageId>();
	for (const reference of external) {
		const id = parseStorageId(reference);
		if (id.ok) {
			ids.set(id.value.key, id.value);
		}
	}
	const storages = new Map<string, Result<Storage>>();
	let at = start;
	for (const key of keys) {
		const id = ids.get(key);
		if (!id) {
			throw malformed(source, `lists the storage "${key}", which no tensor uses`);
		}
		const offset = at + COUNT_BYTES;
		at = offset + id.bytes;
		if (at > source.size) {
			throw truncated(source.name, source.size, `storage "${key}"`);
		}
		storages.set(key, success(countedStorage(source, offset, id)));
	}
	return storages;
}

/** Returns a storage that compares the count in front of it with the pickle's before the first read. */
function countedStorage(source: ByteSource, offset: number, { key, bytes, elementBytes }: StorageId): Storage {
	let checked: Promise<number> | undefined;
	const check = async (): Promise<number> => {
		const view = new DataView(new Uint8Array(await source.read(offset - COUNT_BYTES, COUNT_BYTES)).buffer);
		const count = Number(view.getBigInt64(0, true));
		if (count * elementBytes !== bytes) {
			throw new CheckpointError(
				'malformed',
				`Storage "${key}" of ${source.name} has ${count} elements where the pickle says ${bytes / elementBytes}: save the file again.`,
				offset - COUNT_BYTES,
			);
		}
		return offset;
	};
	const locate = (): Promise<number> => {
		checked ??= check();
		return checked;
	};
	return { bytes, locate, read: async (at, length) => source.read((await locate()) + at, length) };
}

function malformed({ name }: ByteSource, problem: string): CheckpointError {
	return new CheckpointError('malformed', `${name} ${problem}: save the file again with torch.save.`, 0);
}
