import { isConstant } from '../onnx/graph/constants.js';
import type { Scope } from '../onnx/graph/scope.js';
import type { Node } from '../onnx/model.js';
import type { BatchNormLayer } from './layer.js';

/** Operators with an output that is a linear function of their data, apart from an added constant. */
const LINEAR: ReadonlySet<string> = new Set([
	...['Conv', 'ConvTranspose', 'Gemm', 'MatMul', 'AveragePool', 'BatchNormalization'],
	...['Add', 'Sub', 'Mul', 'Div', 'Pad', 'Slice', 'Concat', 'Transpose', 'Reshape', 'Cast', 'Identity', 'Dropout'],
]);
/** Maximum number of nodes between a layer and the model's input. */
const MAX_NODES = 32;

/**
 * True if a layer's input is a linear function of the model's inputs: only linear operators with constants stand between.
 * Then all channels of an image share the image's contrast.
 */
export function isNearInput({ scope, input }: Pick<BatchNormLayer, 'scope' | 'input'>): boolean {
	const queue: { readonly scope: Scope; readonly name: string }[] = [{ scope, name: input }];
	const seen = new Set<Node>();
	for (const at of queue) {
		const definition = at.scope.lookup(at.name);
		if (definition.kind === 'input' && definition.owner === undefined) {
			continue;
		}
		if (definition.kind !== 'node' || seen.size >= MAX_NODES) {
			return false;
		}
		const { node, scope: place } = definition;
		const data = node.inputs.filter((name) => name !== '' && !isConstant(place, name));
		const isProduct = node.opType === 'Mul' || node.opType === 'Div' || node.opType === 'MatMul';
		if (node.domain !== '' || !LINEAR.has(node.opType) || (isProduct && data.length !== 1)) {
			return false;
		}
		if (!seen.has(node)) {
			seen.add(node);
			queue.push(...data.map((name) => ({ scope: place, name })));
		}
	}
	return true;
}
