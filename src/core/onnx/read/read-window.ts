import type { ByteSource } from '../source.js';

/**
 * Size of the first read, in bytes. The head of a file usually holds its node list, so this read covers most of a small
 * model.
 */
const FIRST = 32 * 1024;
/**
 * Size of a read behind skipped tensor data, in bytes: the header of the next field has about a hundred. Measured on
 * ResNet-50 (267 initializers): 1 kB here reads 0.3 MB of 102 MB, 64 kB reads 13 MB.
 */
const AFTER_JUMP = 1024;
/**
 * Maximum gap that is read instead of skipped, in bytes. A separate read behind every doc string or small tensor would
 * cost more.
 */
const SMALL_GAP = 1024;
const LARGEST = 64 * 1024;

/** Part of a source in memory while its structure is scanned. Offsets are relative to the source. */
export class ReadWindow {
	/** Bytes `start` to `end` of the source; replaced by {@link load}. */
	bytes: Uint8Array = new Uint8Array(0);
	start = 0;
	end = 0;
	#size = FIRST;
	readonly #source: ByteSource;

	constructor(source: ByteSource) {
		this.#source = source;
	}

	/**
	 * Makes at least `need` bytes from `offset` on available. Sequential scanning doubles the window, and a jump makes it
	 * small again. Structure is then read in a few large pieces, and tensor data almost not at all.
	 */
	async load(offset: number, need: number): Promise<void> {
		if (this.bytes.length > 0) {
			this.#size = offset <= this.end + SMALL_GAP ? Math.min(this.#size * 2, LARGEST) : AFTER_JUMP;
		}
		const length = Math.min(Math.max(need, this.#size), this.#source.size - offset);
		const { buffer, byteOffset } = await this.#source.read(offset, length);
		// Copies into a plain array: slicing Node's Buffer is four times slower.
		this.bytes = new Uint8Array(buffer, byteOffset, length);
		this.start = offset;
		this.end = offset + length;
	}
}
