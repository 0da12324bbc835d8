import type { BatchNormLayer, Parameter } from '../../../core/batchnorm/layer.js';
import type { Model } from '../../../core/onnx/model.js';
import type { ByteSource } from '../../../core/onnx/source.js';
import { typeName } from '../../../core/onnx/types.js';
import { NO_TENSOR, type RuntimeValue } from '../runtime/runtime.js';

/** A model whose file is still open: what is run is what was read, even when the file is replaced meanwhile. */
export interface OpenModel {
	readonly model: Model;
	readonly layers: readonly BatchNormLayer[];
	readonly source: ByteSource;
	/** Where external data are; undefined for a model that is only in memory. */
	readonly folder: string | undefined;
}

/** The inputs that need a value: those that no initializer gives one (IR version 3 lists initializers as inputs, too). */
export function requiredInputs({ graph }: Model): RuntimeValue[] {
	return graph.inputs
		.filter(({ name }) => !graph.initializers.has(name) && !graph.sparseInitializers.has(name))
		.map(({ name, dataType, shape }) => ({
			name,
			type: dataType === 0 ? NO_TENSOR : typeName(dataType),
			shape: dataType === 0 ? undefined : shape?.map((dimension) => dimension ?? ''),
		}));
}

/** Whether only a run can tell a parameter's value. */
export function isRunTime(parameter: Parameter): boolean {
	return parameter.values === null && (parameter.origin.kind === 'graph-input' || parameter.origin.kind === 'runtime');
}

/** Parameters of a layer that only a run can tell. */
export function runTimeParameters(layer: BatchNormLayer): Parameter[] {
	return [layer.gamma, layer.beta, layer.mean, layer.variance].filter(isRunTime);
}
