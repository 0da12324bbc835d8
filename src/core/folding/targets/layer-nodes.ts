import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { isConstant } from '../../onnx/graph/constants.js';
import type { Node } from '../../onnx/model.js';

/**
 * Returns the nodes of a layer, the last node first: a single node, or the chain of a decomposed layer back to its
 * input.
 */
export function layerNodes({ kind, scope, node, input }: BatchNormLayer): Node[] {
	const nodes: Node[] = [];
	for (let at: Node | undefined = node; at; ) {
		nodes.push(at);
		const data: string | undefined = at.inputs.find((name) => !isConstant(scope, name));
		at = kind === 'batchnorm' || data === input ? undefined : scope.producer(data ?? '');
	}
	return nodes;
}
