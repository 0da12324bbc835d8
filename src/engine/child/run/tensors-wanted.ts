import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import { ShapeInference } from '../../../core/onnx/graph/infer.js';
import { typeCode } from '../../../core/onnx/types.js';
import { runTimeParameters } from '../model/run-time-parameters.js';

/** Returns the tensors that recomputing a layer needs from a run: x, and the parameters that only a run determines. */
export function inputTensors(layer: BatchNormLayer): string[] {
	return existing(layer, [layer.input, ...runTimeParameters(layer).map(({ name }) => name)]);
}

/**
 * Returns the tensors that checking a layer needs: its inputs, y, and the statistics that training mode outputs. Only
 * statistics that are outputs of the model: the runtime writes others over its constants, but not if they are fetched.
 */
export function checkedTensors(layer: BatchNormLayer): string[] {
	const statistics = layer.kind === 'batchnorm' && layer.mode === 'training' ? layer.node.outputs.slice(1) : [];
	const outputs = [layer.output, ...statistics.filter((name) => layer.scope.isOutput(name))];
	return existing(layer, [...inputTensors(layer), ...outputs]);
}

/** Leaves out names without a writer: the runtime would complain about them instead of the model's real fault. */
function existing({ scope }: BatchNormLayer, names: readonly string[]): string[] {
	return [...new Set(names)].filter((name) => scope.lookup(name).kind !== 'none');
}

/** Returns a test for tensors of the main graph that are bfloat16 by their declared or inferred type. */
export function bfloat16Tensors(layers: readonly BatchNormLayer[]): (name: string) => boolean {
	const shapes = new ShapeInference();
	const scope = layers.find(({ graphPath }) => graphPath === '')?.scope;
	const declared = new Set(
		layers.filter(({ dtype }) => dtype === 'bfloat16').flatMap((layer) => [layer.input, layer.output]),
	);
	const code = typeCode('bfloat16');
	return (name) => declared.has(name) || (scope !== undefined && shapes.of(scope, name).dataType === code);
}
