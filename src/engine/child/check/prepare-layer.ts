import { type Affine, affine, runtimeAffine } from '../../../core/batchnorm/affine.js';
import {
	type AffineParameters,
	affineBound,
	inferenceBound,
	trainingBound,
	withRoundedInput,
} from '../../../core/batchnorm/bound.js';
import type { BatchNormLayer, Parameter } from '../../../core/batchnorm/layer.js';
import { product } from '../../../core/numbers/arrays.js';
import { FLOAT_FORMATS, isFloatType } from '../../../core/numbers/float-formats.js';
import type { Moments } from '../../../core/numbers/moments.js';
import { widen } from '../../../core/numbers/small-floats.js';
import { isApproximate } from '../../../core/onnx/graph/approximate.js';
import type { LayerParameters, LayerReport } from '../../../core/report/types.js';
import { failure, type Result, success } from '../../../core/result.js';
import type { FloatData, Kernel, Layout } from '../../../kernel/types.js';
import { runTimeParameters } from '../model/run-time-parameters.js';
import type { RuntimeTensor, Tensors } from '../tensors/tensor.js';
import { normalizeWith } from './normalize-batch.js';
import { prepareHandBuilt } from './prepare-handbuilt.js';
import type { PreparedLayer } from './prepared-layer.js';

export type { PreparedLayer } from './prepared-layer.js';

/**
 * Combines a layer's parameters, from the file or the run, with the tensors of a run.
 *
 * Training mode: scale and shift come from the batch's own mean and biased variance (arXiv 1502.03167, algorithm 1; ONNX
 * BatchNormalization, training_mode = 1).
 * @param known scale and shift of the structure report; null if the file does not contain all parameters
 * @returns the reason, a clause, if the layer cannot be recomputed
 */
export function prepareLayer(
	layer: BatchNormLayer,
	known: LayerReport['affine'],
	tensors: Tensors,
	kernel: Kernel,
): Result<PreparedLayer> {
	if (layer.input === '' || layer.output === '') {
		return failure(`the node has no ${layer.input === '' ? 'input' : 'output'}`);
	}
	const x = tensors.get(layer.input);
	if (x === undefined) {
		const why =
			layer.scope.lookup(layer.input).kind === 'none'
				? `nothing in the graph writes "${layer.input}"`
				: `the runtime returned no tensor "${layer.input}"`;
		return failure(`${why}, the layer's input`);
	}
	if (!isFloatType(x.type)) {
		return failure(`the layer's input is of type ${x.type}, which is not a floating type`);
	}
	const perActivation = layer.axes === 'activation';
	// An input of the graph is fed as it is captured.
	const roundedTo = x.type === 'float16' && layer.source ? { roundedTo: FLOAT_FORMATS.float16 } : {};
	const data = {
		...roundedTo,
		x: x.data as FloatData,
		dtype: x.type,
		shape: x.dims,
		layout: layoutOf(x.dims, layer.channelAxis),
		perActivation,
	};
	if (layer.handBuilt) {
		return prepareHandBuilt(layer, layer.handBuilt, data, kernel);
	}
	const numbers =
		layer.kind === 'decomposed' && known !== null
			? success({ ...known, bound: affineBound(chainOf(layer, known), x.type, 'own') })
			: fromParameters(layer, data, known, { tensors, kernel });
	if (!numbers.ok) {
		return numbers;
	}
	const expected = perActivation ? data.layout.channels * data.layout.planeSize : data.layout.channels;
	if (numbers.value.scale.length !== expected) {
		return failure(wrongCount(numbers.value.scale.length, x.dims, expected));
	}
	const { roundedTo: format } = data;
	const { scale, bound } = numbers.value;
	return success({ ...data, ...numbers.value, bound: format ? withRoundedInput(bound, scale, format) : bound });
}

/** Returns scale and shift, with the mean if the chain begins with x - mean: the difference is rounded, too. */
function chainOf({ mean }: BatchNormLayer, known: Affine): AffineParameters {
	return mean.values?.length === known.scale.length ? { ...known, mean: mean.values } : known;
}

function wrongCount(count: number, shape: readonly number[], expected: number): string {
	return `the layer has ${count} scale values, but its input of shape [${shape.join(', ')}] needs ${expected}`;
}

type Data = Pick<PreparedLayer, 'x' | 'dtype' | 'layout' | 'shape' | 'roundedTo'>;

function fromParameters(
	layer: BatchNormLayer,
	data: Data,
	known: LayerReport['affine'],
	{ tensors, kernel }: { readonly tensors: Tensors; readonly kernel: Kernel },
): Result<Pick<PreparedLayer, 'scale' | 'shift' | 'bound' | 'predicted' | 'reported' | 'moments'>> {
	const values = readParameters(layer, tensors);
	if (!values.ok) {
		return values;
	}
	const parameters = values.value;
	const { epsilon } = layer;
	if (Number.isNaN(epsilon)) {
		return failure('epsilon is NaN, and with it everything that the layer computes');
	}
	const { gamma, beta, mean, variance } = parameters;
	const isOwn = runTimeParameters(layer).length === 0;
	const reported = { parameters, affine: (isOwn && known) || affine(gamma, beta, mean, variance, epsilon) };
	if (layer.mode === 'inference') {
		const predicted = runtimeAffine(gamma, beta, mean, variance, epsilon);
		const bound = inferenceBound({ ...parameters, epsilon }, data.dtype, 'runtime', reported.affine);
		return success({ ...reported.affine, predicted, bound, reported });
	}
	if (layer.axes === 'activation') {
		return failure('training mode with one statistic per activation (spatial=0) is not recomputed');
	}
	if (gamma.length !== data.layout.channels) {
		return failure(wrongCount(gamma.length, data.shape, data.layout.channels));
	}
	const moments = kernel.moments(data.x, data.dtype, data.layout);
	if (data.roundedTo && moments.nonFinite.some((left) => left > 0)) {
		return failure(
			`values of the layer's input are beyond ${data.dtype} when captured, so the statistics that the runtime used are unknown`,
		);
	}
	return success({ ...normalizeBatch({ gamma, beta, epsilon }, moments, data), reported, moments });
}

/** Training mode: scale, shift and bound with the batch's own statistics. */
export function normalizeBatch(
	learned: Pick<LayerParameters, 'gamma' | 'beta'> & { readonly epsilon: number },
	moments: Moments,
	{ dtype, layout, roundedTo }: Pick<Data, 'dtype' | 'layout' | 'roundedTo'>,
): Pick<PreparedLayer, 'scale' | 'shift' | 'bound'> {
	const batch = { images: layout.batch, planeSize: layout.planeSize, ...(roundedTo && { roundedTo }) };
	return normalizeWith(
		learned,
		moments,
		(values) => values,
		(parameters) => trainingBound(parameters, batch, dtype),
	);
}

function readParameters(layer: BatchNormLayer, tensors: Tensors): Result<LayerParameters> {
	const values = (parameter: Parameter): Float64Array | undefined => {
		const captured = parameter.values === null || isApproximate(parameter.origin);
		return (captured ? floatValues(tensors.get(parameter.name)) : undefined) ?? parameter.values ?? undefined;
	};
	const [gamma, beta, mean, variance] = [layer.gamma, layer.beta, layer.mean, layer.variance].map(values);
	if (gamma && beta && mean && variance) {
		const lengths = [gamma, beta, mean, variance].map(({ length }) => length);
		return lengths.every((length) => length === gamma.length)
			? success({ gamma, beta, mean, variance })
			: failure(`the parameters have different numbers of values: ${lengths.join(', ')}`);
	}
	const missing = [layer.gamma, layer.beta, layer.mean, layer.variance].find(
		(parameter) => values(parameter) === undefined,
	);
	if (missing?.origin.kind === 'missing' && missing.name === '') {
		return failure('the node has not all of gamma, beta, mean and variance');
	}
	return failure(missing?.problem?.replace(/\.$/, '') ?? `the value of parameter "${missing?.name}" is not known`);
}

/** Returns a floating tensor's values; undefined for other types. */
export function floatValues(tensor: RuntimeTensor | undefined): Float64Array | undefined {
	if (tensor === undefined || !isFloatType(tensor.type)) {
		return undefined;
	}
	if (tensor.type === 'float32' || tensor.type === 'float64') {
		return Float64Array.from(tensor.data as Float32Array);
	}
	return Float64Array.from(
		widen(tensor.data as Uint16Array, tensor.type, { start: 0, stride: 1, length: tensor.data.length }),
	);
}

/**
 * Returns the kernels' view of a shape (N, C, D1 … Dn). A rank-1 input is a single channel (ONNX: C is assumed to be
 * 1).
 * @param channelAxis axis of the channels; all axes in front of it count as batch. Negative: from the end
 */
export function layoutOf(dims: readonly number[], channelAxis = 1): Layout {
	const axis = channelAxis < 0 ? channelAxis + dims.length : channelAxis;
	if (dims.length < 2 || !(axis in dims)) {
		return { batch: product(dims), channels: 1, planeSize: 1 };
	}
	return {
		batch: product(dims.slice(0, axis)),
		channels: dims[axis],
		planeSize: product(dims.slice(axis + 1)),
	};
}
