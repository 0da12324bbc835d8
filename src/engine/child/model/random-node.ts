import { Scope } from '../../../core/onnx/graph/scope.js';
import { nodesInOrder } from '../../../core/onnx/graph/traverse.js';
import type { Model, Node } from '../../../core/onnx/model.js';

const RANDOM: ReadonlySet<string> = new Set([
	'RandomNormal',
	'RandomNormalLike',
	'RandomUniform',
	'RandomUniformLike',
	'Multinomial',
	'Bernoulli',
]);

/**
 * Returns the first node with an output that differs from run to run: a generator, or a Dropout that may be in training
 * mode.
 */
export function randomNode(model: Model): Node | undefined {
	const opset = Scope.ofModel(model).opset();
	for (const { node } of nodesInOrder(model)) {
		const isRandom = node.domain === '' && (RANDOM.has(node.opType) || isRandomDropout(node, opset));
		if (isRandom) {
			return node;
		}
	}
	return undefined;
}

/** From opset 12 on a third input switches training mode on; in opsets 1 and 6 the attribute is_test switches it off. */
function isRandomDropout(node: Node, opset: number): boolean {
	if (node.opType !== 'Dropout') {
		return false;
	}
	return opset >= 12 ? (node.inputs[2] ?? '') !== '' : opset < 7 && node.attributes.get('is_test')?.i !== 1;
}
