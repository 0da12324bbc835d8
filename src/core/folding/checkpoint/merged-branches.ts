import type { Checkpoint, FrontCandidate } from '../../formats/checkpoint.js';
import type { CheckpointTensor } from '../../formats/tensor.js';
import type { LinearOperator } from '../operators/linear.js';
import type { Network } from '../targets/network.js';
import { type Branch, fits, type Target } from './branch-sums.js';
import { judgeFault, judgeRight, type MergedBranches } from './judge-branches.js';
import { type LayerValues, readTensor } from './layer-values.js';

/** Fewest and most branches of a block. */
const [MIN_BRANCHES, MAX_BRANCHES] = [2, 12];
/** Segments of a layer's name that may lie within its block: "rbr_conv.0.bn". */
const MAX_DEPTH = 3;

/**
 * Finds blocks of parallel branches whose sum is a deployed convolution, by the common prefix of their names. A layer
 * without a weight of its own acts on the block's input.
 * @param layers without a place yet
 * @param epsilons possible values of an epsilon that the checkpoint does not state
 */
export async function findMergedBranches(
	layers: readonly LayerValues[],
	{ checkpoint, deployed }: { readonly checkpoint: Checkpoint; readonly deployed: Network },
	epsilons: readonly number[],
): Promise<readonly MergedBranches[]> {
	const found: MergedBranches[] = [];
	const search = async (judge: typeof judgeRight, values: readonly number[]) => {
		for (const [prefix, block] of blocksOf(layers)) {
			if (block.some((layer) => found.some((merged) => merged.layers.includes(layer)))) {
				continue;
			}
			const branches = await readBranches(block, prefix, checkpoint);
			for (const operator of deployed.operators.filter((candidate) => isFree(candidate, found))) {
				const target = await readTarget(branches, operator, deployed);
				const merged = target && judge({ branches, operator, target }, values);
				if (merged) {
					found.push(merged);
					break;
				}
			}
		}
	};
	await search(judgeRight, epsilons);
	// Blocks that arrived show the epsilon of the rest.
	const known = epsilons.filter((epsilon) => found.every(({ possible }) => possible.includes(epsilon)));
	await search(judgeFault, known.length > 0 ? known : epsilons);
	return found;
}

function isFree(operator: LinearOperator, found: readonly MergedBranches[]): boolean {
	return found.every((merged) => merged.operator !== operator);
}

/** Returns the layers below each prefix that may be a block, the longest prefix first. */
function blocksOf(layers: readonly LayerValues[]): readonly (readonly [string, readonly LayerValues[]])[] {
	const blocks = new Map<string, LayerValues[]>();
	for (const layer of layers) {
		const segments = layer.layer.name.split('.');
		for (let depth = 1; depth <= Math.min(MAX_DEPTH, segments.length - 1); depth++) {
			const prefix = `${segments.slice(0, -depth).join('.')}.`;
			blocks.set(prefix, [...(blocks.get(prefix) ?? []), layer]);
		}
	}
	return [...blocks]
		.filter(([, block]) => block.length >= MIN_BRANCHES && block.length <= MAX_BRANCHES)
		.filter(([, block]) => new Set(block.map(({ layer }) => layer.channels)).size === 1)
		.sort(([a], [b]) => b.length - a.length);
}

async function readBranches(
	block: readonly LayerValues[],
	prefix: string,
	{ order }: Checkpoint,
): Promise<readonly Branch[]> {
	const taken = new Set<CheckpointTensor>();
	const branches: Branch[] = [];
	const inTurn = order === 'names' ? [] : frontsInTurn(block, prefix);
	for (const [at, layer] of block.entries()) {
		const front =
			inTurn[at] ??
			layer.layer.front.find(({ weight, layersBetween, outputAxis }) => {
				const isOwn =
					order === 'names' ? parentOf(weight.name, 2) === parentOf(layer.layer.name, 1) : layersBetween === 0;
				return isOwn && outputAxis === 0 && weight.name.startsWith(prefix) && !taken.has(weight);
			});
		if (front) {
			taken.add(front.weight);
		}
		branches.push({
			layer,
			weight: front?.weight,
			values: front ? await readTensor(front.weight) : null,
			bias: front?.bias ? await readTensor(front.bias) : null,
		});
	}
	return branches;
}

/**
 * Returns the weights of a block that defines all its weights, and all its layers behind them, in the order of the layers;
 * none for another block.
 */
function frontsInTurn(block: readonly LayerValues[], prefix: string): readonly FrontCandidate[] {
	const [first] = block;
	const inside = (first?.layer.front ?? []).filter(
		({ weight, outputAxis, layersBetween }) =>
			outputAxis === 0 && layersBetween === 0 && weight.name.startsWith(prefix),
	);
	return inside.length === block.length ? inside.toReversed() : [];
}

const parentOf = (name: string, depth: number): string => name.split('.').slice(0, -depth).join('.');

/** Reads a convolution with the channels of a block; undefined for other operators. */
async function readTarget(
	branches: readonly Branch[],
	operator: LinearOperator,
	{ weights }: Network,
): Promise<Target | undefined> {
	const dims = operator.kind === 'Conv' ? await weights.dims(operator) : undefined;
	if (!dims || !branches.every((branch) => fits(branch, dims, operator.group))) {
		return undefined;
	}
	const read = await weights.read(operator);
	if (!read.ok) {
		return undefined;
	}
	const { weight, bias, stored, grid } = read.value;
	return { weight, bias, dims, stored, ...(grid && { grid }) };
}
