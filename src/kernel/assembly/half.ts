/** n bfloat16 patterns as float32: the upper half of the bits. Reads and writes up to 3 elements too many. */
export function widenBfloat16(from: usize, n: i32, to: usize): void {
	for (let i = 0; i < n; i += 4, from += 8, to += 16) {
		v128.store(to, i32x4.shl(v128.load16x4_u(from), 16));
	}
}

/**
 * n float16 patterns as float32. With exponent and fraction in float32's places the value is 2^-112 of the right one,
 * subnormals included: multiplying by 2^112 is exact. Infinities and NaN come out as 65536 and more, and get float32's
 * largest exponent.
 */
export function widenFloat16(from: usize, n: i32, to: usize): void {
	const rescale = i32x4.splat(0x77800000);
	for (let i = 0; i < n; i += 4, from += 8, to += 16) {
		const bits = v128.load16x4_u(from);
		const sign = i32x4.shl(v128.and(bits, i32x4.splat(0x8000)), 16);
		const magnitude = v128.and(bits, i32x4.splat(0x7fff));
		const value = f32x4.mul(i32x4.shl(magnitude, 13), rescale);
		const special = v128.and(i32x4.gt_s(magnitude, i32x4.splat(0x7bff)), i32x4.splat(0x7f800000));
		v128.store(to, v128.or(v128.or(value, special), sign));
	}
}
