/**
 * A folding tool that can be broken in every way the catalog lists. It computes in float32 step by step, as converters
 * do, and shares no formula with the code under test.
 */
import { outputChannel, type RandomLayer } from './layers.js';

/** What the tool does; {@link rightRecipe} is a correct fold, faults replace parts of it. */
export interface Recipe {
	readonly epsilon: number;
	readonly gamma: Float32Array;
	readonly beta: Float32Array;
	readonly mean: Float32Array;
	readonly variance: Float32Array;
	readonly bias: Float32Array;
	readonly scale: (gamma: number, variance: number, epsilon: number) => number;
	/** Applied to each scale afterwards. */
	readonly rescale: (scale: number) => number;
	/** Channel whose scale multiplies an element of the weight. */
	readonly channelOf: (index: number) => number;
	/** The terms of the bias. */
	readonly operatorTerm: (bias: number, scale: number) => number;
	readonly meanTerm: (mean: number, scale: number) => number;
	readonly betaTerm: (beta: number) => number;
	/** Whether weights are multiplied, the bias is changed, and how many times all is done. */
	readonly scalesWeights: boolean;
	readonly foldsBias: boolean;
	readonly times: 1 | 2;
	/** The finished tensors, in the order of channels and with the rounding that they are stored with. */
	readonly finish: (folded: Folded) => Folded;
}

export interface Folded {
	readonly weight: Float32Array;
	readonly bias: Float32Array;
}

const f = Math.fround;

export function rightRecipe(layer: RandomLayer): Recipe {
	return {
		epsilon: layer.epsilon,
		gamma: layer.gamma,
		beta: layer.beta,
		mean: layer.mean,
		variance: layer.variance,
		bias: layer.bias ?? new Float32Array(layer.channels),
		scale: (gamma, variance, epsilon) => f(gamma / f(Math.sqrt(f(variance + epsilon)))),
		rescale: (scale) => scale,
		channelOf: (index) => outputChannel(layer, index),
		operatorTerm: (bias, scale) => f(bias * scale),
		meanTerm: (mean, scale) => f(mean * scale),
		betaTerm: (beta) => beta,
		scalesWeights: true,
		foldsBias: true,
		times: 1,
		finish: (folded) => folded,
	};
}

export function runTool(layer: RandomLayer, recipe: Recipe): Folded {
	let { weight } = layer;
	let { bias } = recipe;
	const { gamma, variance, mean, beta } = recipe;
	const scale = gamma.map((value, c) => recipe.rescale(recipe.scale(value, variance[c], recipe.epsilon)));
	for (let time = 0; time < recipe.times; time++) {
		if (recipe.scalesWeights) {
			weight = weight.map((w, index) => f(w * scale[recipe.channelOf(index)]));
		}
		if (recipe.foldsBias) {
			bias = bias.map((b, c) =>
				f(f(recipe.operatorTerm(b, scale[c]) - recipe.meanTerm(mean[c], scale[c])) + recipe.betaTerm(beta[c])),
			);
		}
	}
	return recipe.finish({ weight, bias });
}
