import { decodeText } from '../../onnx/text.js';
import type { Cursor } from './cursor.js';
import type { StructureReader } from './structure.js';

const HEADER_BYTES = 16;

/** Maximum number of collections in memory. An attribute's texts lie in neighboring collections. */
const MAX_COLLECTIONS = 4;

/** Texts of variable length, in collections apart from their attributes. */
export class GlobalHeap {
	readonly #reader: StructureReader;
	readonly #collections = new Map<number, ReadonlyMap<number, Uint8Array>>();

	constructor(reader: StructureReader) {
		this.#reader = reader;
	}

	/** @throws {CheckpointError} if there is no such text */
	async text(address: number, index: number, length: number): Promise<string> {
		// Counts the bytes, because attributes may repeat a text without end.
		this.#reader.spend(length);
		const bytes = (await this.#collection(address)).get(index);
		if (!bytes || bytes.length < length) {
			throw this.#reader.malformed(`the text ${index} of the global heap at ${address} is missing`);
		}
		return decodeText(bytes, 0, length).replace(/\0+$/, '');
	}

	async #collection(address: number): Promise<ReadonlyMap<number, Uint8Array>> {
		const known = this.#collections.get(address);
		if (known) {
			return known;
		}
		const head = await this.#reader.read(address, HEADER_BYTES, 'a global heap');
		head.expect('GCOL');
		head.skip(4);
		const length = head.length();
		const limit = this.#reader.limits.configBytes;
		if (length > limit) {
			throw this.#reader.malformed(`a global heap has ${length} bytes, more than ${limit} (configBytes)`);
		}
		const objects = parseObjects(await this.#reader.read(address, length, 'a global heap'), head.at);
		const [oldest] = this.#collections.keys();
		if (oldest !== undefined && this.#collections.size >= MAX_COLLECTIONS) {
			this.#collections.delete(oldest);
		}
		this.#collections.set(address, objects);
		return objects;
	}
}

/** @param start offset of the first object in the collection */
function parseObjects(cursor: Cursor, start: number): ReadonlyMap<number, Uint8Array> {
	const objects = new Map<number, Uint8Array>();
	cursor.skip(start);
	while (cursor.remaining >= HEADER_BYTES) {
		const index = cursor.uint16();
		cursor.skip(6);
		const length = cursor.length();
		// Index 0 is the free space at the end.
		if (index === 0) {
			break;
		}
		objects.set(index, cursor.view(length));
		cursor.align();
	}
	return objects;
}
