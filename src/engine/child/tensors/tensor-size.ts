import { product } from '../../../core/numbers/arrays.js';
import { type FloatType, isFloatType } from '../../../core/numbers/float-formats.js';
import type { RuntimeValue } from './tensor.js';

/** Type and shape of a tensor before it exists. */
export interface TensorSize {
	readonly type: string;
	readonly dims: readonly number[];
}

/** Resolves symbols of a declared size; undefined if unknown. */
export function resolveSize(
	{ type, shape }: RuntimeValue,
	symbols: ReadonlyMap<string, number>,
): TensorSize | undefined {
	const dims = shape?.map((dimension) => (typeof dimension === 'string' ? symbols.get(dimension) : dimension));
	return dims?.every((size) => size !== undefined && size >= 0) ? { type, dims: dims as number[] } : undefined;
}

const WIDE: Readonly<Record<string, number>> = { float64: 8, int64: 8, uint64: 8, float16: 2, bfloat16: 2 };

/** Bytes; for types that are not floating an upper bound. */
export function bytesOf({ type, dims }: TensorSize): number {
	return product(dims) * (WIDE[type] ?? 4);
}

/** True if the runtime can write this type into kernel memory. */
export function isKernelType(type: string): type is FloatType {
	return isFloatType(type) && type !== 'bfloat16';
}
