import type { Result } from '../../result.js';
import { CheckpointError } from '../errors.js';
import type { Dataset } from '../hdf5/dataset.js';
import type { Hdf5File } from '../hdf5/file.js';
import type { Hdf5Object } from '../hdf5/object-header.js';
import { compareNames } from '../layers/names.js';
import type { CheckpointLimits } from '../limits.js';
import type { UnreadableTensor } from '../tensor.js';

/** A dataset of the file with a variable of a layer. */
export interface StoredVariable {
	/** Last segment of its path. */
	readonly leaf: string;
	/** Address of its header: Keras writes layers in the order of execution, so addresses grow in that order. */
	readonly address: number;
	/** The dataset, or a clause that follows "because". */
	readonly dataset: Result<Dataset>;
}

export interface StoredGroup {
	/** Names from the root, joined by "/"; '' for the root. */
	readonly path: string;
	/** Attributes that hold texts, by name. */
	readonly texts: ReadonlyMap<string, readonly string[]>;
	/** Datasets directly inside, by name. */
	readonly variables: ReadonlyMap<string, StoredVariable>;
}

/** Groups and datasets of a file, except for optimizers. */
export interface Store {
	/** Groups by path, in name order. A group comes before its members. */
	readonly groups: ReadonlyMap<string, StoredGroup>;
	/** Links that lead out of the file or along a path. */
	readonly unreadable: readonly UnreadableTensor[];
}

/** Groups at the root that hold the state of an optimizer. */
const OPTIMIZERS = new Set(['optimizer', 'optimizer_weights']);

/** Attributes that are read. */
const ATTRIBUTES = /^(model_config|keras_version|backend|name|(layer|weight)_names\d*)$/;

interface Visit {
	readonly path: string;
	readonly address: number;
	readonly depth: number;
}

interface Context {
	/** Name of the file in messages. */
	readonly path: string;
	readonly limits: CheckpointLimits;
}

/** Reads all groups and the headers of all datasets. @throws {CheckpointError} */
export async function readStore(file: Hdf5File, { path, limits }: Context): Promise<Store> {
	const groups = new Map<string, StoredGroup>();
	const unreadable: UnreadableTensor[] = [];
	const seen = new Set([file.root]);
	const pending: Visit[] = [{ path: '', address: file.root, depth: 0 }];
	let objects = 0;
	for (let visit = pending.pop(); visit; visit = pending.pop()) {
		const { depth } = visit;
		if (depth > limits.treeDepth) {
			throw excess(path, `${limits.treeDepth} levels of groups (treeDepth)`);
		}
		// Read again, because the headers of all pending groups would take more memory than the tensors' own.
		const group = (await file.node(visit.address)).object;
		const variables = new Map<string, StoredVariable>();
		const inside: Visit[] = [];
		for (const { name, address } of await sortedLinks(file, group)) {
			const inner = visit.path === '' ? name : `${visit.path}/${name}`;
			if (address === undefined) {
				unreadable.push({ name: inner, reason: 'it is a link to another place' });
			} else if (!seen.has(address) && !(depth === 0 && OPTIMIZERS.has(name))) {
				seen.add(address);
				const { kind, object } = await file.node(address);
				if (kind === 'group') {
					inside.push({ path: inner, address, depth: depth + 1 });
				} else {
					variables.set(name, { leaf: name, address, dataset: file.dataset(object) });
				}
			}
			objects++;
			// A Keras 3 layer takes three groups and up to four datasets.
			if (objects > 4 * limits.tensors || inner.length > limits.nameBytes) {
				throw excess(
					path,
					`${4 * limits.tensors} objects (tensors), or a path of more than ${limits.nameBytes} characters`,
				);
			}
		}
		groups.set(visit.path, { path: visit.path, texts: await readTexts(file, group), variables });
		pending.push(...inside.reverse());
	}
	return { groups, unreadable };
}

function excess(path: string, limit: string): CheckpointError {
	return new CheckpointError('limit', `${path} has a tree of more than ${limit}.`);
}

async function sortedLinks(file: Hdf5File, group: Hdf5Object): ReturnType<Hdf5File['links']> {
	return (await file.links(group)).toSorted((a, b) => compareNames(a.name, b.name));
}

async function readTexts(file: Hdf5File, object: Hdf5Object): Promise<ReadonlyMap<string, readonly string[]>> {
	const texts = new Map<string, readonly string[]>();
	for (const attribute of await file.attributes(object)) {
		if (ATTRIBUTES.test(attribute.name)) {
			texts.set(attribute.name, await file.texts(attribute));
		}
	}
	return texts;
}

/** Returns the texts of an attribute that Keras splits into NAME0, NAME1, … when it is long. */
export function listOf({ texts }: StoredGroup, name: string): readonly string[] | undefined {
	const parts = [...texts.keys()]
		.filter((key) => key.startsWith(name) && /^\d*$/.test(key.slice(name.length)))
		.sort(compareNames);
	return parts.length > 0 ? parts.flatMap((key) => texts.get(key) ?? []) : undefined;
}
