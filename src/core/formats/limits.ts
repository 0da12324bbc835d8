/**
 * Resources that a checkpoint may ask of its reader. Each limit is far above the largest known real files. It is low
 * enough that a hostile file costs an error instead of the machine's memory.
 */
export interface CheckpointLimits {
	/** Bytes of a safetensors header. The reference implementation's own limit. */
	readonly headerBytes: number;
	/** Tensors of a file, and entries of its metadata. Mixtures of experts have 100,000. */
	readonly tensors: number;
	/** Bytes of a name. Paths of nested modules reach a few hundred. */
	readonly nameBytes: number;
	/** Dimensions of a tensor. PyTorch stops at 64. */
	readonly rank: number;
	/** Bytes of a tensor in memory, and of the part of a storage that its strides span. */
	readonly tensorBytes: number;
	/** Entries of a zip archive. Each storage is an entry. */
	readonly zipEntries: number;
	/** Bytes of a zip's central directory: about 80 an entry. */
	readonly zipDirectoryBytes: number;
	/** Bytes of a pickle. A tensor takes about 150. */
	readonly pickleBytes: number;
	/** Bytes of a pickle that holds its arrays; all are read. */
	readonly plainPickleBytes: number;
	/** Opcodes of a pickle. A tensor takes about 40. */
	readonly pickleOperations: number;
	/** References to containers, objects and texts in a pickle, about 60 bytes each. A tensor takes about 15. */
	readonly pickleRecords: number;
	/** Entries of a pickle's memo. A tensor takes about 9. */
	readonly pickleMemo: number;
	/** Values on a pickle's stack. Python writes at most 1,000 items of a list at a time, PyTorch's C++ code all of them. */
	readonly pickleStack: number;
	/** Marks on a pickle's stack at once: containers inside containers. */
	readonly pickleMarks: number;
	/** Bytes of an integer. Python's own are unlimited; the largest in checkpoints are states of random generators. */
	readonly integerBytes: number;
	/** Depth of a tensor below the root. Module trees reach about 20. */
	readonly treeDepth: number;
	/** Bytes of a TorchScript source file, read for its epsilon. */
	readonly codeBytes: number;
	/** Bytes of an HDF5 file's structure: object headers, groups and attributes. A tensor takes about 2,000. */
	readonly structureBytes: number;
	/** Bytes of a Keras model's configuration. A layer takes about 1,000. */
	readonly configBytes: number;
	/** Values in a Keras model's configuration. A layer takes about 50. */
	readonly configValues: number;
}

export const DEFAULT_CHECKPOINT_LIMITS: CheckpointLimits = {
	headerBytes: 100_000_000,
	tensors: 200_000,
	nameBytes: 65_536,
	rank: 64,
	tensorBytes: 2 ** 31 - 1,
	zipEntries: 500_000,
	zipDirectoryBytes: 2 ** 26,
	pickleBytes: 2 ** 25,
	plainPickleBytes: 2 ** 28,
	pickleOperations: 10_000_000,
	pickleRecords: 4_000_000,
	pickleMemo: 2_000_000,
	pickleStack: 1_000_000,
	pickleMarks: 10_000,
	integerBytes: 64,
	treeDepth: 100,
	codeBytes: 2 ** 20,
	structureBytes: 2 ** 28,
	configBytes: 2 ** 24,
	configValues: 1_000_000,
};
