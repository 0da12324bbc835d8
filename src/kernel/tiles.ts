import type { FloatType } from '../core/numbers/float-formats.js';
import type { KernelMemory } from './memory.js';
import * as map from './memory-map.js';
import type { Matrix } from './spans.js';
import { type Block, type StagedTensor, Staging, type Widening } from './staging.js';

/** Neighboring units of a matrix that are processed together. */
export interface Tile {
	readonly from: number;
	readonly count: number;
}

type ForEachBlock = (work: (block: Block) => void) => void;

/** Walks tensors in tiles and runs the compiled kernels on them. */
export class Tiles {
	readonly #memory: KernelMemory;
	readonly #staging: Staging;

	constructor(memory: KernelMemory, widening: Widening) {
		this.#memory = memory;
		this.#staging = new Staging(memory, widening);
	}

	/**
	 * Calls `work` for each tile of the tensors, which all have the same matrix, with a function that walks the tile's
	 * rows. A tile's rows fit in the workspace unless the tensors are used in place or the tile is a single unit.
	 */
	forEach(
		{ rows, units, unitWidth }: Matrix,
		tensors: readonly StagedTensor[],
		dtype: FloatType,
		work: (tile: Tile, forEachBlock: ForEachBlock) => void,
	): void {
		const inPlace = this.#staging.reads(tensors, dtype);
		const size = inPlace ? map.TILE : Math.min(map.TILE, Math.max(1, Math.floor(map.STAGE / unitWidth)));
		for (let from = 0; from < units; from += size) {
			const count = Math.min(size, units - from);
			const part = { rows, rowLength: units * unitWidth, start: from * unitWidth, width: count * unitWidth };
			work({ from, count }, (each) => this.#staging.forEachBlock(tensors, dtype, part, each));
		}
	}

	/** Copies the tile's values of each array to the PARAMETER_… arrays, in the order of memory-map.ts. Arrays are by unit. */
	setParameters({ from, count }: Tile, arrays: readonly Float64Array[]): void {
		arrays.forEach((values, i) => {
			const address = map.PARAMETERS + i * (map.PARAMETER_SHIFT - map.PARAMETER_SCALE);
			this.#view(address, count).set(values.subarray(from, from + count));
		});
	}

	/** Returns a view of a RESULT_… array, by unit of the tile. Valid until the next tile. */
	result(address: number, { count }: Tile): Float64Array {
		return this.#view(address, count);
	}

	#view(address: number, count: number): Float64Array {
		return new Float64Array(this.#memory.memory.buffer, address, count);
	}
}
