import { product } from '../numbers/arrays.js';
import { ConstantResolver } from '../onnx/graph/constants.js';
import { ShapeInference } from '../onnx/graph/infer.js';
import type { Scope } from '../onnx/graph/scope.js';
import { nodesInOrder } from '../onnx/graph/traverse.js';
import type { Model, Node } from '../onnx/model.js';
import type { TensorAccess } from '../onnx/tensor/tensor.js';
import { findDecomposed } from './decomposed.js';
import type { BatchNormLayer, Parameter } from './layer.js';
import { uniqueNames } from './names.js';
import { ParameterReader } from './parameters.js';
import { type LayerContext, placeOf } from './place.js';
import { isRectified } from './rectifier.js';

/** Defaults of ONNX BatchNormalization, as the float32 that a file would hold. */
const DEFAULT_EPSILON = Math.fround(1e-5);
const DEFAULT_MOMENTUM = Math.fround(0.9);

/**
 * Every normalization layer of a model in graph order: BatchNormalization of any opset, and chains of elementary
 * operators that amount to one (kind "decomposed"), in the main graph, in bodies of If, Loop and Scan, and in
 * model-local functions, there once for each call.
 *
 * Reads the parameters, and nothing else, from `access`. A parameter that cannot be had is part of the answer.
 * @throws {OnnxError} `limit` when function calls multiply without end, `io` when the file cannot be read any more.
 */
export async function findLayers(model: Model, access: TensorAccess): Promise<BatchNormLayer[]> {
	const constants = new ConstantResolver(access);
	const context = { constants, parameters: new ParameterReader(constants), shapes: new ShapeInference() };
	const layers: BatchNormLayer[] = [];
	for (const { scope, node } of nodesInOrder(model)) {
		const layer =
			node.opType === 'BatchNormalization' && node.domain === ''
				? await readLayer(scope, node, context)
				: await findDecomposed(scope, node, context);
		if (layer) {
			layers.push({ ...layer, rectified: await isRectified(layer, constants) });
		}
	}
	const names = uniqueNames(layers.map((layer) => ({ own: layer.name, path: layer.graphPath })));
	return layers.map((layer, index) => ({ ...layer, name: names[index] }));
}

async function readLayer(scope: Scope, node: Node, context: LayerContext): Promise<BatchNormLayer> {
	const [input = '', ...names] = node.inputs;
	const read = (index: number) => context.parameters.read(scope, names[index] ?? '');
	const [gamma, beta, mean, variance] = [await read(0), await read(1), await read(2), await read(3)];
	const axes = readAxes(scope, node);
	const place = placeOf(scope, node, input, context.shapes);
	const parameters = [gamma, beta, mean, variance];
	return {
		...place,
		name: node.name || place.output || `BatchNormalization_${node.index}`,
		kind: 'batchnorm',
		epsilon: scope.attribute(node, 'epsilon')?.f ?? DEFAULT_EPSILON,
		momentum: scope.attribute(node, 'momentum')?.f ?? DEFAULT_MOMENTUM,
		mode: readMode(scope, node),
		axes,
		channels: countChannels(parameters, axes, place.inputShape?.[1]),
		gamma,
		beta,
		mean,
		variance,
		dtype: place.dtype === 'undefined' ? dtypeOf(parameters) : place.dtype,
	};
}

/**
 * Whether the node normalizes with the batch's own statistics. Opset 14 says so with training_mode; from 7 to 13 a node
 * with more than one output was a training node; before that, is_test (0 by default) said it was not.
 */
function readMode(scope: Scope, node: Node): BatchNormLayer['mode'] {
	const opset = scope.opset();
	const training =
		opset >= 14
			? scope.attribute(node, 'training_mode')?.i === 1
			: opset >= 7
				? node.outputs.slice(1).some((output) => output !== '')
				: (scope.attribute(node, 'is_test')?.i ?? 0) === 0;
	return training ? 'training' : 'inference';
}

/** Up to opset 8, spatial = 0 asked for statistics of every activation (c, h, w) instead of every channel. */
function readAxes(scope: Scope, node: Node): BatchNormLayer['axes'] {
	return scope.opset() < 9 && scope.attribute(node, 'spatial')?.i === 0 ? 'activation' : 'channel';
}

/** C: from the parameters, which have it as their first (in channel mode: only) dimension, else from X's axis 1. */
function countChannels(parameters: readonly Parameter[], axes: BatchNormLayer['axes'], axis1: unknown): number {
	const known = parameters.find((parameter) => parameter.values || parameter.dims.length > 0);
	if (known && (axes === 'channel' || known.dims.length > 1)) {
		const values = known.values?.length ?? product(known.dims);
		return axes === 'channel' ? values : (known.dims[0] ?? 0);
	}
	return typeof axis1 === 'number' ? axis1 : (known?.dims[0] ?? 0);
}

/** Where nothing says what X is: up to opset 14 the parameters have its type, later they nearly always do. */
function dtypeOf(parameters: readonly Parameter[]): Parameter['dtype'] {
	return parameters.find((parameter) => parameter.dtype !== 'undefined')?.dtype ?? 'unknown';
}
