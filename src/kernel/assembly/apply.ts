import { PARAMETER_CENTER, PARAMETER_SCALE, PARAMETER_SHIFT } from '../memory-map';

// Arithmetic limits these loops, not memory. Skipping the center saves two of eleven instructions.

function low(x: usize): v128 {
	return f64x2.promote_low_f32x4(v128.load64_zero(x));
}

function high(x: usize): v128 {
	return f64x2.promote_low_f32x4(v128.load64_zero(x, 8));
}

/** Returns scale * x + shift of four elements as float32; each operand holds two in float64. Rounds once. */
function four(x0: v128, x1: v128, s0: v128, s1: v128, t0: v128, t1: v128): v128 {
	const y0 = f64x2.add(f64x2.mul(s0, x0), t0);
	const y1 = f64x2.add(f64x2.mul(s1, x1), t1);
	return v128.shuffle<i64>(f32x4.demote_f64x2_zero(y0), f32x4.demote_f64x2_zero(y1), 0, 2);
}

function one(x: usize, out: usize, parameter: usize): void {
	const centered = <f64>load<f32>(x) - load<f64>(parameter, PARAMETER_CENTER);
	const y = load<f64>(parameter, PARAMETER_SCALE) * centered + load<f64>(parameter, PARAMETER_SHIFT);
	store<f32>(out, <f32>y);
}

/**
 * Computes scale * (x - center) + shift of `planes` consecutive planes of `planeSize` elements. Plane p uses parameters
 * p. `out` may be x.
 * @param isCentered false: every center is 0
 */
export function applyPlanes(x: usize, out: usize, planes: i32, planeSize: i32, isCentered: bool): void {
	for (let p = 0; p < planes; p++) {
		const parameter = (<usize>p) << 3;
		const s = v128.load64_splat(parameter, PARAMETER_SCALE);
		const c = v128.load64_splat(parameter, PARAMETER_CENTER);
		const t = v128.load64_splat(parameter, PARAMETER_SHIFT);
		const stop = x + ((<usize>(planeSize & ~3)) << 2);
		const end = x + ((<usize>planeSize) << 2);
		if (isCentered) {
			for (; x < stop; x += 16, out += 16) {
				v128.store(out, four(f64x2.sub(low(x), c), f64x2.sub(high(x), c), s, s, t, t));
			}
		} else {
			for (; x < stop; x += 16, out += 16) {
				v128.store(out, four(low(x), high(x), s, s, t, t));
			}
		}
		for (; x < end; x += 4, out += 4) {
			one(x, out, parameter);
		}
	}
}

/** Applies to rows of `columns` elements, `stride` bytes apart in x and in out. Every column has its own parameters. */
export function applyColumns(x: usize, out: usize, rows: i32, stride: usize, columns: i32): void {
	for (let r = 0; r < rows; r++) {
		const at = <usize>r * stride;
		let c = 0;
		for (; c < (columns & ~3); c += 4) {
			const from = x + at + ((<usize>c) << 2);
			const s = PARAMETER_SCALE + (c << 3);
			const m = PARAMETER_CENTER + (c << 3);
			const t = PARAMETER_SHIFT + (c << 3);
			const y = four(
				f64x2.sub(low(from), v128.load(m)),
				f64x2.sub(high(from), v128.load(m, 16)),
				v128.load(s),
				v128.load(s, 16),
				v128.load(t),
				v128.load(t, 16),
			);
			v128.store(out + at + ((<usize>c) << 2), y);
		}
		for (; c < columns; c++) {
			one(x + at + ((<usize>c) << 2), out + at + ((<usize>c) << 2), (<usize>c) << 3);
		}
	}
}
