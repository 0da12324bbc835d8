import type { Model } from '../../../core/onnx/model.js';
import { typeName } from '../../../core/onnx/types.js';
import { NO_TENSOR, type RuntimeValue } from '../tensors/tensor.js';

/** Returns the inputs that need a value. IR version 3 lists initializers as inputs, too, which already have a value. */
export function requiredInputs({ graph }: Model): RuntimeValue[] {
	return graph.inputs
		.filter(({ name }) => !graph.initializers.has(name) && !graph.sparseInitializers.has(name))
		.map(({ name, dataType, shape }) => ({
			name,
			type: dataType === 0 ? NO_TENSOR : typeName(dataType),
			shape: dataType === 0 ? undefined : shape?.map((dimension) => dimension ?? ''),
		}));
}
