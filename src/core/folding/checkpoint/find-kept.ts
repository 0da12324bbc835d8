import { affine } from '../../batchnorm/affine.js';
import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { PARAMETER_NAMES, parameterValues } from '../../batchnorm/parameters.js';
import { FLOAT_FORMATS } from '../../numbers/float-formats.js';
import { layerParameters } from '../operators/layer-parameters.js';
import { affineOf, type LayerValues } from './layer-values.js';

/** Relative difference up to which two parameters count as the same: rounding to bfloat16. */
const SAME = FLOAT_FORMATS.bfloat16.unitRoundoff;

/**
 * Finds the layers of a checkpoint that are still layers with the same parameters in the deployed model: index of the
 * layer in the checkpoint -> deployed layer. The closest parameters pair first, then names and order decide.
 * @param epsilons possible values of an epsilon that the checkpoint does not state
 */
export function findKeptLayers(
	layers: readonly LayerValues[],
	deployed: readonly BatchNormLayer[],
	epsilons: readonly number[],
): Map<number, BatchNormLayer> {
	const candidates = layers.flatMap((values, at) =>
		deployed.flatMap((candidate, position) => {
			const distance = values.layer.channels === candidate.channels ? distanceOf(values, candidate, epsilons) : 1;
			const displacement = Math.abs(at / layers.length - position / deployed.length);
			const isOther = haveSameName(values.layer.name, candidate) ? 0 : 1;
			return distance <= SAME ? [{ index: values.index, candidate, distance, displacement, isOther }] : [];
		}),
	);
	candidates.sort((a, b) => a.distance - b.distance || a.isOther - b.isOther || a.displacement - b.displacement);
	return assign(candidates.map(({ index, candidate }) => [index, candidate] as const));
}

/**
 * Finds the partners of layers with changed parameters: by the names of the parameters, else by the order among the
 * remaining layers of this size.
 */
export function findChangedLayers(
	layers: readonly LayerValues[],
	deployed: readonly BatchNormLayer[],
): Map<number, BatchNormLayer> {
	const byName = layers.flatMap(({ index, layer }) =>
		deployed
			.filter((candidate) => candidate.channels === layer.channels && haveSameName(layer.name, candidate))
			.map((candidate) => [index, candidate] as const),
	);
	const found = assign(byName);
	const taken = new Set(found.values());
	const left = layers.filter(({ index }) => !found.has(index));
	const free = deployed.filter((candidate) => !taken.has(candidate));
	for (const channels of new Set(free.map((candidate) => candidate.channels))) {
		const here = left.filter(({ layer }) => layer.channels === channels);
		const there = free.filter((candidate) => candidate.channels === channels);
		if (here.length === there.length) {
			here.forEach(({ index }, position) => {
				const candidate = there[position];
				if (candidate) {
					found.set(index, candidate);
				}
			});
		}
	}
	return found;
}

/**
 * Finds kept layers whose parameters have the name of another layer of their size in the deployed model: index of the layer
 * -> name of the other. Layers of one size were exchanged.
 */
export function findExchangedLayers(
	layers: readonly LayerValues[],
	kept: ReadonlyMap<number, BatchNormLayer>,
): ReadonlyMap<number, string> {
	return new Map(
		layers.flatMap(({ index, layer }) => {
			const partner = kept.get(index);
			const other =
				partner && !haveSameName(layer.name, partner)
					? layers.find((each) => kept.has(each.index) && haveSameName(each.layer.name, partner))
					: undefined;
			return other && other.layer.channels === layer.channels ? [[index, other.layer.name] as const] : [];
		}),
	);
}

function assign(ranked: readonly (readonly [number, BatchNormLayer])[]): Map<number, BatchNormLayer> {
	const found = new Map<number, BatchNormLayer>();
	const used = new Set<BatchNormLayer>();
	for (const [index, candidate] of ranked) {
		if (!found.has(index) && !used.has(candidate)) {
			found.set(index, candidate);
			used.add(candidate);
		}
	}
	return found;
}

/** Exporters often keep the names of the statistics: "features.1.running_mean". */
function haveSameName(layer: string, { mean }: BatchNormLayer): boolean {
	const module = mean.name.replace(/\.[^.]*$/, '');
	return module !== '' && (layer === module || layer.endsWith(`.${module}`) || module.endsWith(`.${layer}`));
}

/** Returns the largest relative difference of the parameters without epsilon; 1 if not comparable. */
function distanceOf(values: LayerValues, deployed: BatchNormLayer, epsilons: readonly number[]): number {
	const own = parameterValues(deployed);
	const separate = own.ok
		? Math.max(...PARAMETER_NAMES.map((name) => distance(values.parameters[name], own.value[name])))
		: 1;
	if (separate <= SAME) {
		return separate;
	}
	const folded = layerParameters(deployed);
	if (!folded.ok) {
		return 1;
	}
	const { gamma, beta, mean, variance, epsilon } = folded.value;
	const found = affine(gamma, beta, mean, variance, epsilon);
	const known = values.layer.epsilon;
	return Math.min(
		...(known === undefined ? epsilons : [known]).map((candidate) => {
			const { scale, shift } = affineOf(values, candidate);
			return Math.max(distance(scale, found.scale), distance(shift, found.shift));
		}),
	);
}

/** Largest difference of two arrays, relative to the larger value of each entry. */
function distance(a: Float64Array, b: Float64Array): number {
	let largest = a.length === b.length ? 0 : 1;
	for (let index = 0; index < a.length; index++) {
		const difference = Math.abs(a[index] - b[index]);
		largest = Math.max(largest, difference === 0 ? 0 : difference / Math.max(Math.abs(a[index]), Math.abs(b[index])));
	}
	return Number.isNaN(largest) ? 1 : largest;
}
