// Small vector functions that the compiler inlines in several kernels.

/** Mask of all bits but the sign of four float32. A constant in the code would be built again in every round. */
export const MAGNITUDE = memory.data<i32>([0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff], 16);

const TAILS = memory.data<i32>([0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1], 16);

/** Mask of the elements among an octet's last `count`, for its vector at byte `half` (0 or 16). */
export function tailMask(count: i32, half: usize): v128 {
	return v128.load(TAILS + ((<usize>count) << 2) + half);
}

/** Byte offset in an octet of the vector that contains the first of the last `count` elements. */
export function firstHalf(count: i32): usize {
	return count > 4 ? 0 : 16;
}

/** Loads two float32 as two float64 with a single instruction. */
export function promote(p: usize): v128 {
	return f64x2.promote_low_f32x4(v128.load64_zero(p));
}

/** Lanes 0 and 1 of four float32 as two float64. */
export function promoteLow(v: v128): v128 {
	return f64x2.promote_low_f32x4(v);
}

/** Lanes 2 and 3 of four float32 as two float64. */
export function promoteHigh(v: v128): v128 {
	return f64x2.promote_low_f32x4(v128.shuffle<i64>(v, v, 1, 1));
}

export function sum(v: v128): f64 {
	return f64x2.extract_lane(v, 0) + f64x2.extract_lane(v, 1);
}

/** Largest of four lanes of non-negative float32 bits, see predict.ts. */
export function largest(v: v128): f32 {
	const pairs = i32x4.max_s(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
	return f32x4.extract_lane(i32x4.max_s(pairs, v128.shuffle<i32>(pairs, pairs, 1, 0, 3, 2)), 0);
}

export function smallest(v: v128): f32 {
	const pairs = i32x4.min_s(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
	return f32x4.extract_lane(i32x4.min_s(pairs, v128.shuffle<i32>(pairs, pairs, 1, 0, 3, 2)), 0);
}
