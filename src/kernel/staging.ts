import type { FloatType } from '../core/numbers/float-formats.js';
import type { KernelMemory } from './memory.js';
import { STAGE, STAGE_HALF } from './memory-map.js';
import type { FloatData } from './types.js';

/** Converts n bit patterns at `from` to float32 at `to` (addresses). */
export interface Widening {
	widenFloat16(from: number, n: number, to: number): void;
	widenBfloat16(from: number, n: number, to: number): void;
}

/** Rows of equal length in a tensor. Row r is the `width` elements from index `start` + r * `rowLength`. */
export interface Rows {
	readonly rows: number;
	readonly rowLength: number;
	readonly start: number;
	readonly width: number;
}

/** A tensor with the address of its workspace. Rows are read, or written as float32. */
export interface StagedTensor {
	readonly data: FloatData;
	readonly address: number;
	readonly output?: boolean;
}

/** Some rows as float32 in the kernels' memory, `stride` bytes apart. */
export interface Block {
	/** Address of the first row of each tensor. */
	readonly addresses: readonly number[];
	readonly stride: number;
	readonly rows: number;
	/** Elements per row: the full width, or a piece if the workspace is smaller. */
	readonly width: number;
}

/** Copies parts of tensors into the workspace, unless the kernels can use them in place. */
export class Staging {
	#floats = new Float32Array();
	#halves = new Uint16Array();
	readonly #memory: KernelMemory;
	readonly #widening: Widening;

	constructor(memory: KernelMemory, widening: Widening) {
		this.#memory = memory;
		this.#widening = widening;
	}

	/** True if the kernels can use these tensors in place. */
	reads(tensors: readonly StagedTensor[], dtype: FloatType): boolean {
		return dtype === 'float32' && tensors.every(({ data }) => this.#memory.holds(data));
	}

	/**
	 * Calls `work` with the rows of several tensors, in blocks. Float32 tensors that all lie in the kernels' memory form
	 * a single block. Otherwise a block has as many rows as fit in the workspace: inputs are copied (half types widened)
	 * to their `address` before the call, outputs are copied back after it.
	 */
	forEachBlock(tensors: readonly StagedTensor[], dtype: FloatType, rows: Rows, work: (block: Block) => void): void {
		const { rowLength, start, width } = rows;
		if (this.reads(tensors, dtype)) {
			const addresses = tensors.map(({ data }) => data.byteOffset + start * 4);
			work({ addresses, stride: rowLength * 4, rows: rows.rows, width });
			return;
		}
		const addresses = tensors.map(({ address }) => address);
		const piece = Math.min(width, STAGE);
		const step = Math.max(1, Math.floor(STAGE / width));
		for (let row = 0; row < rows.rows; row += step) {
			for (let offset = 0; offset < width; offset += piece) {
				const part = {
					rows: Math.min(step, rows.rows - row),
					rowLength,
					start: start + row * rowLength + offset,
					width: Math.min(piece, width - offset),
				};
				for (const { data, address } of tensors.filter(({ output }) => !output)) {
					this.#bring(data, dtype, part, address);
				}
				work({ addresses, stride: part.width * 4, rows: part.rows, width: part.width });
				for (const { data, address } of tensors.filter(({ output }) => output)) {
					this.#takeBack(data, part, address);
				}
			}
		}
	}

	#bring(data: FloatData, dtype: FloatType, { rows, rowLength, start, width }: Rows, address: number): void {
		// Rows without gaps between them are copied at once.
		const copies = rowLength === width ? 1 : rows;
		const length = (rows * width) / copies;
		for (let r = 0; r < copies; r++) {
			this.#copy(data, dtype, start + r * rowLength, length, address + r * width * 4);
		}
	}

	#copy(data: FloatData, dtype: FloatType, from: number, length: number, address: number): void {
		this.#refresh();
		const part = data.subarray(from, from + length);
		if (dtype === 'float32') {
			this.#floats.set(part, address / 4);
			return;
		}
		let source = part.byteOffset;
		if (!this.#memory.holds(data)) {
			this.#halves.set(part, STAGE_HALF / 2);
			source = STAGE_HALF;
		}
		if (dtype === 'float16') {
			this.#widening.widenFloat16(source, length, address);
		} else {
			this.#widening.widenBfloat16(source, length, address);
		}
	}

	#takeBack(out: FloatData, { rows, rowLength, start, width }: Rows, address: number): void {
		this.#refresh();
		for (let r = 0; r < rows; r++) {
			const from = address / 4 + r * width;
			out.set(this.#floats.subarray(from, from + width), start + r * rowLength);
		}
	}

	/** Renews the views of the memory, because growing it detaches them. */
	#refresh(): void {
		if (!this.#memory.holds(this.#floats)) {
			this.#floats = new Float32Array(this.#memory.memory.buffer);
			this.#halves = new Uint16Array(this.#memory.memory.buffer);
		}
	}
}
