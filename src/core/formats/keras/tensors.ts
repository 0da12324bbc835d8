import { failure, type Result } from '../../result.js';
import type { CheckpointLimits } from '../limits.js';
import { type CheckpointTensor, createTensor, rowMajorStrides } from '../tensor.js';
import { weightLayout } from './classes.js';
import type { NamedVariable, StoredModule } from './modules.js';

/** Names of operators' weights. */
const WEIGHTS = new Set(['kernel', 'depthwise_kernel', 'pointwise_kernel']);

/**
 * Returns a variable as a tensor. An operator's weight becomes a view in the arrangement of ONNX and PyTorch: [outputs,
 * inputs / groups, ...kernel]. For a transposed convolution it is [inputs, outputs, ...kernel].
 * @returns the tensor, or a clause that follows "because"
 */
export function tensorOf(
	{ name, className }: StoredModule,
	{ leaf, variable: { dataset } }: NamedVariable,
	limits: CheckpointLimits,
): Result<CheckpointTensor> {
	if (!dataset.ok) {
		return failure(dataset.reason);
	}
	const { dtype, dims, storage } = dataset.value;
	const layout = WEIGHTS.has(leaf) ? weightLayout(className, leaf, dims) : undefined;
	const plain = { dims, strides: rowMajorStrides(dims) };
	const view = layout === undefined ? plain : arrange(plain, layout === 'depthwise');
	return createTensor({ name: name === '' ? leaf : `${name}/${leaf}`, dtype, storage, offset: 0, ...view }, limits);
}

interface Axes {
	readonly dims: readonly number[];
	/** Strides in elements, by axis. */
	readonly strides: readonly number[];
}

/** Moves the last two axes to the front, the last axis first. For a depthwise convolution merges both axes. */
function arrange({ dims, strides }: Axes, depthwise: boolean): Axes {
	const [inputs = 1, outputs = 1] = dims.slice(-2);
	const [inputStride = 1, outputStride = 1] = strides.slice(-2);
	// Channel c and multiplier m make output c * multipliers + m, which is also their place in the file.
	const [front, frontStrides] = depthwise
		? [
				[inputs * outputs, 1],
				[outputStride, 1],
			]
		: [
				[outputs, inputs],
				[outputStride, inputStride],
			];
	return { dims: [...front, ...dims.slice(0, -2)], strides: [...frontStrides, ...strides.slice(0, -2)] };
}
