import type { BatchNormLayer } from '../batchnorm/layer.js';
import type { OperatorPair } from '../folding/pairing/pairing.js';
import type { MatchedNetworks } from '../folding/pairing/partners.js';
import type { GraphEditor } from '../folding/rewrite/graph-editor.js';
import { isPaddedForward } from '../folding/targets/forward.js';
import type { DataTypeName } from '../onnx/model.js';
import { removedLayers } from './right-constants.js';

/** First operator set whose BatchNormalization has no other attributes than now. */
const PLAIN_OPSET = 9;

/**
 * Returns the layer that was folded forward into an operator that pads its input. No weights make that right at the border,
 * where zeros stand for the layer's shift.
 */
export function paddedForward(models: MatchedNetworks, { original }: OperatorPair): BatchNormLayer | undefined {
	const { forward } = removedLayers(models, original);
	return forward && isPaddedForward(forward, original) ? forward : undefined;
}

/** Returns the reason, as a clause, why the layer cannot stand in front of the deployed operator again. */
export function unrestorableReason(layer: BatchNormLayer, { original, deployed }: OperatorPair): string | undefined {
	const { scope, node } = deployed;
	const values = [layer.gamma, layer.beta, layer.mean, layer.variance].map((parameter) => parameter.values);
	const isPlain =
		layer.kind === 'batchnorm' && layer.axes === 'channel' && layer.channelAxis === 1 && layer.mode === 'inference';
	if (!isPlain || values.includes(null) || original.node.inputs[0] !== layer.output) {
		return 'the original has the layer in a form that is not written';
	}
	if (node.opType !== 'Conv' || node.domain !== '' || scope.producer(node.inputs[0])?.opType === 'DequantizeLinear') {
		return 'the deployed operator is quantized or fused';
	}
	return scope.opset('') < PLAIN_OPSET ? `the deployed model has an operator set before ${PLAIN_OPSET}` : undefined;
}

/** Adds the layer in front of the deployed operator. @returns the change as a clause */
export function restoreLayer(
	editor: GraphEditor,
	{ gamma, beta, mean, variance, epsilon }: BatchNormLayer,
	{ deployed: { scope, node, name: operator } }: OperatorPair,
	dtype: DataTypeName,
): string {
	const parameters = Object.entries({ gamma, beta, mean, variance }).map(([role, { values }]) => {
		const tensor = { dims: [values?.length ?? 0], dtype, values: values ?? new Float64Array() };
		return editor.addConstant(scope, `${node.outputs[0]}_${role}`, tensor, node);
	});
	const inputs = [node.inputs[0], ...parameters];
	editor.insertInput(scope, node, 0, { opType: 'BatchNormalization', inputs, floats: { epsilon } });
	return `the layer put back in front of ${operator}, which pads its input`;
}
