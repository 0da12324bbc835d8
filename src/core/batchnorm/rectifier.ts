import type { ConstantResolver } from '../onnx/graph/constants.js';
import type { BatchNormLayer } from './layer.js';

/**
 * True if a layer's readers pass no value below 0: every reader is a Relu, or a Clip from 0 on (ReLU6, as exporters
 * write it).
 * @throws {OnnxError} `io`
 */
export async function isRectified(
	{ scope, consumers, isGraphOutput, output }: BatchNormLayer,
	constants: ConstantResolver,
): Promise<boolean> {
	if (consumers.length === 0 || isGraphOutput) {
		return false;
	}
	for (const node of consumers) {
		const clips = node.opType === 'Clip' && node.domain === '' && node.inputs[0] === output;
		// Up to opset 10 the limits were attributes.
		const least = clips ? (scope.attribute(node, 'min')?.f ?? (await value(node.inputs[1] ?? ''))) : undefined;
		if (!(node.opType === 'Relu' && node.domain === '') && least !== 0) {
			return false;
		}
	}
	return true;

	async function value(name: string): Promise<number | undefined> {
		const { tensor } = await constants.resolve(scope, name);
		return tensor?.data.length === 1 ? tensor.data[0] : undefined;
	}
}
