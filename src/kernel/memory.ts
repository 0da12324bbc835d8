import { FLOAT_FORMATS, type FloatType } from '../core/numbers/float-formats.js';
import { COLUMNS, HEAP } from './memory-map.js';
import type { FloatData } from './types.js';

const PAGE = 65536;
const MAX_PAGES = 65536;
/** Kernels read whole vectors, and COLUMNS columns at a time: up to this many bytes beyond the end of an array. */
const SLACK = 4 * COLUMNS;

/** WebAssembly memory, and the arrays handed out in it: one after another, taken back all at once. */
export class KernelMemory {
	/** `maximum` reserves addresses only: growing then happens in place. */
	readonly memory = new WebAssembly.Memory({ initial: pages(HEAP), maximum: MAX_PAGES });
	private top = HEAP;

	/** See Kernel.allocate. */
	allocate(type: FloatType, length: number): FloatData {
		const offset = this.top;
		const end = offset + length * FLOAT_FORMATS[type].bytes;
		this.growTo(end);
		this.top = Math.ceil(end / 16) * 16;
		return this.view(type, offset, length);
	}

	/** See Kernel.reserve. */
	reserve(bytes: number): void {
		this.growTo(this.top + bytes);
	}

	reset(): void {
		this.top = HEAP;
	}

	/** See Kernel.borrow. */
	borrow(bytes: number): Uint8Array {
		this.reset();
		this.reserve(bytes);
		return new Uint8Array(this.memory.buffer, this.top, bytes);
	}

	/** Whether `data` lies in this memory as it is now: arrays from before it grew are detached and empty. */
	holds(data: FloatData): boolean {
		return data.buffer === this.memory.buffer;
	}

	view(type: FloatType, offset: number, length: number): FloatData {
		const { buffer } = this.memory;
		return type === 'float32'
			? new Float32Array(buffer, offset, length)
			: type === 'float64'
				? new Float64Array(buffer, offset, length)
				: new Uint16Array(buffer, offset, length);
	}

	private growTo(end: number): void {
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
