import { ShapeInference } from '../../../core/onnx/graph/infer.js';
import { Scope } from '../../../core/onnx/graph/scope.js';
import type { Model } from '../../../core/onnx/model.js';
import { typeName } from '../../../core/onnx/types.js';
import type { RuntimeTensor } from '../tensors/tensor.js';
import { bytesOf, isKernelType, resolveSize } from '../tensors/tensor-size.js';

/** Sizes that the inputs of a run determine. */
interface KnownSizes {
	readonly tensors: ReadonlyMap<string, Pick<RuntimeTensor, 'dims'>>;
	/** Symbolic dimension -> size. */
	readonly symbols: ReadonlyMap<string, number>;
}

/**
 * Predicts the bytes that tensors of the main graph will take in the kernel's memory, before the runtime loads the model.
 * Tensors of unknown size, and of types that the kernel does not take, count as 0.
 */
export function expectedBytes(model: Model, names: readonly string[], { tensors, symbols }: KnownSizes): number {
	const shapes = new ShapeInference(tensors);
	const scope = Scope.ofModel(model);
	return names.reduce((total, name) => {
		const { dataType, shape } = shapes.of(scope, name);
		const declared = { name, type: typeName(dataType), shape: shape?.map((dimension) => dimension ?? '') };
		const size = resolveSize(declared, symbols);
		return size && isKernelType(size.type) ? total + bytesOf(size) : total;
	}, 0);
}
