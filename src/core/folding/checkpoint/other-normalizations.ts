import { nodesInOrder } from '../../onnx/graph/traverse.js';
import type { LinearOperator } from '../operators/linear.js';
import type { Network } from '../targets/network.js';
import { Upstream } from '../targets/upstream.js';
import type { LayerValues } from './layer-values.js';
import type { PairedWeight } from './read-weights.js';

/** Normalizations with a scale and a bias for each channel as inputs 1 and 2. */
const NORMALIZATIONS: ReadonlySet<string> = new Set(['InstanceNormalization', 'GroupNormalization']);
/** Largest difference of a scale or a bias that counts as equal: rounding to float16. */
const SAME = 2 ** -11;

/** Form in which the deployed model has a layer that cannot be compared. */
export interface OtherNormalization {
	readonly opType: string;
	/** True for a batch normalization whose parameters are computed as the model runs. */
	readonly isComputed: boolean;
}

/**
 * Finds the layers of a checkpoint that the deployed model has as another normalization: nn.InstanceNorm2d with
 * track_running_stats has the names of a batch normalization. Scale and bias must be the layer's; those of an untrained
 * layer, 1 and 0, count only with its name or behind its own operator. PyTorch exports such a layer in inference as a
 * BatchNormalization that repeats the parameters for each image, so they are computed.
 * @returns the deployed form, by the layer's index
 */
export async function findOtherNormalizations(
	layers: readonly LayerValues[],
	deployed: Network,
	paired: readonly PairedWeight[],
): Promise<ReadonlyMap<number, OtherNormalization>> {
	const { model, weights, operators } = deployed;
	const found = new Map<number, OtherNormalization>();
	const byNode = new Map(
		operators.flatMap((operator) => [operator.node, operator.last].map((node) => [node, operator])),
	);
	const upstream = new Upstream(({ node }) => byNode.get(node));
	const ownWeights = (places: ReadonlySet<LinearOperator>) =>
		paired.flatMap(({ pair, reading }) => (places.has(pair.deployed) ? [reading.weight] : []));
	for (const { scope, node } of nodesInOrder(model)) {
		const [input = '', scale = '', bias = ''] = NORMALIZATIONS.has(node.opType) ? node.inputs : [];
		const candidates = scale === '' ? [] : layers.filter(({ index }) => !found.has(index));
		const own = candidates.length > 0 ? ownWeights(upstream.of(scope, [input])) : [];
		for (const { layer, index, parameters } of candidates) {
			const { channels, name, front } = layer;
			const isNamed = scale.endsWith(`${name}.weight`) || scale.endsWith(`${name}/gamma`);
			const isTrained = parameters.gamma.some((value) => value !== 1) || parameters.beta.some((value) => value !== 0);
			const isBehindOwn = front[0]?.layersBetween === 0 && own.includes(front[0].weight);
			const values = [scale, bias].map((each) => weights.perChannel(scope, each, channels));
			const [gamma, beta] = await Promise.all(isNamed || isTrained || isBehindOwn ? values : []);
			if (isSame(gamma, parameters.gamma) && isSame(beta, parameters.beta)) {
				found.set(index, { opType: node.opType, isComputed: false });
				break;
			}
		}
	}
	for (const layer of deployed.layers.filter(({ kind, mean }) => kind === 'batchnorm' && !mean.values)) {
		const own = ownWeights(deployed.beforeLayer.get(layer) ?? new Set());
		const match = layers.find(({ index, layer: { front } }) => {
			return !found.has(index) && front[0]?.layersBetween === 0 && own.includes(front[0].weight);
		});
		if (match) {
			found.set(match.index, { opType: layer.node.opType, isComputed: true });
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
