import { type ConfigNode, leavesOf } from './config.js';
import { joinPath, type NamedModules, type NamedVariable, type StoredModule, splitPath } from './modules.js';
import { listOf, type Store, type StoredGroup, type StoredVariable } from './store.js';

/** A variable with its path in its layer's list. */
interface ListedVariable extends NamedVariable {
	/** Path without the variable's name: scopes inside the layer. */
	readonly scope: string;
}

/** Returns the group that lists its layers, as in .h5 files of the old format; undefined if there is none. */
export function findLegacyRoot(store: Store): StoredGroup | undefined {
	return ['model_weights', '']
		.map((path) => store.groups.get(path))
		.find((group) => group !== undefined && listOf(group, 'layer_names') !== undefined);
}

/**
 * Names the variables of an .h5 file by its attributes `layer_names` and `weight_names`.
 * @param config the outermost model; undefined for a file of weights
 */
export function nameLegacyModules(store: Store, root: StoredGroup, config: ConfigNode | undefined): NamedModules {
	const modules: StoredModule[] = [];
	for (const layer of new Set(listOf(root, 'layer_names') ?? [])) {
		const group = store.groups.get(joinPath(root.path, layer));
		const node = config?.byName.get(layer);
		modules.push(...(group ? splitLayer(layer, listVariables(store, group), node) : []));
	}
	return { modules, ordered: true, notes: [] };
}

function listVariables(store: Store, group: StoredGroup): readonly ListedVariable[] {
	const variables = new Map<StoredVariable, ListedVariable>();
	for (const name of listOf(group, 'weight_names') ?? []) {
		const { parent: scope, leaf: stored } = splitPath(name);
		const variable = store.groups.get(joinPath(group.path, scope))?.variables.get(stored);
		if (variable) {
			// TensorFlow appends the index of an output.
			variables.set(variable, { scope, leaf: stored.replace(/:\d+$/, ''), variable });
		}
	}
	return [...variables.values()];
}

/** Splits the variables of a layer into modules: a nested model or a wrapper has several layers inside. */
function splitLayer(
	layer: string,
	variables: readonly ListedVariable[],
	node: ConfigNode | undefined,
): readonly StoredModule[] {
	const leaves = node ? leavesOf(node) : [];
	const isSingle =
		leaves.length === 1 || (leaves.length === 0 && new Set(variables.map(({ scope }) => scope)).size === 1);
	if (isSingle) {
		return variables.length > 0 ? [moduleOf(layer, variables, leaves[0])] : [];
	}
	const scopes = new Map<string, ListedVariable[]>();
	for (const variable of variables) {
		const inside = scopes.get(variable.scope) ?? [];
		inside.push(variable);
		scopes.set(variable.scope, inside);
	}
	return [...scopes].map(([scope, inside]) => {
		const config = findLeaf(leaves, scope, layer);
		return moduleOf(`${layer}/${splitPath(scope).leaf}`, inside, config);
	});
}

/** Finds the layer of a nested model by the last names of a scope that are the layer's own path. */
function findLeaf(leaves: readonly ConfigNode[], scope: string, layer: string): ConfigNode | undefined {
	const full = scope.startsWith(`${layer}/`) ? scope : `${layer}/${scope}`;
	const exact = leaves.find(({ path }) => path === full);
	const named = leaves.filter(({ name }) => name === splitPath(scope).leaf);
	return exact ?? (named.length === 1 ? named[0] : undefined);
}

function moduleOf(name: string, variables: readonly NamedVariable[], config: ConfigNode | undefined): StoredModule {
	return {
		name: config?.path ?? name,
		className: config?.className,
		settings: config?.settings ?? new Map(),
		config,
		variables: variables.map(({ leaf, variable }) => ({ leaf, variable })),
	};
}
