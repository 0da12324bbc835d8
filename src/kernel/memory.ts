import { FLOAT_FORMATS, type FloatType } from '../core/numbers/float-formats.js';
import { COLUMNS, HEAP } from './memory-map.js';
import type { FloatData } from './types.js';

const PAGE = 65536;
const MAX_PAGES = 65536;
/** Bytes that kernels may read beyond the end of an array, because they read whole vectors and COLUMNS columns at once. */
const SLACK = 4 * COLUMNS;

/** WebAssembly memory with consecutively allocated arrays. All are freed at once. */
export class KernelMemory {
	/** `maximum` reserves addresses only, so that the memory grows in place. */
	readonly memory = new WebAssembly.Memory({ initial: pages(HEAP), maximum: MAX_PAGES });
	#top = HEAP;

	/** See Kernel.allocate. */
	allocate(dtype: FloatType, length: number): FloatData {
		const offset = this.#top;
		const end = offset + length * FLOAT_FORMATS[dtype].bytes;
		this.#growTo(end);
		this.#top = Math.ceil(end / 16) * 16;
		return this.view(dtype, offset, length);
	}

	/** See Kernel.reserve. */
	reserve(bytes: number): void {
		this.#growTo(this.#top + bytes);
	}

	reset(): void {
		this.#top = HEAP;
	}

	/** See Kernel.borrow. */
	borrow(bytes: number): Uint8Array {
		this.reset();
		this.reserve(bytes);
		return new Uint8Array(this.memory.buffer, this.#top, bytes);
	}

	/** True if `data` lies in the current memory. Growing detaches earlier arrays. */
	holds(data: FloatData): boolean {
		return data.buffer === this.memory.buffer;
	}

	view(dtype: FloatType, offset: number, length: number): FloatData {
		const { buffer } = this.memory;
		return dtype === 'float32'
			? new Float32Array(buffer, offset, length)
			: dtype === 'float64'
				? new Float64Array(buffer, offset, length)
				: new Uint16Array(buffer, offset, length);
	}

	#growTo(end: number): void {
		const missing = pages(end + SLACK) - this.memory.buffer.byteLength / PAGE;
		if (missing <= 0) {
			return;
		}
		try {
			this.memory.grow(missing);
		} catch {
			const megabytes = Math.ceil(end / 2 ** 20);
			throw new RangeError(
				`The kernels' memory cannot grow to ${megabytes} MiB: check the tensors in smaller batches.`,
			);
		}
	}
}

function pages(bytes: number): number {
	return Math.ceil(bytes / PAGE);
}
