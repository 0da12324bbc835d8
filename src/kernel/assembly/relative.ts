import { MAX_REL, MAX_ULP, PARAMETER_SCALE, PARAMETER_SHIFT, RECORD_BYTES, RECORDS } from '../memory-map';
import { promote } from './lanes';

// Format of the tensor; half types keep theirs when widened to float32. See core/numbers/float-formats.ts.
let fractionBits: i32 = 23;
let smallestNormal: f64 = 0;
let tiny: f64 = 0;

/** 1 / m. Errors of at most m |ref| can raise neither maximum, because |ref| is less than twice its power of two. */
let inverse: f64 = Infinity;

/** Starts a layer. `normal` and `smallest`: the format's smallest normal and smallest positive number. */
export function startLayer(fraction: i32, normal: f64, smallest: f64): void {
	fractionBits = fraction;
	smallestNormal = normal;
	tiny = smallest;
	inverse = Infinity;
	v128.store(MAX_REL, f64x2.splat(0));
	v128.store(MAX_ULP, f64x2.splat(0));
}

/** Errors up to |y| / reach cannot raise a maximum, because they are at most m |ref|, and |ref| is at least |y| - error. */
function reach(): f64 {
	return 1.001 * (1 + inverse);
}

/** True if errors up to `errors` of elements with |y| >= `minY`, lane by lane, may raise a maximum. */
export function mayBeLargest(errors: v128, minY: v128): bool {
	return v128.any_true(f32x4.lt(minY, f32x4.mul(errors, f32x4.splat(<f32>reach()))));
}

/**
 * Returns the smallest |y| from which on no element raises a maximum. An element's error is at most slope |x| + offset,
 * where `offset` holds all terms that do not grow with x. Near zero |x| is at most (|ref| + |shift|) / |scale|, mostly far
 * below the largest |x|. So the error is at most e + f |ref|, which is below m |ref| from |ref| = e / (m - f) on.
 * @param error upper limit of every element's error
 */
export function nearZero(slope: f64, offset: f64, scale: f64, shift: f64, error: f32): f32 {
	const f = slope / scale;
	const e = f * shift + offset;
	const share = 1 - f * inverse;
	const near = share > 0 ? 1.001 * e * (1 + inverse / share) : Infinity;
	const far = <f64>error * reach();
	// A scale of 0 makes `near` NaN; the comparison then selects `far`.
	return <f32>(near < far ? near : far);
}

function largest(address: usize): f64 {
	return max(load<f64>(address), load<f64>(address, 8));
}

export function largestRel(): f64 {
	return largest(MAX_REL);
}

/** Largest error in ulps. MAX_ULP holds it relative to ref's power of two. */
export function largestUlp(): f64 {
	return largest(MAX_ULP) * <f64>((<u64>1) << fractionBits);
}

/**
 * Updates the largest relative error and error in ulps with a run (see predictRun), two elements at a time, for |y|
 * below `near`. Runs seldom get here. The first relative errors near zero are so large that hardly any later element
 * passes the test below.
 */
export function relativeRun(
	x: usize,
	y: usize,
	length: i32,
	planes: i32,
	stride: usize,
	record: usize,
	near: f32,
): void {
	const parameter = ((record - RECORDS) / RECORD_BYTES) << 3;
	const s = v128.load64_splat(parameter, PARAMETER_SCALE);
	const t = v128.load64_splat(parameter, PARAMETER_SHIFT);
	// Half an ulp of the format, in the bits of a float64. Adding it carries to the next power of two as rounding does.
	const halfUlp = i64x2.splat((<i64>1) << (51 - fractionBits));
	const nearest = f32x4.splat(near);
	let rel = v128.load(MAX_REL);
	let ulp = v128.load(MAX_ULP);
	const bytes = length << 2;
	for (let p = 0; p < planes; p++, x += stride, y += stride) {
		for (let i = 0; i < bytes; i += 16) {
			const at = x + min(i, bytes - 16);
			const to = y + min(i, bytes - 16);
			if (!v128.any_true(f32x4.lt(f32x4.abs(v128.load(to)), nearest))) {
				continue;
			}
			for (let half: usize = 0; half < 16; half += 8) {
				const ref = f64x2.add(f64x2.mul(promote(at + half), s), t);
				const size = f64x2.abs(ref);
				const absolute = f64x2.abs(f64x2.sub(ref, promote(to + half)));
				// Non-finite errors are judged in float64 (REDO_ALL).
				const error = v128.and(absolute, f64x2.lt(absolute, f64x2.splat(Infinity)));
				rel = f64x2.pmax(rel, f64x2.div(error, f64x2.pmax(size, f64x2.splat(tiny))));
				const power = v128.and(i64x2.add(size, halfUlp), i64x2.splat(0x7ff0000000000000));
				ulp = f64x2.pmax(ulp, f64x2.div(error, f64x2.pmax(power, f64x2.splat(smallestNormal))));
			}
		}
	}
	v128.store(MAX_REL, rel);
	v128.store(MAX_ULP, ulp);
	inverse = max(1.0 / largest(MAX_REL), 2.0 / largest(MAX_ULP));
}
