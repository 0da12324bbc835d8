import { LARGEST_DIFFERENCE, LARGEST_EXCESS, MAGNITUDE_SLOPE, SCALE, SHIFT } from '../memory-map';
import { MAGNITUDE } from './lanes';

/**
 * Updates the largest difference between y and the prediction in float32 over a run (see predictRun), and the largest
 * excess over `slope * |x|`. That product is the rest of the bound for the difference at this x (records.ts). A
 * difference is exact where it matters, that is for two float32 within a factor of two of each other (Sterbenz).
 */
export function differenceRun(x: usize, y: usize, length: i32, planes: i32, stride: usize, record: usize): void {
	const s = v128.load(record, SCALE);
	const t = v128.load(record, SHIFT);
	const slope = v128.load(record, MAGNITUDE_SLOPE);
	const magnitude = v128.load(MAGNITUDE);
	let difference = v128.load(record, LARGEST_DIFFERENCE);
	let excess = v128.load(record, LARGEST_EXCESS);
	const bytes = length << 2;
	for (let p = 0; p < planes; p++, x += stride, y += stride) {
		for (let i = 0; i < bytes; i += 32) {
			const at = x + min(i, bytes - 32);
			const to = y + min(i, bytes - 32);
			const low = v128.load(at);
			const high = v128.load(at, 16);
			const d0 = v128.and(f32x4.sub(f32x4.add(f32x4.mul(low, s), t), v128.load(to)), magnitude);
			const d1 = v128.and(f32x4.sub(f32x4.add(f32x4.mul(high, s), t), v128.load(to, 16)), magnitude);
			difference = i32x4.max_s(difference, i32x4.max_s(d0, d1));
			const excess0 = f32x4.sub(d0, f32x4.mul(v128.and(low, magnitude), slope));
			const excess1 = f32x4.sub(d1, f32x4.mul(v128.and(high, magnitude), slope));
			excess = f32x4.pmax(excess, f32x4.pmax(excess0, excess1));
		}
	}
	v128.store(record, difference, LARGEST_DIFFERENCE);
	v128.store(record, excess, LARGEST_EXCESS);
}
