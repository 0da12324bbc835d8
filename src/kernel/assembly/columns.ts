import { REDO_ALL, RESULT_FLAGS, RESULT_M2, RESULT_MEAN } from '../memory-map';
import { promoteHigh } from './lanes';

/**
 * Computes mean and M2 of each of `columns` columns (at most TILE) of `rows` rows (1 to COLUMN_ROWS), four columns at a
 * time, a column per lane:
 *
 *     row 0   x0 x1 x2 x3       the shifts K
 *     row r   y0 y1 y2 y3       z = y - K, sum += z, squares += z * z, as 2 x 2 float64
 *
 * Shifting by the column's first value keeps the squared numbers small. With u = 2^-53 and n rows, the error of M2 =
 * squares - sum^2 / n is at most 2 n u squares. squares = M2 + n (mean - K)^2 <= (1 + n) M2, because K is among the
 * values. So the relative error is at most 2 n (n + 1) u, below 2^-37 for 128 rows.
 */
export function columnMoments(x: usize, rows: i32, stride: usize, columns: i32): void {
	const count = f64x2.splat(<f64>rows);
	for (let c = 0; c < columns; c += 4, x += 16) {
		const shift = v128.load(x);
		const k0 = f64x2.promote_low_f32x4(shift);
		const k1 = promoteHigh(shift);
		let sum0 = f64x2.splat(0);
		let sum1 = f64x2.splat(0);
		let squares0 = f64x2.splat(0);
		let squares1 = f64x2.splat(0);
		let at = x;
		for (let r = 0; r < rows; r++, at += stride) {
			const z0 = f64x2.sub(f64x2.promote_low_f32x4(v128.load64_zero(at)), k0);
			const z1 = f64x2.sub(f64x2.promote_low_f32x4(v128.load64_zero(at, 8)), k1);
			sum0 = f64x2.add(sum0, z0);
			sum1 = f64x2.add(sum1, z1);
			squares0 = f64x2.add(squares0, f64x2.mul(z0, z0));
			squares1 = f64x2.add(squares1, f64x2.mul(z1, z1));
		}
		finish((<usize>c) << 3, k0, sum0, squares0, count);
		finish(((<usize>c) << 3) + 16, k1, sum1, squares1, count);
	}
}

/** Writes up to three columns too many, into the gaps between the RESULT_… arrays. */
function finish(at: usize, shift: v128, sum: v128, squares: v128, count: v128): void {
	const mean = f64x2.div(sum, count);
	v128.store(at, f64x2.add(shift, mean), RESULT_MEAN);
	v128.store(at, f64x2.sub(squares, f64x2.mul(sum, mean)), RESULT_M2);
	const finite = f64x2.lt(squares, f64x2.splat(Infinity));
	v128.store(at, v128.andnot(f64x2.splat(<f64>REDO_ALL), finite), RESULT_FLAGS);
}
