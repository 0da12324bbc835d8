/** Converts n bfloat16 patterns to float32; they are its upper half. Reads and writes up to 3 elements too many. */
export function widenBfloat16(from: usize, n: i32, to: usize): void {
	for (let i = 0; i < n; i += 4, from += 8, to += 16) {
		v128.store(to, i32x4.shl(v128.load16x4_u(from), 16));
	}
}

/**
 * Converts n float16 patterns to float32. With exponent and fraction moved to float32's bits, the value is 2^-112 of the
 * correct one, also for subnormals. Multiplying by 2^112 is exact. Infinities and NaN become 65536 or more, and then get
 * float32's largest exponent. Reads and writes up to 3 elements too many.
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
