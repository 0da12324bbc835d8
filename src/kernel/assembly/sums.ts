import { SUM_X, SUM_XX } from '../memory-map';
import { firstHalf, promote, promoteHigh, promoteLow, tailMask } from './lanes';

/** Adds x and x^2 of a run (see predictRun) to a record. Products of two float32 are exact in float64. */
export function sumRun(x: usize, length: i32, planes: i32, stride: usize, record: usize): void {
	let sumX = f64x2.splat(0);
	let sumXX = f64x2.splat(0);
	const octets = (<usize>(length & ~7)) << 2;
	for (let p = 0; p < planes; p++) {
		let at = x + <usize>p * stride;
		const stop = at + octets;
		for (; at < stop; at += 32) {
			const x0 = promote(at);
			const x1 = promote(at + 8);
			const x2 = promote(at + 16);
			const x3 = promote(at + 24);
			sumX = f64x2.add(sumX, f64x2.add(f64x2.add(x0, x1), f64x2.add(x2, x3)));
			const low = f64x2.add(f64x2.mul(x0, x0), f64x2.mul(x1, x1));
			const high = f64x2.add(f64x2.mul(x2, x2), f64x2.mul(x3, x3));
			sumXX = f64x2.add(sumXX, f64x2.add(low, high));
		}
	}
	addSums(record, sumX, sumXX);
	if ((length & 7) > 0) {
		sumTails(x + ((<usize>length) << 2) - 32, length & 7, planes, stride, record);
	}
}

/** Sums the last `count` (1 to 7) elements of each plane. x: address of the last eight elements of the first plane. */
function sumTails(x: usize, count: i32, planes: i32, stride: usize, record: usize): void {
	let sumX = f64x2.splat(0);
	let sumXX = f64x2.splat(0);
	for (let half = firstHalf(count); half < 32; half += 16) {
		const mask = tailMask(count, half);
		for (let p = 0; p < planes; p++) {
			const four = v128.and(v128.load(x + <usize>p * stride + half), mask);
			const x0 = promoteLow(four);
			const x1 = promoteHigh(four);
			sumX = f64x2.add(sumX, f64x2.add(x0, x1));
			sumXX = f64x2.add(sumXX, f64x2.add(f64x2.mul(x0, x0), f64x2.mul(x1, x1)));
		}
	}
	addSums(record, sumX, sumXX);
}

/** Adds a run's sums to the record's. Short chains of additions round less. */
function addSums(record: usize, sumX: v128, sumXX: v128): void {
	v128.store(record, f64x2.add(v128.load(record, SUM_X), sumX), SUM_X);
	v128.store(record, f64x2.add(v128.load(record, SUM_XX), sumXX), SUM_XX);
}
