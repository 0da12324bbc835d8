import { nodesInOrder } from '../../onnx/graph/traverse.js';
import type { Network } from '../targets/network.js';
import type { LayerValues } from './layer-values.js';

/** Normalizations with a scale and a bias for each channel as inputs 1 and 2. */
const NORMALIZATIONS: ReadonlySet<string> = new Set(['InstanceNormalization', 'GroupNormalization']);
/** Largest difference of a scale or a bias that counts as equal: rounding to float16. */
const SAME = 2 ** -11;

/**
 * Finds the layers of a checkpoint that the deployed model has as another normalization: nn.InstanceNorm2d with
 * track_running_stats has the names of a batch normalization. Scale and bias must be the layer's; those of an untrained
 * layer, 1 and 0, count only with its name.
 * @returns the type of the deployed node, by the layer's index
 */
export async function findOtherNormalizations(
	layers: readonly LayerValues[],
	{ model, weights }: Network,
): Promise<ReadonlyMap<number, string>> {
	const found = new Map<number, string>();
	for (const { scope, node } of nodesInOrder(model)) {
		const [, scale = '', bias = ''] = NORMALIZATIONS.has(node.opType) ? node.inputs : [];
		const candidates = scale === '' ? [] : layers.filter(({ index }) => !found.has(index));
		for (const { layer, index, parameters } of candidates) {
			const { channels, name } = layer;
			const isNamed = scale.endsWith(`${name}.weight`) || scale.endsWith(`${name}/gamma`);
			const isTrained = parameters.gamma.some((value) => value !== 1) || parameters.beta.some((value) => value !== 0);
			const values = [scale, bias].map((each) => weights.perChannel(scope, each, channels));
			const [gamma, beta] = await Promise.all(isNamed || isTrained ? values : []);
			if (isSame(gamma, parameters.gamma) && isSame(beta, parameters.beta)) {
				found.set(index, node.opType);
				break;
			}
		}
	}
	return found;
}

function isSame(found: Float64Array | undefined, expected: Float64Array): boolean {
	return (
		found?.length === expected.length &&
		found.every((value, channel) => Math.abs(value - expected[channel]) <= SAME * Math.max(1, Math.abs(value)))
	);
}
