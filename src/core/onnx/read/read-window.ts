import type { ByteSource } from '../source.js';

/** The head of a file usually holds its node list: one read gets most of a small model. */
const FIRST = 32 * 1024;
/**
 * After a jump over tensor data only the header of the next field is wanted, a hundred bytes or so. Measured on
 * ResNet-50 (267 initializers): 1 kB here reads 0.3 MB of 102 MB, 64 kB reads 13 MB.
 */
const AFTER_JUMP = 1024;
/** Shorter gaps (doc strings, small tensors) are no jump: a read for each would cost more than the bytes between. */
const SMALL_GAP = 1024;
const LARGEST = 64 * 1024;

/** The part of a source that is in memory while its structure is scanned. Offsets are those of the source. */
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
	 * Makes at least `need` bytes from `offset` on available. Scanning on without a jump doubles the window, a jump makes
	 * it small again: structure is read in few large pieces, and next to nothing of the data between is.
	 */
	async load(offset: number, need: number): Promise<void> {
		if (this.bytes.length > 0) {
			this.#size = offset <= this.end + SMALL_GAP ? Math.min(this.#size * 2, LARGEST) : AFTER_JUMP;
		}
		const length = Math.min(Math.max(need, this.#size), this.#source.size - offset);
		const { buffer, byteOffset } = await this.#source.read(offset, length);
		// A plain array: taking a piece of Node's Buffer, which is one too, costs four times as much.
		this.bytes = new Uint8Array(buffer, byteOffset, length);
		this.start = offset;
		this.end = offset + length;
	}
}
