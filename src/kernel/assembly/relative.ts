import { MAX_REL, MAX_ULP, SCALE, SHIFT } from '../memory-map';
import { promote } from './lanes';

// The tensor's own format; half types keep theirs when widened to float32. See formats.ts.
let fractionBits: i32 = 23;
let smallestNormal: f64 = 0;
let tiny: f64 = 0;

/** Errors up to |y| / reach cannot raise a maximum, see mayBeLargest. */
let reach: f32 = Infinity;

/** Before each layer. `normal` and `smallest`: the format's smallest normal and smallest positive number. */
export function startLayer(fraction: i32, normal: f64, smallest: f64): void {
	fractionBits = fraction;
	smallestNormal = normal;
	tiny = smallest;
	reach = Infinity;
	v128.store(MAX_REL, f64x2.splat(0));
	v128.store(MAX_ULP, f64x2.splat(0));
}

/**
 * Whether elements of at least `minY` = |y| and with errors of at most `error` can have a larger relative error, or one
 * in ulps, than those before: |ref| >= |y| - error, and an ulp is at least |ref| / 2^(fractionBits + 1).
 */
export function mayBeLargest(error: f32, minY: f32): bool {
	return minY < error * reach;
}

function largest(address: usize): f64 {
	return max(load<f64>(address), load<f64>(address, 8));
}

export function largestRel(): f64 {
	return largest(MAX_REL);
}

/** In units in the last place; kept relative to ref's power of two. */
export function largestUlp(): f64 {
	return largest(MAX_ULP) * <f64>((<u64>1) << fractionBits);
}

/**
 * Relative errors and errors in ulps, of elements as verifyRun takes them, two at a time. Few runs get here, and few of
 * their elements further, mayBeLargest keeps the others away: near zero relative errors are so large that the first ones
 * met hide all the rest.
 * @param error of the channel so far, at most
 */
export function relativeRun(
	x: usize,
	y: usize,
	octets: i32,
	planes: i32,
	stride: usize,
	record: usize,
	error: f32,
): void {
	const s = v128.load(record, SCALE);
	const t = v128.load(record, SHIFT);
	// Half an ulp of the format, in the bits of a float64: adding it carries to the next power of two where rounding would.
	const halfUlp = i64x2.splat((<i64>1) << (51 - fractionBits));
	const near = f32x4.splat(error * reach);
	let rel = v128.load(MAX_REL);
	let ulp = v128.load(MAX_ULP);
	for (let p = 0; p < planes; p++) {
		let at = x + <usize>p * stride;
		let to = y + <usize>p * stride;
		const stop = at + ((<usize>octets) << 5);
		for (; at < stop; at += 16, to += 16) {
			if (!v128.any_true(f32x4.lt(f32x4.abs(v128.load(to)), near))) {
				continue;
			}
			for (let half: usize = 0; half < 16; half += 8) {
				const ref = f64x2.add(f64x2.mul(promote(at + half), s), t);
				const size = f64x2.abs(ref);
				const absolute = f64x2.abs(f64x2.sub(ref, promote(to + half)));
				// Errors that are not finite are judged elsewhere (REDO_ALL).
				const error = v128.and(absolute, f64x2.lt(absolute, f64x2.splat(Infinity)));
				rel = f64x2.pmax(rel, f64x2.div(error, f64x2.pmax(size, f64x2.splat(tiny))));
				const power = v128.and(i64x2.add(size, halfUlp), i64x2.splat(0x7ff0000000000000));
				ulp = f64x2.pmax(ulp, f64x2.div(error, f64x2.pmax(power, f64x2.splat(smallestNormal))));
			}
		}
	}
	v128.store(MAX_REL, rel);
	v128.store(MAX_ULP, ulp);
	reach = <f32>(1.001 * (1.0 + max(1.0 / largest(MAX_REL), 2.0 / largest(MAX_ULP))));
}
