import { DIFFERS, LARGEST_X, MIN_Y, SCALE, SHIFT } from '../memory-map';
import { MAGNITUDE } from './lanes';

/**
 * Inner loop of verification. Processes a run: `length` elements in each of `planes` planes of a channel, `stride`
 * bytes apart (at most RUN elements in total), eight at a time. The last vectors of a plane may overlap earlier ones,
 * which changes no maximum. At least eight elements of the plane lie before its end.
 *
 *     4 x f32:  (x * scale + shift) xor y      bits in which y differs from the prediction in float32
 *               largest |x|, smallest |y|
 *
 * If y equals the prediction bit for bit, its error follows from two known roundings (records.ts) and is not computed.
 * differenceRun processes runs with other y. Non-negative float32 have the same order as the integers of their bits, with
 * NaN above infinity above all numbers. So maxima taken as integers cannot lose a NaN.
 *
 * The sums of x have their own loop (sums.ts), and each accumulator takes a single operation per round, on the combined
 * eight elements. With more operations or accumulators V8 keeps accumulators in memory, and that chain of loads and
 * stores then takes longer than the rest of the loop.
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
	// Start of the last one or two vectors, which end with the plane; negative if they are longer than the run.
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
