import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import type { MatchedNetworks } from '../../../core/folding/pairing/partners.js';
import { readFoldNetwork } from '../../../core/folding/targets/network.js';
import type { FoldTarget } from '../../../core/folding/targets/target.js';
import type { LayerComparison } from '../../../core/report/comparison/comparison.js';
import { namesRead } from '../model/node-net.js';
import type { OpenedModel } from '../model/opened-model.js';

/** Tensors around the linear operators that layers fold into. */
export interface FoldTensors {
	/** Layer -> tensor that enters the operator that it folds into. */
	readonly inputs: ReadonlyMap<BatchNormLayer, string>;
	/** Tensor between an operator and its layer -> the layer's output. */
	readonly inner: ReadonlyMap<string, string>;
}

/**
 * Returns the original tensors between operators and the layers that were folded into them, without those with other readers.
 * @param layers verdicts on the layers, by layer index
 */
export function foldedTensors(
	{ original }: Pick<MatchedNetworks, 'original'>,
	layers: readonly Pick<LayerComparison, 'status'>[],
): ReadonlySet<string> {
	const folded = original.layers.filter((_, index) => layers[index].status === 'match');
	const { nodes, outputs } = original.model.graph;
	const readers = new Map<string, number>(outputs.map(({ name }) => [name, 1]));
	for (const name of nodes.flatMap((node) => [...namesRead(node)])) {
		readers.set(name, (readers.get(name) ?? 0) + 1);
	}
	const between = folded.flatMap((layer) => tensorsBetween(original.targets.get(layer)));
	return new Set(between.filter((name) => readers.get(name) === 1));
}

function tensorsBetween(target: FoldTarget | undefined): readonly string[] {
	return target ? [target.operator.output, ...target.path.flatMap(({ node }) => node.outputs)] : [];
}

/** Finds the tensors that a fold makes disappear, and those that enter it. Layers of the main graph only. */
export async function foldTensors({ model, layers, access }: OpenedModel): Promise<FoldTensors> {
	const { targets } = await readFoldNetwork({ model, layers, access }, () => undefined);
	const inputs = new Map<BatchNormLayer, string>();
	const inner = new Map<string, string>();
	for (const [layer, target] of targets) {
		const [input = ''] = target.operator.node.inputs;
		inputs.set(layer, input);
		for (const name of tensorsBetween(target)) {
			inner.set(name, layer.output);
		}
	}
	return { inputs, inner };
}
