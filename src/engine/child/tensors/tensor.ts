/** Type of a sequence, a map or an optional value. */
export const NO_TENSOR = 'not a tensor';

/** An input or output of a model. */
export interface RuntimeValue {
	readonly name: string;
	readonly type: string;
	/**
	 * Declared shape; undefined if the value is no tensor. Strings are symbolic dimensions; negative numbers and '' are
	 * unknown ones.
	 */
	readonly shape: readonly (number | string)[] | undefined;
}

export type TensorData =
	| Float32Array
	| Float64Array
	| Int8Array
	| Uint8Array
	| Int16Array
	| Uint16Array
	| Int32Array
	| Uint32Array
	| BigInt64Array
	| BigUint64Array;

export interface RuntimeTensor {
	/** Element type in the runtime's words: float32, float64, float16, int64, bool … */
	readonly type: string;
	readonly dims: readonly number[];
	/** Row-major, product of `dims` elements. float16 and bfloat16 as bit patterns. */
	readonly data: TensorData;
}

/** Tensors by name. */
export type Tensors = ReadonlyMap<string, RuntimeTensor>;
