/** Every cause of the catalog as a change to the folding tool's recipe. */

import type { CauseCode } from '../../src/core/report/causes.js';
import type { Random } from '../../src/engine/child/tensors/random.js';
import { bfloat16Bits, float16Bits } from '../unit/support/elements.js';
import { type LayerWishes, type OperatorKind, outputChannel, type RandomLayer } from './layers.js';
import type { Folded, Recipe } from './tool.js';

/** Parts of a recipe; two faults that want the same part cannot act together. */
export type Part =
	| 'epsilon'
	| 'formula'
	| 'factor'
	| 'gamma'
	| 'variance'
	| 'mean'
	| 'beta'
	| 'bias'
	| 'order'
	| 'rounding';

export interface Fault {
	readonly code: CauseCode;
	readonly parts: readonly Part[];
	readonly wishes?: LayerWishes;
	/** Operators for which the fault exists; any by default. */
	readonly kinds?: readonly OperatorKind[];
	readonly apply: (recipe: Recipe, layer: RandomLayer, random: Random) => Recipe;
}

const f = Math.fround;
const WEIGHT_SIDE: readonly Part[] = ['epsilon', 'formula', 'factor', 'gamma', 'variance', 'order'];
const BIAS_SIDE: readonly Part[] = ['mean', 'beta', 'bias'];
const formula = (code: CauseCode, scale: Recipe['scale'], parts: readonly Part[] = ['formula']): Fault => ({
	code,
	parts,
	apply: (recipe) => ({ ...recipe, scale }),
});

function pick<T>(random: Random, choices: readonly T[]): T {
	return choices[Math.floor(random.uniform() * choices.length)];
}

/** A random permutation that moves at least two entries; often only those. */
function permutation(random: Random, length: number): number[] {
	const order = Array.from({ length }, (_, index) => index);
	const swaps = random.uniform() < 0.3 ? 1 : length;
	for (let swap = 0; swap < swaps; swap++) {
		const a = Math.floor(random.uniform() * length);
		const b = (a + 1 + Math.floor(random.uniform() * (length - 1))) % length;
		[order[a], order[b]] = [order[b], order[a]];
	}
	return order;
}

const reorder = (values: Float32Array, order: readonly number[]) => values.map((_, index) => values[order[index]]);

/** The same elements at the same places within their rows, rows in another order. */
function reorderRows(layer: RandomLayer, weight: Float32Array, order: readonly number[]): Float32Array {
	const rows: number[][] = Array.from({ length: layer.channels }, () => []);
	weight.forEach((_, index) => {
		rows[outputChannel(layer, index)].push(index);
	});
	const result = weight.slice();
	rows.forEach((indices, channel) => {
		indices.forEach((index, position) => {
			result[index] = weight[rows[order[channel]][position]];
		});
	});
	return result;
}

function toFloat16(value: number): number {
	const bits = float16Bits(value);
	const exponent = (bits >> 10) & 31;
	const fraction = bits & 1023;
	const magnitude =
		exponent === 31
			? Number.POSITIVE_INFINITY
			: exponent
				? (1 + fraction / 1024) * 2 ** (exponent - 15)
				: fraction * 2 ** -24;
	return bits & 0x8000 ? -magnitude : magnitude;
}

const toBfloat16 = (value: number) => new Float32Array(new Uint32Array([bfloat16Bits(value) << 16]).buffer)[0];

const rounding = (code: CauseCode, round: (value: number) => number): Fault => ({
	code,
	parts: ['rounding'],
	apply: (recipe) => ({
		...recipe,
		finish: (folded) => {
			const { weight, bias } = recipe.finish(folded);
			return { weight: weight.map(round), bias: bias.map(round) };
		},
	}),
});

/** Symmetric, per tensor or per output channel; biases stay float32, as runtimes keep them. */
function quantize(layer: RandomLayer, perTensor: boolean, { weight, bias }: Folded): Folded {
	const largest = new Float32Array(layer.channels);
	weight.forEach((value, index) => {
		const c = perTensor ? 0 : outputChannel(layer, index);
		largest[c] = Math.max(largest[c], Math.abs(value));
	});
	const quantized = weight.map((value, index) => {
		const step = f(largest[perTensor ? 0 : outputChannel(layer, index)] / 127);
		return step > 0 ? f(Math.round(value / step) * step) : 0;
	});
	return { weight: quantized, bias };
}

const EPSILONS = [1e-3, 1e-4, 1e-5, 1e-6, 0];

/** Scaled along the other axis of a square weight, or in an order that counts channels across the groups. */
function wrongChannel(layer: RandomLayer): (index: number) => number {
	const { dims, group, channels, op } = layer;
	const inner = dims.slice(2).reduce((a, b) => a * b, 1);
	const first = (index: number) => Math.floor(index / inner / dims[1]);
	const second = (index: number) => Math.floor(index / inner) % dims[1];
	if (op === 'ConvTranspose' && group > 1) {
		return (index) => second(index) * group + Math.floor(first(index) / (dims[0] / group));
	}
	const isFirst = op === 'Conv' || layer.transB;
	return (index) => (isFirst ? second(index) : first(index)) % channels;
}

export const FAULTS: readonly Fault[] = [
	rounding('rounding-fp16', toFloat16),
	rounding('rounding-bf16', toBfloat16),
	{
		code: 'quantized-int8',
		parts: ['rounding'],
		kinds: ['Conv', 'Conv1d', 'GroupedConv', 'ConvTranspose', 'GemmTransposed', 'Gemm'],
		apply: (recipe, layer, random) => {
			const perTensor = random.uniform() < 0.3;
			return { ...recipe, finish: (folded) => quantize(layer, perTensor, recipe.finish(folded)) };
		},
	},
	{
		code: 'wrong-epsilon',
		parts: ['epsilon'],
		apply: (recipe, layer, random) => {
			const others = EPSILONS.filter((epsilon) => f(epsilon) !== layer.epsilon);
			const epsilon = random.uniform() < 0.7 ? pick(random, others) : 10 ** (-6 + 5 * random.uniform());
			return { ...recipe, epsilon };
		},
	},
	{
		...formula('epsilon-outside-sqrt', (gamma, variance, epsilon) => f(gamma / f(f(Math.sqrt(variance)) + epsilon))),
		wishes: { smallVariances: true },
	},
	{
		...formula('epsilon-clamped', (gamma, variance, epsilon) => f(gamma / f(Math.sqrt(Math.max(variance, epsilon))))),
		wishes: { smallVariances: true },
	},
	{
		code: 'epsilon-applied-twice',
		parts: ['factor'],
		apply: (recipe) => ({ ...recipe, rescale: (scale) => f(scale / f(Math.sqrt(f(1 + recipe.epsilon)))) }),
	},
	formula('missing-sqrt', (gamma, variance, epsilon) => f(gamma / f(variance + epsilon))),
	{
		code: 'std-as-variance',
		parts: ['variance'],
		apply: (recipe) => ({ ...recipe, variance: recipe.variance.map(Math.sqrt) }),
	},
	formula('multiplied-by-std', (gamma, variance, epsilon) => f(gamma * f(Math.sqrt(f(variance + epsilon))))),
	formula('variance-ignored', (gamma) => gamma, ['formula', 'variance', 'epsilon']),
	{
		code: 'unbiased-variance',
		parts: ['variance'],
		apply: (recipe, _, random) => {
			const m = pick(random, [8, 32, 49, 64, 196, 512, 3136]);
			const k = random.uniform() < 0.5 ? m / (m - 1) : (m - 1) / m;
			return { ...recipe, variance: recipe.variance.map((value) => value * k) };
		},
	},
	{
		code: 'variance-scale-factor',
		parts: ['variance', 'mean'],
		apply: (recipe, _, random) => {
			const k = pick(random, [999.982, 1 / 999.982, 0.5 + random.uniform() / 3]);
			return { ...recipe, variance: recipe.variance.map((v) => v * k), mean: recipe.mean.map((m) => m * k) };
		},
	},
	{ code: 'gamma-dropped', parts: ['gamma'], apply: (recipe) => ({ ...recipe, gamma: recipe.gamma.map(() => 1) }) },
	{
		code: 'gamma-sign-lost',
		parts: ['gamma'],
		wishes: { negativeGammas: true },
		apply: (recipe) => ({ ...recipe, gamma: recipe.gamma.map(Math.abs) }),
	},
	{ code: 'beta-dropped', parts: ['beta'], apply: (recipe) => ({ ...recipe, betaTerm: () => 0 }) },
	{ code: 'mean-dropped', parts: ['mean'], apply: (recipe) => ({ ...recipe, meanTerm: () => 0 }) },
	{
		code: 'mean-sign-flipped',
		parts: ['mean'],
		apply: (recipe) => ({ ...recipe, meanTerm: (mean, scale) => -f(mean * scale) }),
	},
	{ code: 'mean-unscaled', parts: ['mean'], apply: (recipe) => ({ ...recipe, meanTerm: (mean) => mean }) },
	{
		code: 'conv-bias-dropped',
		parts: ['bias'],
		wishes: { bias: true },
		apply: (recipe) => ({ ...recipe, operatorTerm: () => 0 }),
	},
	{
		code: 'conv-bias-unscaled',
		parts: ['bias'],
		wishes: { bias: true },
		apply: (recipe) => ({ ...recipe, operatorTerm: (bias) => bias }),
	},
	{
		code: 'gemm-beta-reapplied',
		parts: ['bias', 'mean', 'beta'],
		kinds: ['Gemm', 'GemmTransposed'],
		wishes: { bias: true },
		apply: (recipe) => ({
			...recipe,
			finish: (folded) => {
				const { weight, bias } = recipe.finish(folded);
				return { weight, bias: bias.map((value) => f(value * GEMM_BETA)) };
			},
		}),
	},
	{ code: 'bias-not-folded', parts: BIAS_SIDE, apply: (recipe) => ({ ...recipe, foldsBias: false }) },
	{ code: 'weights-not-folded', parts: WEIGHT_SIDE, apply: (recipe) => ({ ...recipe, scalesWeights: false }) },
	{
		code: 'folded-twice',
		parts: ['formula', 'factor', 'gamma', 'order', ...BIAS_SIDE],
		apply: (recipe) => ({ ...recipe, times: 2 }),
	},
	{
		code: 'initial-statistics',
		parts: ['variance', 'mean'],
		apply: (recipe) => ({ ...recipe, variance: recipe.variance.map(() => 1), mean: recipe.mean.map(() => 0) }),
	},
	{
		code: 'stale-statistics',
		parts: ['variance', 'mean', 'formula', 'epsilon', 'factor', 'gamma', 'order'],
		apply: (recipe, _, random) => ({
			...recipe,
			variance: recipe.variance.map((value) => value * Math.exp(0.4 * random.normal())),
			mean: recipe.mean.map((value, c) => value + 0.3 * Math.sqrt(recipe.variance[c]) * random.normal()),
		}),
	},
	{
		code: 'parameters-permuted',
		parts: ['order'],
		apply: (recipe, layer, random) => {
			const order = permutation(random, layer.channels);
			const [gamma, beta] = [reorder(recipe.gamma, order), reorder(recipe.beta, order)];
			return { ...recipe, gamma, beta, mean: reorder(recipe.mean, order), variance: reorder(recipe.variance, order) };
		},
	},
	{
		code: 'channels-permuted',
		parts: ['order'],
		apply: (recipe, layer, random) => {
			const order = permutation(random, layer.channels);
			const finish = (folded: Folded) => {
				const bias = reorder(folded.bias, order);
				return recipe.finish({ weight: reorderRows(layer, folded.weight, order), bias });
			};
			return { ...recipe, finish };
		},
	},
	{
		code: 'wrong-axis',
		parts: ['order'],
		kinds: ['Conv', 'Conv1d', 'ConvTranspose', 'GroupedConvTranspose', 'Gemm', 'GemmTransposed', 'MatMul'],
		wishes: { square: true },
		apply: (recipe, layer) => ({ ...recipe, channelOf: wrongChannel(layer) }),
	},
];

/** Gemm's beta in layers that are to be folded with it applied twice. */
export const GEMM_BETA = 0.5;

/** Damage that no cause of the catalog describes: the diagnosis must say so. */
export const UNEXPLAINED: Readonly<Record<string, Fault['apply']>> = {
	noise: (recipe, _, random) => ({
		...recipe,
		finish: (folded) => {
			const size = 10 ** (-4 + 3 * random.uniform());
			const shake = (value: number) => f(value * (1 + size * random.normal()));
			const { weight, bias } = recipe.finish(folded);
			return { weight: weight.map(shake), bias: bias.map(shake) };
		},
	}),
	'edited weight': (recipe, _, random) => ({
		...recipe,
		finish: (folded) => {
			const { weight, bias } = recipe.finish(folded);
			const edited = weight.slice();
			edited[Math.floor(random.uniform() * weight.length)] += 0.1;
			return { weight: edited, bias };
		},
	}),
	'edited bias': (recipe, _, random) => ({
		...recipe,
		finish: (folded) => {
			const { weight, bias } = recipe.finish(folded);
			const edited = bias.slice();
			edited[Math.floor(random.uniform() * bias.length)] += 0.1;
			return { weight, bias: edited };
		},
	}),
	'other weights': (recipe, _, random) => ({
		...recipe,
		finish: ({ weight, bias }) => {
			const size = Math.sqrt(weight.reduce((sum, value) => sum + value * value, 0) / weight.length);
			return { weight: weight.map(() => size * random.normal()), bias: bias.map(() => 0.5 * random.normal()) };
		},
	}),
	// Scaling of the input, say, that went into the weights: the bias stays right.
	'scaled weights': (recipe, _, random) => ({
		...recipe,
		finish: (folded) => {
			const { weight, bias } = recipe.finish(folded);
			const factor = pick(random, [1 / 255, 1 / 256, 1 / 127.5, 0.1, 0.5, 1.3, 2, 10]);
			return { weight: weight.map((value) => f(value * factor)), bias };
		},
	}),
};
