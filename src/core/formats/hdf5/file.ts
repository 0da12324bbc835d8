import type { Result } from '../../result.js';
import type { CheckpointLimits } from '../limits.js';
import type { Storage } from '../storage.js';
import type { Inflate } from '../zip/archive.js';
import { type Attribute, readAttributes, textsOf } from './attributes.js';
import { type Dataset, openDataset } from './dataset.js';
import { GlobalHeap } from './global-heap.js';
import { isGroup, type Link, readLinks } from './groups.js';
import { type Hdf5Object, readObject } from './object-header.js';
import { StructureReader } from './structure.js';
import { readSuperblock } from './superblock.js';

export interface Hdf5Options {
	/** Name of the file in messages. */
	readonly path: string;
	readonly inflate: Inflate;
	readonly limits: CheckpointLimits;
}

/** A group or dataset that was looked up. */
export type Hdf5Node = { readonly kind: 'group' | 'dataset'; readonly object: Hdf5Object };

/** An HDF5 file. Structure and values are read on demand. */
export class Hdf5File {
	readonly #reader: StructureReader;
	readonly #heap: GlobalHeap;
	readonly #inflate: Inflate;
	readonly root: number;

	private constructor(reader: StructureReader, root: number, inflate: Inflate) {
		this.#reader = reader;
		this.#heap = new GlobalHeap(reader);
		this.#inflate = inflate;
		this.root = root;
	}

	/**
	 * Reads the superblock.
	 * @param storage the file, or an entry of an archive
	 * @throws {CheckpointError} `truncated`, `malformed` or `unsupported`
	 */
	static async open(storage: Storage, { path, inflate, limits }: Hdf5Options): Promise<Hdf5File> {
		const reader = new StructureReader(storage, path, limits);
		return new Hdf5File(reader, await readSuperblock(reader), inflate);
	}

	/** Reads the object header at an address. @throws {CheckpointError} */
	async node(address: number): Promise<Hdf5Node> {
		const object = await readObject(this.#reader, address);
		return { kind: isGroup(object) ? 'group' : 'dataset', object };
	}

	/** @throws {CheckpointError} */
	links(group: Hdf5Object): Promise<readonly Link[]> {
		return readLinks(this.#reader, group);
	}

	/** @throws {CheckpointError} */
	attributes(object: Hdf5Object): Promise<readonly Attribute[]> {
		return readAttributes(this.#reader, object);
	}

	/** Returns the texts of an attribute; none for numbers. @throws {CheckpointError} */
	texts(attribute: Attribute): Promise<readonly string[]> {
		return textsOf(attribute, this.#heap);
	}

	/** @returns the dataset, or a clause that follows "because" */
	dataset(object: Hdf5Object): Result<Dataset> {
		return openDataset(object, { reader: this.#reader, inflate: this.#inflate });
	}
}
