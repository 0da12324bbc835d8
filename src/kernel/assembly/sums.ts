import { LARGEST_X, SUM_X, SUM_XX } from '../memory-map';
import { promote } from './lanes';

/** Sums of x and x^2, of elements as verifyRun takes them, for moments alone. Products of float32 are exact in float64. */
export function sumRun(x: usize, octets: i32, planes: i32, stride: usize, record: usize): void {
	let sumX = f64x2.splat(0);
	let sumXX = f64x2.splat(0);
	for (let p = 0; p < planes; p++) {
		let at = x + <usize>p * stride;
		const stop = at + ((<usize>octets) << 5);
		for (; at < stop; at += 16) {
			const x0 = promote(at);
			const x1 = promote(at + 8);
			sumX = f64x2.add(sumX, f64x2.add(x0, x1));
			sumXX = f64x2.add(sumXX, f64x2.add(f64x2.mul(x0, x0), f64x2.mul(x1, x1)));
		}
	}
	v128.store(record, f64x2.add(v128.load(record, SUM_X), sumX), SUM_X);
	v128.store(record, f64x2.add(v128.load(record, SUM_XX), sumXX), SUM_XX);
	// NaN or an infinity in x makes this NaN, which finishRecords looks for; otherwise it stays 0.
	const check = f32x4.abs(f32x4.demote_f64x2_zero(f64x2.mul(sumX, f64x2.splat(0))));
	v128.store(record, v128.or(v128.load(record, LARGEST_X), check), LARGEST_X);
}
