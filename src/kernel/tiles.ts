import type { FloatType } from '../core/numbers/float-formats.js';
import type { KernelMemory } from './memory.js';
import * as map from './memory-map.js';
import type { Matrix } from './spans.js';
import { type Block, Stage, type StagedTensor, type Widening } from './stage.js';

/** Units of a matrix that are worked on together. */
export interface Tile {
	readonly from: number;
	readonly count: number;
}

type ForEachBlock = (work: (block: Block) => void) => void;

/** Walks tensors in tiles, and hands their parameters to the compiled kernels and the results back. */
export class Tiles {
	private readonly stage: Stage;

	constructor(
		private readonly memory: KernelMemory,
		widening: Widening,
	) {
		this.stage = new Stage(memory, widening);
	}

	/**
	 * Calls `work` for each tile of the tensors, all of the same `matrix`, with a function that walks the tile's rows. A
	 * tile's rows fit a stage unless the tensors are used in place or the tile is one unit.
	 */
	forEach(
		{ rows, units, unitWidth }: Matrix,
		tensors: readonly StagedTensor[],
		type: FloatType,
		work: (tile: Tile, forEachBlock: ForEachBlock) => void,
	): void {
		const inPlace = this.stage.reads(tensors, type);
		const size = inPlace ? map.TILE : Math.min(map.TILE, Math.max(1, Math.floor(map.STAGE / unitWidth)));
		for (let from = 0; from < units; from += size) {
			const count = Math.min(size, units - from);
			const part = { rows, rowLength: units * unitWidth, start: from * unitWidth, width: count * unitWidth };
			work({ from, count }, (each) => this.stage.forEachBlock(tensors, type, part, each));
		}
	}

	/** Where the tile starts in each of these arrays, the kernels find its parameters: in their order, see memory-map. */
	setParameters({ from, count }: Tile, arrays: readonly Float64Array[]): void {
		arrays.forEach((values, i) => {
			const address = map.PARAMETERS + i * (map.PARAMETER_SHIFT - map.PARAMETER_SCALE);
			this.view(address, count).set(values.subarray(from, from + count));
		});
	}

	/** One of the RESULT_… arrays, as it is until the next tile. */
	result(address: number, { count }: Tile): Float64Array {
		return this.view(address, count);
	}

	private view(address: number, count: number): Float64Array {
		return new Float64Array(this.memory.memory.buffer, address, count);
	}
}
