import type { CheckpointLayer, CheckpointModule, FrontCandidate, NamedTensors } from '../checkpoint.js';
import type { CheckpointTensor } from '../tensor.js';
import { nameDistance, splitName } from './names.js';

/** Names of weights; "weight_v" with weight normalization, "weight_orig" with pruning, the last two in Keras. */
const WEIGHTS = new Set(['weight', 'kernel', 'weight_v', 'weight_orig', 'depthwise_kernel', 'pointwise_kernel']);

const FLOATS = new Set(['float32', 'float64', 'float16', 'bfloat16']);

/**
 * Maximum number of weights examined per layer. The operator in front is mostly the nearest, seldom further away than a
 * block.
 */
const MAX_WEIGHTS = 64;

const MAX_CANDIDATES = 8;

interface Weight {
	readonly tensor: CheckpointTensor;
	readonly module: string;
	/** Position among all tensors. */
	readonly position: number;
	/** Layers with statistics at earlier positions. */
	readonly layersBefore: number;
}

type Layer = Pick<CheckpointLayer, 'name' | 'channels' | 'mean'>;

/**
 * Prepares the search for operators in front of layers.
 * @param layers in the order of their tensors
 * @returns a function from the index of a layer to its candidates, the most plausible first
 */
export function createFrontFinder(
	{ tensors, order, graph }: NamedTensors,
	layers: readonly Layer[],
	modules: ReadonlyMap<string, CheckpointModule>,
): (layerIndex: number) => readonly FrontCandidate[] {
	const positions = new Map(tensors.map((tensor, position) => [tensor, position]));
	const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
	const means = new Map(layers.map(({ mean }, index) => [mean, index]));
	const weights = listWeights(tensors, means);
	const byModule = new Map(weights.map((weight) => [weight.module, weight]));
	return (layerIndex) => {
		const layer = layers[layerIndex];
		const position = layer && positions.get(layer.mean);
		if (!layer || position === undefined) {
			return [];
		}
		const stated = graph?.operators(layer.name);
		const ranked = stated ? statedWeights(stated, byModule) : rankWeights(weights, { position, order }, layer);
		const candidates: FrontCandidate[] = [];
		for (const { tensor, module, layersBefore } of ranked) {
			for (const reading of readings(tensor, layer.channels, modules.get(module))) {
				const bias = biasOf(module, layer.channels, byName);
				const layersBetween = stated ? 0 : Math.abs(layerIndex - layersBefore);
				candidates.push({ ...reading, weight: tensor, bias, layersBetween });
			}
			if (candidates.length >= MAX_CANDIDATES) {
				break;
			}
		}
		return candidates.slice(0, MAX_CANDIDATES);
	};
}

/** True for a possible weight of a linear operator. */
export function isOperatorWeight({ name, dims, dtype }: CheckpointTensor): boolean {
	return dims.length >= 2 && WEIGHTS.has(splitName(name).leaf) && FLOATS.has(dtype);
}

function listWeights(
	tensors: readonly CheckpointTensor[],
	means: ReadonlyMap<CheckpointTensor, number>,
): readonly Weight[] {
	const weights: Weight[] = [];
	let layersBefore = 0;
	for (const [position, tensor] of tensors.entries()) {
		const { module } = splitName(tensor.name);
		if (means.has(tensor)) {
			layersBefore++;
		} else if (isOperatorWeight(tensor)) {
			weights.push({ tensor, module, position, layersBefore });
		}
	}
	return weights;
}

/** @param byModule the last weight of each module: a separable convolution has two, and the second makes its outputs */
function statedWeights(modules: readonly string[], byModule: ReadonlyMap<string, Weight>): readonly Weight[] {
	return modules.flatMap((module) => byModule.get(module) ?? []);
}

interface Place {
	/** Position of the layer among all tensors. */
	readonly position: number;
	readonly order: NamedTensors['order'];
}

function rankWeights(weights: readonly Weight[], { position, order }: Place, { name }: Layer): readonly Weight[] {
	const near = nearWeights(weights, position, order);
	return order === 'names' ? rankByName(near, name) : near;
}

/** Returns weights near a position: earlier weights, the nearest first; then later weights if the order is by name. */
function nearWeights(weights: readonly Weight[], position: number, order: NamedTensors['order']): readonly Weight[] {
	const split = firstAfter(weights, position);
	const earlier = weights.slice(Math.max(0, split - MAX_WEIGHTS), split).reverse();
	return order !== 'names' ? earlier : [...earlier, ...weights.slice(split, split + MAX_WEIGHTS)];
}

/** Returns the index of the first weight behind a position. */
function firstAfter(weights: readonly Weight[], position: number): number {
	let low = 0;
	let high = weights.length;
	while (low < high) {
		const middle = (low + high) >> 1;
		if ((weights[middle]?.position ?? 0) < position) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

function rankByName(weights: readonly Weight[], layer: string): readonly Weight[] {
	return weights
		.map((weight) => ({ weight, distance: nameDistance(weight.module, layer) }))
		.sort((a, b) => a.distance - b.distance)
		.map(({ weight }) => weight);
}

type Reading = Pick<FrontCandidate, 'outputAxis' | 'groups'>;

/**
 * Returns the ways in which a weight can have `channels` outputs. A transposed convolution has shape
 * [inputs, outputs / groups, ...kernel]; its groups are known only if the module is.
 */
function readings({ name, dims }: CheckpointTensor, channels: number, module: CheckpointModule | undefined): Reading[] {
	const [first = 0, second = 0] = dims;
	const found: Reading[] = [];
	if (module && !/Conv|Linear|Dense/.test(module.className)) {
		return found;
	}
	const transposed = name.endsWith('depthwise_kernel') ? false : module?.className.includes('Transpose');
	if (first === channels && transposed !== true) {
		found.push({ outputAxis: 0, groups: undefined });
	}
	const known = module?.settings.get('groups');
	const groups = channels / second;
	const fits = dims.length > 2 && Number.isInteger(groups) && first % groups === 0;
	if (fits && transposed !== false && (known === undefined || known === groups)) {
		found.push({ outputAxis: 1, groups });
	}
	return found;
}

/** Returns the bias of a module, a value per output channel. */
export function biasOf(
	module: string,
	channels: number,
	byName: ReadonlyMap<string, CheckpointTensor>,
): CheckpointTensor | undefined {
	const bias = module === '' ? byName.get('bias') : (byName.get(`${module}.bias`) ?? byName.get(`${module}/bias`));
	return bias?.dims.length === 1 && bias.dims[0] === channels ? bias : undefined;
}
