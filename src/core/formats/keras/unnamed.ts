import { compareNames } from '../layers/names.js';
import { classOfStoredName, toSnakeCase } from './classes.js';
import type { ConfigNode } from './config.js';
import { joinPath, type NamedModules, type StoredModule, splitPath } from './modules.js';
import type { Store, StoredGroup } from './store.js';
import { nameVariables } from './variables.js';

/** Group of a layer's own variables, which are numbered. */
const VARIABLES = 'vars';

/** Groups of layers inside of a model: of Keras 3, and of the last versions of Keras 2. */
const CONTAINERS = ['layers', '_layer_checkpoint_dependencies'];

/** Names of the groups that hold the wrapped layer of a wrapper such as TimeDistributed. */
const WRAPPED = ['layer', 'forward_layer'];

/** Segments of a path that name no layer. */
const SILENT = new Set([...CONTAINERS, ...WRAPPED, 'container']);

/** A group of numbered variables with its owner's path. */
interface Owner {
	readonly path: string;
	readonly group: StoredGroup;
}

/** Returns true if the file numbers its variables instead of naming them: .keras and .weights.h5 of Keras 3. */
export function hasUnnamedVariables(store: Store): boolean {
	return ownersOf(store).some(({ group }) => group.variables.size > 0);
}

function ownersOf(store: Store): readonly Owner[] {
	return [...store.groups.values()].flatMap((group) => {
		const { parent, leaf } = splitPath(group.path);
		return leaf === VARIABLES ? [{ path: parent, group }] : [];
	});
}

/**
 * Names the layers and variables of a file of Keras 3.
 * @param config the outermost model; undefined for a file of weights
 * @throws {CheckpointError} from reading values, which tell variables apart where no configuration does
 */
export async function nameUnnamedModules(store: Store, config: ConfigNode | undefined): Promise<NamedModules> {
	const owners = ownersOf(store);
	const names = displayNames(owners);
	const nodes = matchConfig(owners, names, config);
	const modules: StoredModule[] = [];
	const notes: string[] = [];
	for (const owner of owners.filter(({ group }) => group.variables.size > 0)) {
		const node = nodes.get(owner.path);
		const stored = splitPath(owner.path).leaf;
		const name = node?.path ?? names.get(owner.path) ?? owner.path;
		const numbered = [...owner.group.variables.values()].sort((a, b) => compareNames(a.leaf, b.leaf));
		const guess = { name, stored, className: node?.className ?? guessClass(stored, owner.group), config: node };
		const { className, variables, note } = await nameVariables(guess, numbered);
		modules.push({ name, className, settings: node?.settings ?? new Map(), config: node, variables });
		notes.push(...(note === undefined ? [] : [note]));
	}
	const sorted = modules.toSorted((a, b) => firstAddress(a) - firstAddress(b));
	// Attributes of a subclassed model are written in the order of their names, and so are all layers of some copies.
	const ordered = owners.every(({ path }) => path === '' || CONTAINERS.some((name) => path.startsWith(`${name}/`)));
	const copied = modules.length > 2 && sorted.every((module, index) => module === modules[index]);
	return { modules: ordered ? sorted : modules, ordered: ordered && !copied, notes };
}

/** Returns the class that the name of a group or of a layer suggests; Keras' default names are made of it. */
function guessClass(stored: string, group: StoredGroup): string | undefined {
	return classOfStoredName(stored) ?? classOfStoredName(ownName(group) ?? '');
}

function firstAddress({ variables }: StoredModule): number {
	return Math.min(...variables.map(({ variable }) => variable.address));
}

/**
 * Returns the names under which users know the layers. A layer of a Functional or Sequential model has its own name,
 * and a layer of a subclassed model the name of its attribute.
 */
function displayNames(owners: readonly Owner[]): ReadonlyMap<string, string> {
	const names = new Map<string, string>();
	// Parents come first: a path is shorter than its extensions.
	for (const { path, group } of owners.toSorted((a, b) => a.path.length - b.path.length)) {
		const parent = parentOwner(path, names);
		const segments = path.slice(parent === '' ? 0 : parent.length + 1).split('/');
		const isAttribute = !segments.some((segment) => SILENT.has(segment));
		const own = (isAttribute ? undefined : ownName(group)) ?? describeSegments(segments);
		names.set(path, path === '' ? '' : joinPath(names.get(parent) ?? '', own));
	}
	return distinct(names);
}

/** Returns the name of the layer that a group's variables belong to. Keras writes it since version 3.4. */
function ownName(group: StoredGroup): string | undefined {
	return group.texts.get('name')?.[0];
}

function parentOwner(path: string, names: ReadonlyMap<string, string>): string {
	let { parent } = splitPath(path);
	while (parent !== '' && !names.has(parent)) {
		parent = splitPath(parent).parent;
	}
	return parent;
}

function describeSegments(segments: readonly string[]): string {
	return segments.filter((segment, index) => index === segments.length - 1 || !SILENT.has(segment)).join('/');
}

/** Replaces names that several layers have by their paths. */
function distinct(names: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
	const counts = new Map<string, number>();
	for (const name of names.values()) {
		counts.set(name, (counts.get(name) ?? 0) + 1);
	}
	return new Map([...names].map(([path, name]) => [path, (counts.get(name) ?? 0) > 1 ? path : name]));
}

/** Finds the configuration of each owner: by its name if the file has it, else by Keras' rule for paths. */
function matchConfig(
	owners: readonly Owner[],
	names: ReadonlyMap<string, string>,
	config: ConfigNode | undefined,
): ReadonlyMap<string, ConfigNode> {
	const matched = new Map<string, ConfigNode>();
	if (!config) {
		return matched;
	}
	const paths = new Set<string>();
	for (const { path } of owners) {
		for (let parent = path; parent !== ''; parent = splitPath(parent).parent) {
			paths.add(parent);
		}
	}
	const byRule = new Map<string, ConfigNode>();
	applyRule(config, { path: '', paths, byRule });
	const byName = new Map(flatten(config).map((node) => [node.path, node]));
	for (const { path, group } of owners) {
		const known = ownName(group);
		const ruled = byRule.get(path);
		const named = byName.get(names.get(path) ?? '');
		const node = known === undefined || ruled?.name === known ? (ruled ?? named) : named;
		if (node) {
			matched.set(path, node);
		}
	}
	return matched;
}

function flatten(node: ConfigNode): readonly ConfigNode[] {
	return [node, ...node.children.flatMap(flatten)];
}

interface Rule {
	/** Path of the model's own group. */
	readonly path: string;
	/** Paths of groups in the file. */
	readonly paths: ReadonlySet<string>;
	readonly byRule: Map<string, ConfigNode>;
}

/** Follows Keras' rule: layers are stored by the names of their classes, numbered from the second of a class on. */
function applyRule(node: ConfigNode, { path, paths, byRule }: Rule): void {
	const isWrapper = node.kind === 'wrapper';
	const container = (isWrapper ? WRAPPED : CONTAINERS)
		.map((name) => joinPath(path, name))
		.find((group) => paths.has(group));
	if (container === undefined) {
		return;
	}
	const used = new Map<string, number>();
	for (const child of node.children) {
		const stored = toSnakeCase(child.className);
		const count = used.get(stored) ?? 0;
		used.set(stored, count + 1);
		const inner = isWrapper ? container : `${container}/${count === 0 ? stored : `${stored}_${count}`}`;
		byRule.set(inner, child);
		applyRule(child, { path: inner, paths, byRule });
	}
}
