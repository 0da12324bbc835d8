import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { addBiases, expectedFold, gatherParameters } from '../operators/expected.js';
import { layerParameters } from '../operators/layer-parameters.js';
import { channelCount, forEachRun, sameLayout } from '../operators/layout.js';
import type { LinearOperator } from '../operators/linear.js';
import type { OperatorWeights } from '../operators/weights.js';
import type { OperatorPair } from '../pairing/pairing.js';
import type { MatchedNetworks } from '../pairing/partners.js';
import type { FoldTarget } from '../targets/target.js';
import { copiesOf } from './operator-copies.js';

type PairedNetworks = Pick<MatchedNetworks, 'original' | 'deployed' | 'pairing'>;

/** Maximum number of groups of layers that are given copies, because each group is compared with each copy. */
const MAX_GROUPS = 64;

/** Scale and bias that a group of layers leaves in each row of an operator, both of shape (rows). */
interface RowFold {
	readonly scale: Float64Array;
	readonly bias: Float64Array;
}

/**
 * Gives each layer an operator of its own, where several layers read one operator of the original side by side and the
 * deployed model has a copy of it for each: a fold needs one. The functions behind decide which copy is whose, and where they
 * are alike, the closest constants.
 */
export async function divideOperators<T extends PairedNetworks>(models: T): Promise<T> {
	const { original, pairing } = models;
	const targets = new Map(original.targets);
	const beforeLayer = new Map(original.beforeLayer);
	const byOriginal = new Map(pairing.byOriginal);
	const byDeployed = new Map(pairing.byDeployed);
	for (const [operator, groups] of layerGroups(original.targets)) {
		const pair = pairing.byOriginal.get(operator);
		const chosen = pair && (await chosenCopies(models, pair, groups));
		if (!chosen) {
			continue;
		}
		byDeployed.delete(pair.deployed);
		for (const [group, deployed] of chosen) {
			const own: LinearOperator = group === groups[0] ? operator : { ...operator };
			for (const layer of group) {
				const target = targets.get(layer);
				if (target) {
					targets.set(layer, { ...target, operator: own });
				}
				if (beforeLayer.get(layer)?.has(operator)) {
					beforeLayer.set(layer, new Set([own]));
				}
			}
			byOriginal.set(own, { ...pair, original: own, deployed });
			byDeployed.set(deployed, { ...pair, original: own, deployed });
		}
	}
	return {
		...models,
		original: { ...original, targets, beforeLayer },
		pairing: { ...pairing, byOriginal, byDeployed },
	};
}

/** Layers that fold into an operator one after the other, in the order in which they act. */
type LayerGroup = readonly BatchNormLayer[];

/** Returns the groups of layers behind each operator with more than one group. */
function layerGroups(targets: ReadonlyMap<BatchNormLayer, FoldTarget>): Map<LinearOperator, LayerGroup[]> {
	const groups = new Map<LinearOperator, LayerGroup[]>();
	for (const [layer, { operator, earlier }] of targets) {
		const known = groups.get(operator) ?? [];
		const joined = known.filter((group) => group.some((other) => earlier.some((step) => step.layer === other)));
		const rest = known.filter((group) => !joined.includes(group));
		groups.set(operator, [...rest, [...joined.flat(), layer]]);
	}
	return groups;
}

/** Returns the deployed operator of each group; undefined without a copy for each, or if none can be chosen. */
async function chosenCopies(
	models: PairedNetworks,
	pair: OperatorPair,
	groups: readonly LayerGroup[],
): Promise<Map<LayerGroup, LinearOperator> | undefined> {
	if (groups.length < 2 || groups.length > MAX_GROUPS) {
		return undefined;
	}
	const others = await copiesOf(pair, models);
	const copies = [pair.deployed, ...others];
	if (copies.length < groups.length || copies.length > MAX_GROUPS) {
		return undefined;
	}
	return copiesByFunctions({ groups, copies }) ?? copiesByConstants(models, pair, { groups, copies });
}

interface Choice {
	readonly groups: readonly LayerGroup[];
	readonly copies: readonly LinearOperator[];
}

/** Returns the copy with the same functions behind as each group; undefined if groups or copies have the same functions. */
function copiesByFunctions({ groups, copies }: Choice): Map<LayerGroup, LinearOperator> | undefined {
	const byCopy = new Map(copies.map((copy) => [functionsBehind(copy), copy]));
	const byGroup = new Map(groups.map((group) => [functionsBehind(group[group.length - 1]), group]));
	const chosen = new Map<LayerGroup, LinearOperator>();
	for (const [functions, group] of byGroup) {
		const copy = byCopy.get(functions);
		if (copy) {
			chosen.set(group, copy);
		}
	}
	return byCopy.size === copies.length && chosen.size === groups.length ? chosen : undefined;
}

/** Returns the types of the nodes that read a tensor. */
function functionsBehind({ scope, output }: Pick<LinearOperator, 'scope' | 'output'>): string {
	const types = scope.consumers(output).map(({ opType, domain }) => `${domain}.${opType}`);
	return [...types, ...(scope.isOutput(output) ? ['output'] : [])].sort().join();
}

/** Returns a copy for each group, the closest pairs first; undefined if constants cannot be compared. */
async function copiesByConstants(
	models: PairedNetworks,
	{ original: operator }: OperatorPair,
	{ groups, copies }: Choice,
): Promise<Map<LayerGroup, LinearOperator> | undefined> {
	const read = await models.original.weights.read(operator);
	const folds = groups.map((group) => (read.ok ? foldOf(group, read.value, models.original.targets) : undefined));
	const distances: { readonly group: LayerGroup; readonly copy: LinearOperator; readonly distance: number }[] = [];
	for (const copy of copies) {
		const found = await models.deployed.weights.read(copy);
		if (!read.ok || !found.ok || !sameLayout(read.value.layout, found.value.layout)) {
			return undefined;
		}
		for (const [index, group] of groups.entries()) {
			const fold = folds[index];
			if (!fold) {
				return undefined;
			}
			const plain = distanceOf(read.value, undefined, found.value);
			distances.push({ group, copy, distance: Math.min(plain, distanceOf(read.value, fold, found.value)) });
		}
	}
	const chosen = new Map<LayerGroup, LinearOperator>();
	const used = new Set<LinearOperator>();
	for (const { group, copy } of distances.sort((a, b) => a.distance - b.distance)) {
		if (!chosen.has(group) && !used.has(copy)) {
			chosen.set(group, copy);
			used.add(copy);
		}
	}
	return chosen;
}

/** Returns what the layers of a group leave in an operator; undefined if a layer has no known parameters. */
function foldOf(
	group: LayerGroup,
	{ layout, bias }: OperatorWeights,
	targets: ReadonlyMap<BatchNormLayer, FoldTarget>,
): RowFold | undefined {
	const rows = channelCount(layout);
	let fold: RowFold = { scale: new Float64Array(rows).fill(1), bias: bias ?? new Float64Array(rows) };
	for (const layer of group) {
		const target = targets.get(layer);
		const parameters = layerParameters(layer);
		if (!target || !parameters.ok || target.rows.length !== rows) {
			return undefined;
		}
		const next = expectedFold(addBiases(fold.bias, target.added), gatherParameters(parameters.value, target.rows));
		fold = { scale: fold.scale.map((value, row) => value * next.scale[row]), bias: next.bias };
	}
	return fold;
}

/**
 * Returns the distance of found constants from a fold: the sum over rows of the relative error of weight and bias, each at
 * most 1, so that a few wrong rows do not outweigh the right ones.
 * @param fold undefined: the constants of the original itself
 */
function distanceOf(original: OperatorWeights, fold: RowFold | undefined, found: OperatorWeights): number {
	const { layout } = original;
	const rows = channelCount(layout);
	const [error, size] = [new Float64Array(rows), new Float64Array(rows)];
	forEachRun(layout, (row, start) => {
		for (let index = start; index < start + layout.inner; index++) {
			const right = original.weight[index] * (fold?.scale[row] ?? 1);
			error[row] += (found.weight[index] - right) ** 2;
			size[row] += right ** 2;
		}
	});
	const bias = fold?.bias ?? original.bias;
	let distance = 0;
	for (let row = 0; row < rows; row++) {
		const [right, actual] = [bias?.[row] ?? 0, found.bias?.[row] ?? 0];
		distance += share(Math.sqrt(error[row]), Math.sqrt(size[row])) + share(Math.abs(actual - right), Math.abs(right));
	}
	return distance;
}

/** Returns an error relative to a size, at most 1. */
const share = (error: number, size: number): number => (error === 0 ? 0 : size > error ? error / size : 1);
