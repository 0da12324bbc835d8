import {
	BOUND_OFFSET,
	BOUND_SLOPE,
	LARGEST_X,
	MAX_ABS,
	MAX_RATIO,
	MIN_Y,
	SCALE,
	SHIFT,
	SUM_SQUARES,
	SUM_X,
	SUM_XX,
} from '../memory-map';
import { promote, promoteHigh } from './lanes';

/** All but the signs of four float32. A constant in the code would be put together anew in every round. */
const MAGNITUDE = memory.data<i32>([0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff], 16);

/** x * scale + shift - y of two elements, exact but for float64 rounding. */
function difference(x: v128, y: usize, s: v128, t: v128): v128 {
	return f64x2.sub(f64x2.add(f64x2.mul(x, s), t), promote(y));
}

/** Magnitudes of four differences, rounded to float32. */
function narrow(d0: v128, d1: v128, magnitude: v128): v128 {
	return v128.and(v128.shuffle<i64>(f32x4.demote_f64x2_zero(d0), f32x4.demote_f64x2_zero(d1), 0, 2), magnitude);
}

/** The bound's parameters are read anew each time: in registers, they would push accumulators out to memory. */
function overBound(error: v128, x: v128, record: usize): v128 {
	const bound = f32x4.add(f32x4.mul(x, v128.load(record, BOUND_SLOPE)), v128.load(record, BOUND_OFFSET));
	return f32x4.div(error, bound);
}

/**
 * The inner loop of verification: eight elements at a time, `octets` times in each of `planes` planes of one channel that
 * lie `stride` bytes apart (RUN elements in all, at most).
 *
 *     x (4 x f32) -> 2 x 2 f64 -> * scale + shift - y (2 x 2 f64) -> 4 x f32     and the same for the other four
 *
 * What only needs to be compared is compared in float32 lanes: twice as many of them, and 24 bits of an error are all
 * that a report needs. Non-negative float32 order like the integers of the same bits, with NaN above infinity above all
 * numbers: maxima taken as integers cannot lose a NaN. Sums of x and x^2 (exact products) stay in float64; that of the
 * squared errors is float32 within a run only.
 */
export function verifyRun(x: usize, y: usize, octets: i32, planes: i32, stride: usize, record: usize): void {
	const s = v128.load(record, SCALE);
	const t = v128.load(record, SHIFT);
	const magnitude = v128.load(MAGNITUDE);
	let maxAbs = v128.load(record, MAX_ABS);
	let maxRatio = v128.load(record, MAX_RATIO);
	let largestX = v128.load(record, LARGEST_X);
	let minY = magnitude;
	let squares = f32x4.splat(0);
	let sumX = f64x2.splat(0);
	let sumXX = f64x2.splat(0);
	for (let p = 0; p < planes; p++) {
		let at = x + <usize>p * stride;
		let to = y + <usize>p * stride;
		const stop = at + ((<usize>octets) << 5);
		for (; at < stop; at += 32, to += 32) {
			const x0 = promote(at);
			const x1 = promote(at + 8);
			const x2 = promote(at + 16);
			const x3 = promote(at + 24);
			const error0 = narrow(difference(x0, to, s, t), difference(x1, to + 8, s, t), magnitude);
			const error1 = narrow(difference(x2, to + 16, s, t), difference(x3, to + 24, s, t), magnitude);
			const abs0 = v128.and(v128.load(at), magnitude);
			const abs1 = v128.and(v128.load(at, 16), magnitude);
			maxAbs = i32x4.max_s(i32x4.max_s(maxAbs, error0), error1);
			largestX = i32x4.max_s(i32x4.max_s(largestX, abs0), abs1);
			maxRatio = i32x4.max_s(i32x4.max_s(maxRatio, overBound(error0, abs0, record)), overBound(error1, abs1, record));
			minY = i32x4.min_s(minY, v128.and(v128.load(to), magnitude));
			minY = i32x4.min_s(minY, v128.and(v128.load(to, 16), magnitude));
			squares = f32x4.add(f32x4.add(squares, f32x4.mul(error0, error0)), f32x4.mul(error1, error1));
			sumX = f64x2.add(f64x2.add(sumX, f64x2.add(x0, x1)), f64x2.add(x2, x3));
			sumXX = f64x2.add(sumXX, f64x2.add(f64x2.mul(x0, x0), f64x2.mul(x1, x1)));
			sumXX = f64x2.add(sumXX, f64x2.add(f64x2.mul(x2, x2), f64x2.mul(x3, x3)));
		}
	}
	v128.store(record, maxAbs, MAX_ABS);
	v128.store(record, maxRatio, MAX_RATIO);
	v128.store(record, largestX, LARGEST_X);
	v128.store(MIN_Y, minY);
	const squares64 = f64x2.add(f64x2.promote_low_f32x4(squares), promoteHigh(squares));
	v128.store(record, f64x2.add(v128.load(record, SUM_SQUARES), squares64), SUM_SQUARES);
	v128.store(record, f64x2.add(v128.load(record, SUM_X), sumX), SUM_X);
	v128.store(record, f64x2.add(v128.load(record, SUM_XX), sumXX), SUM_XX);
}
