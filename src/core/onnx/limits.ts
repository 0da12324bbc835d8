/**
 * What a model may ask of the reader. Every bound is far above the largest real models that were looked at, and low
 * enough that a hostile file costs a refusal instead of the machine's memory.
 */
export interface Limits {
	/** Messages inside each other. protobuf's own default: no runtime opens a file that nests deeper. */
	readonly nesting: number;
	/** Nodes in all graphs and functions together, about 300 bytes each in memory. Unrolled language models have 100,000. */
	readonly nodes: number;
	/** Messages and list entries of any kind kept in memory: bounds what a flood of two-byte records can allocate. */
	readonly records: number;
	/** Bytes of one name. The longest seen are a few hundred: paths of nested modules. */
	readonly nameBytes: number;
	/**
	 * Bytes of one attribute or metadata value. Longer ones (compiled engines in a string, tree ensembles, label lists)
	 * are legal: they stay in the file, marked `omitted`.
	 */
	readonly valueBytes: number;
	/** Dimensions of a tensor. NumPy stops at 64, runtimes far earlier. */
	readonly rank: number;
	/** Bytes of one tensor read into memory: the largest that fits one protobuf message. */
	readonly tensorBytes: number;
}

export const DEFAULT_LIMITS: Limits = {
	nesting: 100,
	nodes: 1_000_000,
	records: 10_000_000,
	nameBytes: 65_536,
	valueBytes: 1_048_576,
	rank: 64,
	tensorBytes: 2 ** 31 - 1,
};
