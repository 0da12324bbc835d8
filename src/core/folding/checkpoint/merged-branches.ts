import { type Affine, affine } from '../../batchnorm/affine.js';
import type { Checkpoint } from '../../formats/checkpoint.js';
import type { CheckpointTensor } from '../../formats/tensor.js';
import { product } from '../../numbers/arrays.js';
import { FLOAT_FORMATS, type FloatType } from '../../numbers/float-formats.js';
import type { CauseCode } from '../../report/causes.js';
import { listWrongMaps } from '../compare/forward-faults.js';
import type { LinearOperator } from '../operators/linear.js';
import type { Network } from '../targets/network.js';
import { type LayerValues, readTensor } from './layer-values.js';

/** Layers of parallel branches that went into one convolution, as RepVGG and MobileOne deploy their blocks. */
export interface MergedBranches {
	readonly layers: readonly LayerValues[];
	readonly operator: LinearOperator;
	/** Weights of the branches. */
	readonly weights: readonly CheckpointTensor[];
	/** Epsilons that explain the convolution. */
	readonly possible: readonly number[];
	/** The wrong layers and their cause; undefined if the convolution is the sum of the branches. */
	readonly fault: { readonly layers: readonly LayerValues[]; readonly cause: CauseCode } | undefined;
	/** Largest error of weights and bias, and the largest allowed. */
	readonly maxAbs: number;
	readonly bound: number;
}

/** Fewest and most branches of a block. */
const [MIN_BRANCHES, MAX_BRANCHES] = [2, 12];
/** Segments of a layer's name that may lie within its block: "rbr_conv.0.bn". */
const MAX_DEPTH = 3;
/** Rows compared first, because most convolutions of a shape are no partner of a block. */
const SCREENED_ROWS = 2;
/** Roundings of a folded weight or bias, and of its addition to the other branches. */
const [FOLD_ROUNDINGS, SUM_ROUNDINGS] = [16, 2];

/** A branch: a convolution with its layer, or the layer alone on the block's input. */
interface Branch {
	readonly layer: LayerValues;
	readonly weight: CheckpointTensor | undefined;
	readonly values: Float64Array | null;
	readonly bias: Float64Array | null;
}

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
	const used = new Set<LinearOperator>();
	const placed = new Set<LayerValues>();
	for (const [prefix, block] of blocksOf(layers)) {
		if (block.some((layer) => placed.has(layer))) {
			continue;
		}
		const branches = await readBranches(block, prefix, checkpoint);
		for (const operator of deployed.operators.filter((candidate) => !used.has(candidate))) {
			const merged = await judgeBlock(branches, { operator, deployed, epsilons });
			if (merged) {
				found.push(merged);
				used.add(operator);
				for (const layer of block) {
					placed.add(layer);
				}
				break;
			}
		}
	}
	return found;
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
	for (const layer of block) {
		const front = layer.layer.front.find(({ weight, layersBetween, outputAxis }) => {
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

const parentOf = (name: string, depth: number): string => name.split('.').slice(0, -depth).join('.');

interface Candidate {
	readonly operator: LinearOperator;
	readonly deployed: Network;
	readonly epsilons: readonly number[];
}

/** Constants of the deployed convolution that a block may have become. */
interface Target {
	readonly weight: Float32Array | Float64Array;
	readonly bias: Float64Array | null;
	readonly dims: readonly number[];
	readonly stored: FloatType;
}

async function judgeBlock(
	branches: readonly Branch[],
	{ operator, deployed, epsilons }: Candidate,
): Promise<MergedBranches | undefined> {
	const dims = operator.kind === 'Conv' ? await deployed.weights.dims(operator) : undefined;
	if (!dims || !branches.every((branch) => fits(branch, dims, operator.group))) {
		return undefined;
	}
	const read = await deployed.weights.read(operator);
	if (!read.ok) {
		return undefined;
	}
	const { weight, bias, stored } = read.value;
	const target: Target = { weight, bias, dims, stored };
	const layers = branches.map(({ layer }) => layer);
	const common = { layers, operator, weights: branches.flatMap((branch) => branch.weight ?? []) };
	const compare = (maps: readonly Affine[]) => {
		const screened = compareSum(branches, maps, target, Math.min(SCREENED_ROWS, target.dims[0] ?? 0));
		return screened.isRight ? compareSum(branches, maps, target, target.dims[0] ?? 0) : screened;
	};
	const fitting = epsilons
		.map((epsilon) => ({ epsilon, ...compare(mapsOf(layers, epsilon)) }))
		.filter(({ isRight }) => isRight);
	const [best] = fitting;
	if (best) {
		const { maxAbs, bound } = best;
		return { ...common, possible: fitting.map(({ epsilon }) => epsilon), fault: undefined, maxAbs, bound };
	}
	const [epsilon = 0] = epsilons;
	for (const [at, layer] of layers.entries()) {
		for (const { cause, map } of listWrongMaps({ ...layer.parameters, epsilon: layer.layer.epsilon ?? epsilon })) {
			const maps = mapsOf(layers, epsilon).map((right, index) => (index === at ? map : right));
			const { isRight, maxAbs, bound } = compare(maps);
			if (isRight && cause !== 'wrong-epsilon') {
				return { ...common, possible: [], fault: { layers: [layer], cause }, maxAbs, bound };
			}
		}
	}
	const [sum] = epsilons
		.map((value) => compareSum(branches, mapsOf(layers, value), target, dims[0] ?? 0))
		.filter(({ hasWeights }) => hasWeights);
	// The bias is a sum, too, so that no branch can be named.
	return sum && { ...common, possible: [], fault: { layers, cause: 'unknown' }, maxAbs: sum.maxAbs, bound: sum.bound };
}

function mapsOf(layers: readonly LayerValues[], epsilon: number): readonly Affine[] {
	return layers.map(({ layer, parameters: { gamma, beta, mean, variance } }) =>
		affine(gamma, beta, mean, variance, layer.epsilon ?? epsilon),
	);
}

/** True if a branch's kernel fits into the middle of a convolution's, with the same channels. */
function fits({ layer, weight }: Branch, dims: readonly number[], group: number): boolean {
	const [outputs = 0, inputs = 0, ...kernel] = dims;
	if (layer.layer.channels !== outputs) {
		return false;
	}
	if (!weight) {
		return outputs === inputs * group && kernel.every((size) => size % 2 === 1);
	}
	const [own, from, ...sizes] = weight.dims;
	const isInside = sizes.every((size, axis) => size <= (kernel[axis] ?? 0) && (kernel[axis] - size) % 2 === 0);
	return own === outputs && from === inputs && sizes.length === kernel.length && isInside;
}

/** Compares the first rows of a convolution with the sum of its branches, each with a scale and a shift of its rows. */
function compareSum(branches: readonly Branch[], maps: readonly Affine[], target: Target, rows: number) {
	const { weight, bias, dims, stored } = target;
	const sum = new Float64Array((weight.length / Math.max(1, dims[0] ?? 1)) * rows);
	const terms = new Float64Array(sum.length);
	const shift = new Float64Array(rows);
	const shiftTerms = new Float64Array(shift.length);
	for (const [at, branch] of branches.entries()) {
		addBranch(branch, maps[at], dims, { sum, terms, shift, shiftTerms });
	}
	const relative =
		(FOLD_ROUNDINGS + SUM_ROUNDINGS * branches.length) * FLOAT_FORMATS.float32.unitRoundoff +
		(stored === 'float32' || stored === 'float64' ? 0 : FLOAT_FORMATS[stored].unitRoundoff);
	const weights = largestError(sum, weight, terms, relative);
	const biases = largestError(shift, bias ?? new Float64Array(shift.length), shiftTerms, relative);
	return {
		isRight: weights.isRight && biases.isRight,
		hasWeights: weights.isRight,
		maxAbs: Math.max(weights.maxAbs, biases.maxAbs),
		bound: Math.max(weights.bound, biases.bound),
	};
}

interface Sums {
	readonly sum: Float64Array;
	/** Magnitudes of the summands, which bound the rounding. */
	readonly terms: Float64Array;
	readonly shift: Float64Array;
	readonly shiftTerms: Float64Array;
}

function addBranch(
	{ layer, weight, values, bias }: Branch,
	{ scale, shift }: Affine,
	[, inputs = 1, ...kernel]: readonly number[],
	sums: Sums,
): void {
	const { mean, beta } = layer.parameters;
	const area = product(kernel);
	const sizes = weight ? weight.dims.slice(2) : kernel.map(() => 1);
	const positions = insidePositions(sizes, kernel);
	for (const [row, s] of scale.subarray(0, sums.shift.length).entries()) {
		const b = bias?.[row] ?? 0;
		sums.shift[row] += b * s + shift[row];
		sums.shiftTerms[row] += Math.abs(b * s) + Math.abs(mean[row] * s) + Math.abs(beta[row]);
		for (let input = 0; input < inputs; input++) {
			for (const [at, position] of positions.entries()) {
				const own = values ? values[(row * inputs + input) * positions.length + at] : Number(input === row % inputs);
				const index = (row * inputs + input) * area + position;
				sums.sum[index] += own * s;
				sums.terms[index] += Math.abs(own * s);
			}
		}
	}
}

/** Returns the positions of a small kernel in the middle of a larger one, both in row-major order. */
function insidePositions(sizes: readonly number[], kernel: readonly number[]): readonly number[] {
	return sizes.reduce<readonly number[]>(
		(positions, size, axis) => {
			const start = (kernel[axis] - size) / 2;
			return positions.flatMap((position) =>
				Array.from({ length: size }, (_, at) => position * kernel[axis] + start + at),
			);
		},
		[0],
	);
}

function largestError(
	expected: Float64Array,
	found: Float32Array | Float64Array,
	terms: Float64Array,
	relative: number,
): { readonly isRight: boolean; readonly maxAbs: number; readonly bound: number } {
	let [maxAbs, bound] = [0, 0];
	let isRight = true;
	for (let index = 0; index < expected.length; index++) {
		const error = Math.abs(found[index] - expected[index]);
		const allowed = relative * terms[index];
		isRight &&= error <= allowed;
		maxAbs = Math.max(maxAbs, error);
		bound = Math.max(bound, allowed);
	}
	return { isRight, maxAbs, bound };
}
