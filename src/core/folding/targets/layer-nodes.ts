import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { isConstant } from '../../onnx/graph/constants.js';
import type { Node } from '../../onnx/model.js';

/** The nodes that make up a layer, the last one first: one, or for a decomposed layer the chain back to its input. */
export function layerNodes({ kind, scope, node, input }: BatchNormLayer): Node[] {
	const nodes: Node[] = [];
	for (let at: Node | undefined = node; at; ) {
		nodes.push(at);
		const data: string | undefined = at.inputs.find((name) => !isConstant(scope, name));
		at = kind === 'batchnorm' || data === input ? undefined : scope.producer(data ?? '');
	}
	return nodes;
}
