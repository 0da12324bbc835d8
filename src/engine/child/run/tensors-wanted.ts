import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import { ShapeInference } from '../../../core/onnx/graph/infer.js';
import { typeCode } from '../../../core/onnx/types.js';
import { runTimeParameters } from '../model/run-time-parameters.js';

/** What recomputing a layer takes from a run: x, and the parameters that only a run knows. */
export function inputTensors(layer: BatchNormLayer): string[] {
	return existing(layer, [layer.input, ...runTimeParameters(layer).map(({ name }) => name)]);
}

/**
 * What checking a layer takes: the same, y, and the statistics that training mode puts out. Statistics that the model
 * keeps to itself stay there: the runtime writes those over its constants, and would not if they were asked for.
 */
export function checkedTensors(layer: BatchNormLayer): string[] {
	const statistics = layer.kind === 'batchnorm' && layer.mode === 'training' ? layer.node.outputs.slice(1) : [];
	const outputs = [layer.output, ...statistics.filter((name) => layer.scope.isOutput(name))];
	return existing(layer, [...inputTensors(layer), ...outputs]);
}

/** Asked for what nothing writes, the runtime would speak of that, and not of what is wrong with the model. */
function existing({ scope }: BatchNormLayer, names: readonly string[]): string[] {
	return [...new Set(names)].filter((name) => scope.lookup(name).kind !== 'none');
}

/** Tells the tensors around these layers that are bfloat16, as far as the file tells. */
export function bfloat16Tensors(layers: readonly BatchNormLayer[]): (name: string) => boolean {
	const shapes = new ShapeInference();
	const scope = layers.find(({ graphPath }) => graphPath === '')?.scope;
	const declared = new Set(
		layers.filter(({ dtype }) => dtype === 'bfloat16').flatMap((layer) => [layer.input, layer.output]),
	);
	const code = typeCode('bfloat16');
	return (name) => declared.has(name) || (scope !== undefined && shapes.of(scope, name).dataType === code);
}
