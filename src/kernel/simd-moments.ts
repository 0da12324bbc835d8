import type { FloatType } from '../core/numbers/float-formats.js';
import type { Compiled } from './compiled.js';
import * as map from './memory-map.js';
import { addPart, emptyMoments, takeExactMoments } from './moments.js';
import type { Matrix } from './spans.js';
import type { Tile, Tiles } from './tiles.js';
import type { FloatData, Moments } from './types.js';

/** In how many runs a unit is summed up, at most: none takes less than a row of it, or RUN elements of one. */
export function mostRuns({ rows, unitWidth }: Matrix): number {
	return rows * Math.ceil(unitWidth / map.RUN);
}

/** Moments of each of the matrix's units. */
export function simdMoments(compiled: Compiled, tiles: Tiles, x: FloatData, type: FloatType, matrix: Matrix): Moments {
	const moments = emptyMoments(matrix.units);
	const doubtful = new Set<number>();
	tiles.forEach(matrix, [{ data: x, address: map.STAGE_X }], type, (tile, forEachBlock) => {
		if (matrix.unitWidth === 1) {
			forEachBlock(({ addresses: [address], stride, rows }) => {
				for (let r = 0; r < rows; r += map.COLUMN_ROWS) {
					const count = Math.min(map.COLUMN_ROWS, rows - r);
					compiled.columnMoments(address + r * stride, count, stride, tile.count);
					joinResults(moments, tiles, tile, count, doubtful);
				}
			});
			return;
		}
		compiled.startRecords(tile.count);
		forEachBlock(({ addresses: [address], stride, rows, width }) => {
			compiled.workPlanes(address, 0, rows, stride, width / tile.count, tile.count);
		});
		const count = matrix.rows * matrix.unitWidth;
		compiled.finishMoments(tile.count, count, mostRuns(matrix));
		joinResults(moments, tiles, tile, count, doubtful);
	});
	for (const unit of doubtful) {
		takeExactMoments(moments, unit, x, type, matrix);
	}
	return moments;
}

/** Joins what the kernels found about a tile's units, or remembers those that it says nothing certain about. */
function joinResults(moments: Moments, tiles: Tiles, tile: Tile, count: number, doubtful: Set<number>): void {
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
