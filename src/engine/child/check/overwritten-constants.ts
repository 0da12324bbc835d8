import type { BatchNormLayer, Parameter } from '../../../core/batchnorm/layer.js';
import type { Kernel } from '../../../kernel/types.js';
import type { RuntimeTensor } from '../tensors/tensor.js';
import { normalizeBatch, type PreparedLayer } from './prepare-layer.js';
import { updatedStatistics } from './running-statistics.js';
import { badChannels, verifyLayer } from './verify-layer.js';

/**
 * Why the output of a training-mode layer is not what its file says: the runtime writes the new running statistics over
 * the old ones before it computes y, and where scale or shift are the same tensor, with these. One sentence, and only
 * when y is just what comes of that; undefined else.
 */
export function explainOverwritten(
	layer: BatchNormLayer,
	prepared: PreparedLayer,
	y: RuntimeTensor | undefined,
	kernel: Kernel,
): string | undefined {
	const updated = updatedStatistics(layer, prepared);
	const { shown, moments } = prepared;
	if (!updated || !shown || !moments) {
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
	const { parameters } = shown;
	const used = { gamma: gamma?.values ?? parameters.gamma, beta: beta?.values ?? parameters.beta };
	const numbers = normalizeBatch({ ...used, epsilon: layer.epsilon }, moments, prepared);
	// The overwritten values are known to the rounding of sums over the batch only: as much again as the bound allows.
	const bound = { slope: numbers.bound.slope.map((x) => 2 * x), offset: numbers.bound.offset.map((x) => 2 * x) };
	const result = verifyLayer({ ...prepared, ...numbers, bound }, y, kernel);
	if (!('maxAbs' in result) || badChannels(result.maxBoundRatio).length > 0) {
		return undefined;
	}
	const pairs = [gamma && `gamma and ${gamma.name}`, beta && `beta and ${beta.name}`].filter(
		(pair) => pair !== undefined,
	);
	const [one, them] = pairs.length === 1 ? ['are one tensor', 'it'] : ['are one tensor each', 'them'];
	return `That is what comes of tensors that the file shares: ${pairs.join(' as well as ')} ${one}, and the runtime had overwritten ${them} with the new running statistics before it scaled and shifted.`;
}

function isSameTensor(a: Parameter, b: Parameter): boolean {
	const origin = ({ origin: from, name }: Parameter) => ('name' in from ? from.name : name);
	return a.name === b.name || origin(a) === origin(b);
}
