import { withRoundedInput } from '../../../core/batchnorm/bound.js';
import type { BatchNormLayer, Parameter } from '../../../core/batchnorm/layer.js';
import { isSameTensor } from '../../../core/batchnorm/parameters.js';
import type { Kernel } from '../../../kernel/types.js';
import type { RuntimeTensor } from '../tensors/tensor.js';
import { normalizeBatch, type PreparedLayer } from './prepare-layer.js';
import { updatedStatistics } from './running-statistics.js';
import { badChannels, verifyLayer } from './verify-layer.js';

/**
 * Explains a wrong output of a training-mode layer by shared tensors. The runtime writes the new running statistics
 * over the old before it computes y. If the file has the same tensor for gamma or beta, it uses them there.
 * @returns a sentence if y is exactly the result of that; undefined otherwise
 */
export function explainOverwritten(
	layer: BatchNormLayer,
	prepared: PreparedLayer,
	y: RuntimeTensor | undefined,
	kernel: Kernel,
): string | undefined {
	const updated = updatedStatistics(layer, prepared);
	const { reported, moments } = prepared;
	if (!updated || !reported || !moments) {
		return undefined;
	}
	const statistics = [
		{ parameter: layer.mean, name: 'the running mean', values: updated.mean },
		{ parameter: layer.variance, name: 'the running variance', values: updated.variance },
	];
	const shared = (own: Parameter) => statistics.find(({ parameter }) => isSameTensor(parameter, own));
	const [gamma, beta] = [shared(layer.gamma), shared(layer.beta)];
	if (!gamma && !beta) {
		return undefined;
	}
	const { parameters } = reported;
	const used = { gamma: gamma?.values ?? parameters.gamma, beta: beta?.values ?? parameters.beta };
	const numbers = normalizeBatch({ ...used, epsilon: layer.epsilon }, moments, prepared);
	// The new statistics have the rounding errors of sums over the batch, about as much as the bound allows.
	const { roundedTo } = prepared;
	const own = roundedTo ? withRoundedInput(numbers.bound, numbers.scale, roundedTo) : numbers.bound;
	const bound = { slope: own.slope.map((x) => 2 * x), offset: own.offset.map((x) => 2 * x) };
	const result = verifyLayer({ ...prepared, ...numbers, bound }, y, kernel);
	if (!result.ok || badChannels(result.value.boundRatio).length > 0) {
		return undefined;
	}
	const pairs = [gamma && `gamma and ${gamma.name}`, beta && `beta and ${beta.name}`].filter(
		(pair) => pair !== undefined,
	);
	return `The file uses one tensor for ${pairs.join(' and one for ')}; the runtime overwrote ${pairs.length === 1 ? 'it' : 'them'} with the new running statistics before computing y.`;
}
