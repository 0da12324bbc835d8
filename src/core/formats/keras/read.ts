import type { ByteSource } from '../../onnx/source.js';
import { decodeText } from '../../onnx/text.js';
import type { Checkpoint, CheckpointModule, StatedGraph, TensorOrder } from '../checkpoint.js';
import { CheckpointError } from '../errors.js';
import { Hdf5File } from '../hdf5/file.js';
import { findLayers } from '../layers/find.js';
import type { CheckpointLimits } from '../limits.js';
import { fileStorage, memoryStorage, type Storage } from '../storage.js';
import type { CheckpointTensor, UnreadableTensor } from '../tensor.js';
import type { Inflate, ZipArchive } from '../zip/archive.js';
import { isOperator } from './classes.js';
import { type ConfigNode, leavesOf, readConfig } from './config.js';
import { feedersOf, hasLinearActivation } from './graph.js';
import { parseJson } from './json.js';
import { findLegacyRoot, nameLegacyModules } from './legacy.js';
import type { NamedModules, StoredModule } from './modules.js';
import { readStore, type Store } from './store.js';
import { tensorOf } from './tensors.js';
import { hasUnnamedVariables, nameUnnamedModules } from './unnamed.js';

export interface KerasOptions {
	readonly inflate: Inflate;
	readonly limits: CheckpointLimits;
}

/** Entries of a .keras archive. */
const CONFIG_ENTRY = 'config.json';
const WEIGHTS_ENTRY = 'model.weights.h5';

/**
 * Reads an HDF5 file: .h5 of Keras 1 to 3, or .weights.h5 of Keras 3. The values stay in the file.
 * @throws {CheckpointError}
 */
export async function readKerasFile(source: ByteSource, options: KerasOptions): Promise<Checkpoint> {
	const store = await openStore(fileStorage(source, 0, source.size), source, options);
	return buildCheckpoint(source, store, store.groups.get('')?.texts.get('model_config')?.[0], options);
}

/**
 * Reads a .keras archive: config.json and model.weights.h5.
 * @throws {CheckpointError}
 */
export async function readKerasArchive(
	source: ByteSource,
	archive: ZipArchive,
	options: KerasOptions,
): Promise<Checkpoint> {
	const { limits } = options;
	const config = await archive.read(CONFIG_ENTRY, { bytes: limits.configBytes, name: 'configBytes' });
	const stored = archive.storage(WEIGHTS_ENTRY);
	// Keras stores the weights as they are. Another archiver may have deflated them, and then each read would inflate all.
	const storage =
		(await stored.locate()) === undefined
			? memoryStorage(await archive.read(WEIGHTS_ENTRY, { bytes: limits.tensorBytes, name: 'tensorBytes' }))
			: stored;
	return buildCheckpoint(source, await openStore(storage, source, options), decodeText(config), options);
}

async function openStore(storage: Storage, { name }: ByteSource, { inflate, limits }: KerasOptions): Promise<Store> {
	const file = await Hdf5File.open(storage, { path: name, inflate, limits });
	return readStore(file, { path: name, limits });
}

async function buildCheckpoint(
	source: ByteSource,
	store: Store,
	configText: string | undefined,
	{ limits }: KerasOptions,
): Promise<Checkpoint> {
	const { name: path, size } = source;
	const config = configText === undefined ? undefined : readConfig(parseJson(configText, { path, limits }));
	const named = await nameModules(store, config, path);
	const stored = config ? inOrder(named.modules, config) : named.modules;
	const order: TensorOrder = config ? 'execution' : named.ordered ? 'definition' : 'names';
	const modules = stored.flatMap(describeModule);
	const { tensors, unreadable: odd } = readTensors(stored, limits);
	const unreadable = [...odd, ...store.unreadable];
	const graph = config && createGraph(stored);
	const found = findLayers({
		tensors,
		unreadable,
		modules,
		order,
		...(graph && { graph }),
	});
	return {
		path,
		bytes: size,
		format: 'keras',
		tensors,
		unreadable,
		modules,
		...found,
		notes: [...found.notes, ...named.notes, ...describeGaps(config, modules.length > 0, found.layers.length)],
		choice: {
			chosen: { path: [], tensors: tensors.length, layers: found.layers.length },
			others: [],
			sentence: `All ${tensors.length} tensors of the file were read as one model.`,
		},
		order,
		prefix: '',
		metadata: metadataOf(store),
	};
}

async function nameModules(store: Store, config: ConfigNode | undefined, path: string): Promise<NamedModules> {
	const legacyRoot = findLegacyRoot(store);
	if (legacyRoot) {
		return nameLegacyModules(store, legacyRoot, config);
	}
	if (hasUnnamedVariables(store)) {
		return nameUnnamedModules(store, config);
	}
	const named = nameByPath(store);
	if (named.modules.length === 0) {
		throw new CheckpointError(
			'no-tensors',
			`${path} is an HDF5 file without the weights of a Keras model: choose a file that Keras saved.`,
		);
	}
	return named;
}

/** Names the variables of an HDF5 file that Keras did not write by their paths. */
function nameByPath(store: Store): NamedModules {
	const modules = [...store.groups.values()].flatMap((group): StoredModule[] => {
		const variables = [...group.variables.values()].map((variable) => ({
			leaf: variable.leaf.replace(/:\d+$/, ''),
			variable,
		}));
		const shared = { className: undefined, settings: new Map(), config: undefined };
		return variables.length > 0 ? [{ name: group.path, ...shared, variables }] : [];
	});
	return { modules, ordered: false, notes: [] };
}

/** Sorts modules by the order of execution; modules that the configuration lacks keep their order at the end. */
function inOrder(modules: readonly StoredModule[], config: ConfigNode): readonly StoredModule[] {
	const positions = new Map(leavesOf(config).map((leaf, position) => [leaf, position]));
	const positionOf = ({ config: leaf }: StoredModule): number =>
		(leaf && positions.get(leaf)) ?? Number.MAX_SAFE_INTEGER;
	return modules.toSorted((a, b) => positionOf(a) - positionOf(b));
}

function describeModule({ name, className, settings, variables }: StoredModule): CheckpointModule[] {
	if (className === undefined) {
		return [];
	}
	const groups = groupsOf(className, variables[0]);
	return [{ name, className, settings: groups === undefined ? settings : new Map([...settings, ['groups', groups]]) }];
}

/** Returns the groups of an operator that states them by its class and not in its configuration. */
function groupsOf(className: string, kernel: StoredModule['variables'][number] | undefined): number | undefined {
	if (/Transpose|Deconvolution/.test(className)) {
		return 1;
	}
	const dataset = /^Depthwise/.test(className) ? kernel?.variable.dataset : undefined;
	return dataset?.ok ? dataset.value.dims.at(-2) : undefined;
}

function readTensors(
	modules: readonly StoredModule[],
	limits: CheckpointLimits,
): { readonly tensors: readonly CheckpointTensor[]; readonly unreadable: readonly UnreadableTensor[] } {
	const tensors: CheckpointTensor[] = [];
	const unreadable: UnreadableTensor[] = [];
	for (const module of modules) {
		for (const variable of module.variables) {
			const tensor = tensorOf(module, variable, limits);
			if (tensor.ok) {
				tensors.push(tensor.value);
			} else {
				unreadable.push({ name: `${module.name}/${variable.leaf}`, reason: tensor.reason });
			}
		}
	}
	return { tensors, unreadable };
}

/** Makes the configured graph available by names of modules. */
function createGraph(modules: readonly StoredModule[]): StatedGraph {
	const byName = new Map(modules.flatMap((module) => (module.config ? [[module.name, module.config] as const] : [])));
	return {
		input(layer) {
			const node = byName.get(layer);
			const feeder = node && feedersOf(node, false)[0];
			return feeder && { name: feeder.path, className: feeder.className, settings: feeder.settings };
		},
		operators(layer) {
			const node = byName.get(layer);
			return (
				node &&
				feedersOf(node, true)
					.filter((feeder) => isOperator(feeder.className) && hasLinearActivation(feeder))
					.map(({ path }) => path)
			);
		},
	};
}

function describeGaps(config: ConfigNode | undefined, hasClasses: boolean, layers: number): readonly string[] {
	if (config || layers === 0 || !hasClasses) {
		return [];
	}
	return ['The file has no configuration: the operator in front of each layer is inferred from order and shapes.'];
}

function metadataOf(store: Store): ReadonlyMap<string, string> {
	const groups = ['', 'model_weights'].flatMap((path) => store.groups.get(path) ?? []);
	return new Map(
		groups.flatMap(({ texts }) =>
			['keras_version', 'backend'].flatMap((name) => {
				const text = texts.get(name)?.[0];
				return text === undefined ? [] : [[name, text] as const];
			}),
		),
	);
}
