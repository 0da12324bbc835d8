import type { ConstantResolver } from '../onnx/graph/constants.js';
import type { ShapeInference } from '../onnx/graph/infer.js';
import type { Scope } from '../onnx/graph/scope.js';
import type { Node } from '../onnx/model.js';
import { typeName } from '../onnx/types.js';
import type { BatchNormLayer } from './layer.js';
import type { ParameterReader } from './parameters.js';

/** State that the search shares between the layers of a model. */
export interface LayerContext {
	readonly constants: ConstantResolver;
	readonly parameters: ParameterReader;
	readonly shapes: ShapeInference;
}

/** Describes a layer's surroundings in the graph. `node` writes its output, and `input` is its X. */
export function placeOf(scope: Scope, node: Node, input: string, shapes: ShapeInference) {
	const output = node.outputs[0] ?? '';
	const definition = scope.lookup(input);
	// Y has X's type and shape, and graph outputs are always declared.
	const [x, y] = [shapes.of(scope, input), scope.declared(output)];
	return {
		graphPath: scope.path,
		graph: scope.graph,
		scope,
		node,
		input,
		output,
		opset: scope.opset(),
		dtype: typeName(x.dataType || y?.dataType || 0),
		inputShape: moreKnown(x.shape, y?.shape),
		source: definition.kind === 'node' ? definition.node : null,
		consumers: scope.consumers(output),
		isGraphOutput: scope.isOutput(output),
	};
}

/** Returns the description of a shape with more fixed dimensions. */
function moreKnown(a: BatchNormLayer['inputShape'], b: BatchNormLayer['inputShape']): BatchNormLayer['inputShape'] {
	const fixed = (shape: BatchNormLayer['inputShape']) => shape?.filter((dim) => typeof dim === 'number').length ?? -1;
	return fixed(b) > fixed(a) ? b : a;
}
