import { failure, type Result, success } from '../../result.js';
import type { CheckpointLayer, CheckpointModule, LayerWithoutStatistics, NamedTensors } from '../checkpoint.js';
import type { CheckpointTensor, UnreadableTensor } from '../tensor.js';
import { createFrontFinder } from './front.js';
import { splitName } from './names.js';

export interface FoundLayers {
	readonly layers: readonly CheckpointLayer[];
	readonly withoutStatistics: readonly LayerWithoutStatistics[];
	/** Sentences for users. */
	readonly notes: readonly string[];
}

/** Names of the parameters in PyTorch, and in Keras and MXNet models that were saved in other formats. */
const LEAVES = {
	gamma: ['weight', 'gamma', 'scale'],
	beta: ['bias', 'beta'],
	mean: ['running_mean', 'moving_mean'],
	variance: ['running_var', 'moving_variance', 'moving_var'],
	batchesTracked: ['num_batches_tracked'],
} as const;

/** Last segment of a module's name that suggests a batch normalization. */
const LAYER_NAME = /(^|_)bn\d*$|batch_?norm/i;

/** Maximum number of sentences about modules that are not read as layers. */
const MAX_LEFT_OUT = 5;

/** A layer without its surroundings. */
type BareLayer = Omit<CheckpointLayer, 'front' | 'input'>;

/** Tensors of a module by the last segment of their names. */
type Members = Map<string, CheckpointTensor>;

/** Finds the batch normalizations among named tensors: modules with a running mean and a running variance. */
export function findLayers(named: NamedTensors): FoundLayers {
	const members = groupByModule(named.tensors);
	const modules = new Map(named.modules.map((module) => [module.name, module]));
	const leftOut: string[] = [];
	const bare: BareLayer[] = [];
	for (const [name, leaves] of members) {
		const layer = readLayer(name, leaves, modules.get(name));
		if (layer?.ok) {
			bare.push(layer.value);
		} else if (layer) {
			leftOut.push(`"${name}" was left out, because ${layer.reason}.`);
		}
	}
	const findFront = createFrontFinder(named, bare, modules);
	const layers = bare.map(
		(layer, index): CheckpointLayer => ({ ...layer, input: named.graph?.input(layer.name), front: findFront(index) }),
	);
	return {
		layers,
		withoutStatistics: findWithoutStatistics(members, modules),
		notes: [...describeLeftOut(leftOut), ...describeUnreadable(named.unreadable), ...describeUnknown(layers, named)],
	};
}

function groupByModule(tensors: readonly CheckpointTensor[]): ReadonlyMap<string, Members> {
	const groups = new Map<string, Members>();
	for (const tensor of tensors) {
		const { module, leaf } = splitName(tensor.name);
		const group = groups.get(module) ?? new Map<string, CheckpointTensor>();
		groups.set(module, group.set(leaf, tensor));
	}
	return groups;
}

function pick(members: Members, names: readonly string[]): CheckpointTensor | undefined {
	for (const name of names) {
		const tensor = members.get(name);
		if (tensor) {
			return tensor;
		}
	}
	return undefined;
}

/** Returns the layer, or why the module is left out; undefined for a module without statistics. */
function readLayer(
	name: string,
	members: Members,
	module: CheckpointModule | undefined,
): Result<BareLayer> | undefined {
	const mean = pick(members, LEAVES.mean);
	const variance = pick(members, LEAVES.variance);
	if (!mean || !variance) {
		return undefined;
	}
	if (module?.className.includes('InstanceNorm')) {
		return failure(`it is an ${module.className}, not a batch normalization`);
	}
	const gamma = pick(members, LEAVES.gamma);
	const beta = pick(members, LEAVES.beta);
	const channels = mean.dims[0] ?? 0;
	const odd = [mean, variance, gamma, beta].find(
		(tensor) => tensor && (tensor.dims.length !== 1 || tensor.dims[0] !== channels),
	);
	if (odd) {
		const shapes = `"${odd.name}" has shape [${odd.dims.join(', ')}] beside a mean of shape [${mean.dims.join(', ')}]`;
		return failure(shapes);
	}
	const epsilon = module?.settings.get('eps') ?? module?.settings.get('epsilon');
	return success({
		name,
		channels,
		gamma,
		beta,
		mean,
		variance,
		batchesTracked: pick(members, LEAVES.batchesTracked),
		epsilon: typeof epsilon === 'number' ? epsilon : undefined,
		className: module?.className,
	});
}

function findWithoutStatistics(
	members: ReadonlyMap<string, Members>,
	modules: ReadonlyMap<string, CheckpointModule>,
): readonly LayerWithoutStatistics[] {
	const certain = [...modules.values()]
		.filter(({ className, name }) => className.includes('BatchNorm') && lacksMean(members.get(name)))
		.map(({ name }) => ({ name, certain: true }));
	const likely = [...members]
		.filter(([name, leaves]) => !modules.has(name) && LAYER_NAME.test(splitName(name).leaf) && lacksMean(leaves))
		.filter(([, leaves]) => pick(leaves, LEAVES.gamma)?.dims.length === 1)
		.map(([name]) => ({ name, certain: false }));
	return [...certain, ...likely];
}

function lacksMean(members: Members = new Map()): boolean {
	return pick(members, LEAVES.mean) === undefined;
}

function describeLeftOut(sentences: readonly string[]): readonly string[] {
	const more = sentences.length - MAX_LEFT_OUT;
	return more > 0 ? [...sentences.slice(0, MAX_LEFT_OUT), `${more} more modules were left out.`] : sentences;
}

function describeUnreadable(unreadable: readonly UnreadableTensor[]): readonly string[] {
	const [first] = unreadable;
	if (!first) {
		return [];
	}
	const more = unreadable.length > 1 ? ` and ${unreadable.length - 1} more` : '';
	return [`Tensor "${first.name}"${more} cannot be read, because ${first.reason}.`];
}

function describeUnknown(
	layers: readonly CheckpointLayer[],
	{ order, modules, graph }: NamedTensors,
): readonly string[] {
	const notes: string[] = [];
	if (layers.some(({ epsilon }) => epsilon === undefined)) {
		notes.push('The file does not hold epsilon; PyTorch uses 1e-5 and Keras 1e-3 unless the model says otherwise.');
	}
	if (order === 'names') {
		notes.push('The file keeps its tensors sorted by name, so the order of the layers is inferred from their names.');
	}
	if (modules.length === 0 && !graph && layers.length > 0) {
		notes.push('The file has no graph: the operator in front of each layer is inferred from names, order and shapes.');
	}
	return notes;
}
