import { addPart, emptyMoments, type Moments } from '../core/numbers/moments.js';
import type { Compiled } from './compiled.js';
import * as map from './memory-map.js';
import { takeExactMoments } from './moments.js';
import type { Matrix, MatrixTensor } from './spans.js';
import type { Tile, Tiles } from './tiles.js';

/** Upper limit on the runs that a unit is summed in. A run holds at least a row of the unit, or RUN elements of it. */
export function maxRuns({ rows, unitWidth }: Matrix): number {
	return rows * Math.ceil(unitWidth / map.RUN);
}

/** Returns the moments of each unit of the matrix. */
export function simdMoments(compiled: Compiled, tiles: Tiles, tensor: MatrixTensor): Moments {
	const { data, dtype, matrix } = tensor;
	const moments = emptyMoments(matrix.units);
	const doubtful = new Set<number>();
	const found = { moments, doubtful };
	tiles.forEach(matrix, [{ data, address: map.STAGE_X }], dtype, (tile, forEachBlock) => {
		if (matrix.unitWidth === 1) {
			forEachBlock(({ addresses: [address], stride, rows }) => {
				for (let r = 0; r < rows; r += map.COLUMN_ROWS) {
					const count = Math.min(map.COLUMN_ROWS, rows - r);
					compiled.columnMoments(address + r * stride, count, stride, tile.count);
					joinResults(found, tiles, tile, count);
				}
			});
			return;
		}
		compiled.startRecords(tile.count);
		forEachBlock(({ addresses: [address], stride, rows, width }) => {
			compiled.workPlanes(address, 0, rows, stride, width / tile.count, tile.count);
		});
		const count = matrix.rows * matrix.unitWidth;
		compiled.finishMoments(tile.count, count, maxRuns(matrix));
		joinResults(found, tiles, tile, count);
	});
	for (const unit of doubtful) {
		takeExactMoments(moments, unit, tensor);
	}
	return moments;
}

interface Found {
	/** By unit. */
	readonly moments: Moments;
	/** Units with uncertain results. */
	readonly doubtful: Set<number>;
}

/** Joins a tile's results (`count` values per unit) into `found`. */
function joinResults({ moments, doubtful }: Found, tiles: Tiles, tile: Tile, count: number): void {
	const mean = tiles.result(map.RESULT_MEAN, tile);
	const m2 = tiles.result(map.RESULT_M2, tile);
	const flags = tiles.result(map.RESULT_FLAGS, tile);
	for (let i = 0; i < tile.count; i++) {
		if (flags[i]) {
			doubtful.add(tile.from + i);
		} else {
			addPart(moments, tile.from + i, count, mean[i], m2[i]);
		}
	}
}
