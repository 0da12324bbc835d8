import { product } from '../../../core/numbers/arrays.js';
import { type FloatType, isFloatType } from '../../../core/numbers/float-formats.js';
import type { RuntimeValue } from './tensor.js';

/** What a tensor will take, known before it is there. */
export interface TensorSize {
	readonly type: string;
	readonly dims: readonly number[];
}

/** A declared size with symbols resolved; undefined where a dimension stays unknown. */
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

/** Whether the kernel has memory for tensors of this type that the runtime can write to. */
export function isKernelType(type: string): type is FloatType {
	return isFloatType(type) && type !== 'bfloat16';
}
