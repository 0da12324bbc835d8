import type { FindingCode } from '../types.js';

/** What a finding means, for tools that list rules. */
export interface Rule {
	/** A few words. */
	readonly title: string;
	/** What it means and what to do, in one or two sentences. */
	readonly help: string;
}

export const RULES: Readonly<Record<FindingCode, Rule>> = {
	'non-finite': {
		title: 'Parameters that are NaN or infinite',
		help: 'The channel outputs NaN or infinity for every input. Look for divergence in training or an overflow in conversion.',
	},
	'negative-variance': {
		title: 'Negative running variance',
		help: 'No data has a negative variance: the file was damaged or parameters were swapped in conversion.',
	},
	'zero-variance': {
		title: 'Running variance of zero',
		help: 'The channel was constant in training: scale is gamma / sqrt(epsilon), so any change of its input is magnified.',
	},
	'never-updated': {
		title: 'Statistics that were never trained',
		help: 'Running mean 0 and variance 1 are what a layer starts with. Load the trained weights, or run in training mode before exporting.',
	},
	'dead-channel': {
		title: 'Dead channel',
		help: 'Gamma is next to nothing, so the channel outputs beta whatever its input. It can be pruned.',
	},
	'constant-channel': {
		title: 'Channel that a ReLU always cuts off, or never',
		help: 'The rectifier after the layer does nothing for it, or outputs 0 always. It can be simplified or pruned.',
	},
	'epsilon-dominated': {
		title: 'Variance below epsilon',
		help: 'Epsilon rules the scale of the channel: a tool with another epsilon computes something else.',
	},
	'exploding-scale': {
		title: 'Exploding scale',
		help: 'The scale is far above that of the other channels: folded weights lose accuracy when they are quantized per tensor.',
	},
	'training-mode': {
		title: 'Layer in training mode',
		help: 'It normalizes by the statistics of the batch, so results depend on what else is in it. Export the model in evaluation mode.',
	},
	'per-activation': {
		title: 'One mean and variance for each activation',
		help: 'The layer does not normalize over the spatial axes (spatial=0, or a flattened input): most runtimes cannot do that, and it cannot fold.',
	},
	'statistics-drift': {
		title: 'Running statistics that do not fit the data',
		help: 'The input given differs from what was seen in training: check the preprocessing, or recalibrate the statistics.',
	},
	'recompute-mismatch': {
		title: 'The runtime computes something else',
		help: 'The output of the runtime differs from the float64 recomputation by more than rounding.',
	},
	'runtime-fusion-mismatch': {
		title: 'A fusion of the runtime changes the result',
		help: 'With its graph optimizations the runtime computes something else than without. Switch them off to confirm.',
	},
	'unused-by-runtime': {
		title: 'Not used by the runtime',
		help: 'Nothing that the model outputs depends on the layer.',
	},
};

export const RULE_CODES = Object.keys(RULES) as readonly FindingCode[];
