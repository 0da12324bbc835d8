/** Pickle of a PyTorch archive. */
export interface PickleEntry {
	/** Name of the entry, for example "archive/data.pkl". */
	readonly name: string;
	/** Folder of all entries, for example "archive/"; torch.save names it after the file. */
	readonly prefix: string;
	/** True for torch.jit.save. */
	readonly script: boolean;
}

/** Finds the pickle among the names of a zip archive's entries; undefined if PyTorch did not write it. */
export function findPickle(names: readonly string[]): PickleEntry | undefined {
	const name = names.find((candidate) => /^(?:[^/]+\/)?data\.pkl$/.test(candidate));
	if (name === undefined) {
		return undefined;
	}
	const prefix = name.slice(0, -'data.pkl'.length);
	const script = names.some((other) => other === `${prefix}constants.pkl` || other.startsWith(`${prefix}code/`));
	return { name, prefix, script };
}
