import { DIFFERS, LARGEST_X, MIN_Y, SCALE, SHIFT } from '../memory-map';
import { MAGNITUDE } from './lanes';

/**
 * The inner loop of verification: `length` elements in each of `planes` planes of one channel that lie `stride` bytes
 * apart (RUN elements in all, at most), eight at a time. The last four or eight of a plane may have been met in part before,
 * which changes no maximum: at least eight elements of it lie before the end.
 *
 *     4 x f32:  (x * scale + shift) xor y      any bit that differs from what float32 arithmetic makes of x
 *               largest |x|, smallest |y|
 *
 * A y that is the predicted one, bit for bit, is off by what is known of its two roundings (records.ts): no error needs to
 * be computed. Others are gone through by differenceRun. Non-negative float32 order like the integers of the same bits,
 * with NaN above infinity above all numbers: maxima taken as integers cannot lose a NaN.
 *
 * The sums of x have a loop of their own (sums.ts), and each accumulator takes one operation a turn, on what the eight
 * elements come to among themselves: with more of either V8 keeps accumulators in memory, whose chain of loads and
 * stores then takes longer than all the rest.
 */
export function predictRun(x: usize, y: usize, length: i32, planes: i32, stride: usize, record: usize): void {
	const s = v128.load(record, SCALE);
	const t = v128.load(record, SHIFT);
	const magnitude = v128.load(MAGNITUDE);
	let differs = v128.load(record, DIFFERS);
	let largestX = v128.load(record, LARGEST_X);
	let minY = v128.load(record, MIN_Y);
	const whole = (length & ~7) << 2;
	const end = length << 2;
	// One vector or two that end with the plane; below 0 where a run is shorter than they are.
	const tail = (length & 7) > 4 ? end - 32 : (length & 7) > 0 ? end - 16 : end;
	for (let p = 0; p < planes; p++, x += stride, y += stride) {
		for (let i = 0; i < whole; i += 32) {
			const low = v128.load(x + i);
			const high = v128.load(x + i, 16);
			const lowY = v128.load(y + i);
			const highY = v128.load(y + i, 16);
			const lowBits = v128.xor(f32x4.add(f32x4.mul(low, s), t), lowY);
			const highBits = v128.xor(f32x4.add(f32x4.mul(high, s), t), highY);
			differs = v128.or(differs, v128.or(lowBits, highBits));
			largestX = i32x4.max_s(largestX, i32x4.max_s(v128.and(low, magnitude), v128.and(high, magnitude)));
			minY = i32x4.min_s(minY, i32x4.min_s(v128.and(lowY, magnitude), v128.and(highY, magnitude)));
		}
		for (let i = tail; i < end; i += 16) {
			const four = v128.load(x + i);
			const fourY = v128.load(y + i);
			differs = v128.or(differs, v128.xor(f32x4.add(f32x4.mul(four, s), t), fourY));
			largestX = i32x4.max_s(largestX, v128.and(four, magnitude));
			minY = i32x4.min_s(minY, v128.and(fourY, magnitude));
		}
	}
	v128.store(record, differs, DIFFERS);
	v128.store(record, largestX, LARGEST_X);
	v128.store(record, minY, MIN_Y);
}
