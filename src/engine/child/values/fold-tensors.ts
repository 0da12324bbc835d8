import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import { readFoldNetwork } from '../../../core/folding/targets/network.js';
import type { OpenedModel } from '../model/opened-model.js';

/** Tensors around the linear operators that layers fold into. */
export interface FoldTensors {
	/** Layer -> tensor that enters the operator that it folds into. */
	readonly inputs: ReadonlyMap<BatchNormLayer, string>;
	/** Tensor between an operator and its layer -> the layer's output. */
	readonly inner: ReadonlyMap<string, string>;
}

/** Finds the tensors that a fold makes disappear, and those that enter it. Layers of the main graph only. */
export async function foldTensors({ model, layers, access }: OpenedModel): Promise<FoldTensors> {
	const { targets } = await readFoldNetwork({ model, layers, access }, () => undefined);
	const inputs = new Map<BatchNormLayer, string>();
	const inner = new Map<string, string>();
	for (const [layer, { operator, path }] of targets) {
		const [input = ''] = operator.node.inputs;
		inputs.set(layer, input);
		for (const name of [operator.output, ...path.flatMap(({ node }) => node.outputs)]) {
			inner.set(name, layer.output);
		}
	}
	return { inputs, inner };
}
