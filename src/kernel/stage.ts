import type { FloatType } from '../core/numbers/float-formats.js';
import type { KernelMemory } from './memory.js';
import { STAGE, STAGE_HALF } from './memory-map.js';
import type { FloatData } from './types.js';

/** n patterns at `from` as float32 at `to`. */
export interface Widening {
	widenFloat16(from: number, n: number, to: number): void;
	widenBfloat16(from: number, n: number, to: number): void;
}

/** Rows of equal length in a tensor: row r is the `width` elements from `start` + r * `rowLength`. */
export interface Rows {
	readonly rows: number;
	readonly rowLength: number;
	readonly start: number;
	readonly width: number;
}

/** A tensor that rows are read from, or written to (float32), and where they are staged. */
export interface StagedTensor {
	readonly data: FloatData;
	readonly address: number;
	readonly output?: boolean;
}

/** Some of the rows, as float32 in the kernels' memory: the first at `address`, the next `stride` bytes on. */
export interface Block {
	/** Address of each tensor that was asked for. */
	readonly addresses: readonly number[];
	readonly stride: number;
	readonly rows: number;
	/** Elements of each row: the rows' width, or a piece of one row that is longer than a stage. */
	readonly width: number;
}

/** Brings tensors, or parts of them, to where the kernels can read them. */
export class Stage {
	private floats = new Float32Array();
	private halves = new Uint16Array();

	constructor(
		private readonly memory: KernelMemory,
		private readonly widening: Widening,
	) {}

	/** Whether the kernels can work on these tensors where they are. */
	reads(tensors: readonly StagedTensor[], type: FloatType): boolean {
		return type === 'float32' && tensors.every(({ data }) => this.memory.holds(data));
	}

	/**
	 * Calls `work` with the rows of several tensors, block by block: where all of them lie in the kernels' memory as
	 * float32, with all rows at once; otherwise with as many as fit, inputs copied to their `address` (and half types
	 * widened) before, outputs copied from there after.
	 */
	forEachBlock(tensors: readonly StagedTensor[], type: FloatType, rows: Rows, work: (block: Block) => void): void {
		const { rowLength, start, width } = rows;
		if (this.reads(tensors, type)) {
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
					this.bring(data, type, part, address);
				}
				work({ addresses, stride: part.width * 4, rows: part.rows, width: part.width });
				for (const { data, address } of tensors.filter(({ output }) => output)) {
					this.takeBack(data, part, address);
				}
			}
		}
	}

	private bring(data: FloatData, type: FloatType, { rows, rowLength, start, width }: Rows, address: number): void {
		// Rows without gaps between them are one.
		const copies = rowLength === width ? 1 : rows;
		const length = (rows * width) / copies;
		for (let r = 0; r < copies; r++) {
			this.copy(data, type, start + r * rowLength, length, address + r * width * 4);
		}
	}

	private copy(data: FloatData, type: FloatType, from: number, length: number, address: number): void {
		this.refresh();
		const part = data.subarray(from, from + length);
		if (type === 'float32') {
			this.floats.set(part, address / 4);
			return;
		}
		let source = part.byteOffset;
		if (!this.memory.holds(data)) {
			this.halves.set(part, STAGE_HALF / 2);
			source = STAGE_HALF;
		}
		if (type === 'float16') {
			this.widening.widenFloat16(source, length, address);
		} else {
			this.widening.widenBfloat16(source, length, address);
		}
	}

	private takeBack(out: FloatData, { rows, rowLength, start, width }: Rows, address: number): void {
		this.refresh();
		for (let r = 0; r < rows; r++) {
			const from = address / 4 + r * width;
			out.set(this.floats.subarray(from, from + width), start + r * rowLength);
		}
	}

	/** Views of the memory as it is now: growing it detaches the old ones. */
	private refresh(): void {
		if (!this.memory.holds(this.floats)) {
			this.floats = new Float32Array(this.memory.memory.buffer);
			this.halves = new Uint16Array(this.memory.memory.buffer);
		}
	}
}
