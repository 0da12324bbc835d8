/**
 * Resources that a model may demand from the reader. Every bound is far above the largest real models seen, and low
 * enough that a hostile file costs a refusal instead of the machine's memory.
 */
export interface Limits {
	/** Messages inside each other. protobuf's own default: no runtime opens a file that nests deeper. */
	readonly nesting: number;
	/** Nodes in all graphs and functions together, about 300 bytes each in memory. Unrolled language models have 100,000. */
	readonly nodes: number;
	/**
	 * Maximum number of messages and list entries kept in memory, which bounds the allocations of a flood of two-byte
	 * records.
	 */
	readonly records: number;
	/** Maximum length of a name, in bytes. The longest seen, paths of nested modules, have a few hundred. */
	readonly nameBytes: number;
	/**
	 * Maximum length of an attribute or metadata value, in bytes. Longer values (compiled engines in a string, tree
	 * ensembles, label lists) are legal: they stay in the file, marked `omitted`.
	 */
	readonly valueBytes: number;
	/** Dimensions of a tensor. NumPy stops at 64, runtimes far earlier. */
	readonly rank: number;
	/** Maximum size of a tensor read into memory, in bytes: the largest that fits a protobuf message. */
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
