import { product } from '../numbers/arrays.js';
import { ConstantResolver } from '../onnx/graph/constants.js';
import { ShapeInference } from '../onnx/graph/infer.js';
import type { Scope } from '../onnx/graph/scope.js';
import { nodesInOrder } from '../onnx/graph/traverse.js';
import type { Model, Node } from '../onnx/model.js';
import type { TensorAccess } from '../onnx/tensor/tensor.js';
import { findDecomposed } from './decomposed.js';
import { findHandBuilt } from './handbuilt.js';
import type { BatchNormLayer, Parameter } from './layer.js';
import { uniqueNames } from './names.js';
import { ParameterReader } from './parameters.js';
import { type LayerContext, placeOf } from './place.js';
import { RectifierSearch } from './rectifier.js';

/** Defaults of ONNX BatchNormalization, rounded to float32 as in a file. */
const DEFAULT_EPSILON = Math.fround(1e-5);
const DEFAULT_MOMENTUM = Math.fround(0.9);

/**
 * Finds every normalization layer of a model, in graph order: BatchNormalization of any opset, and equivalent chains of
 * elementary operators (kind "decomposed"). Searches the main graph, the bodies of If, Loop and Scan, and model-local
 * functions, there once per call. Reads only the parameters from `access`. A parameter that cannot be read is part of
 * the answer.
 * @throws {OnnxError} `limit` when function calls multiply without end, `io` when the file cannot be read any more.
 */
export function findLayers(model: Model, access: TensorAccess): Promise<BatchNormLayer[]> {
	return search(model, access, findLayer);
}

/**
 * Finds the layers of {@link findLayers} and the normalizations that elementary operators compute with the statistics of
 * their own data (kind "handbuilt"), in graph order. The latter are no layers that could be folded or paired.
 * @throws {OnnxError} as {@link findLayers}
 */
export function findNormalizations(model: Model, access: TensorAccess): Promise<BatchNormLayer[]> {
	return search(
		model,
		access,
		async (scope, node, context) =>
			(await findLayer(scope, node, context)) ?? (await findHandBuilt(scope, node, context)),
	);
}

type Search = (scope: Scope, node: Node, context: LayerContext) => Promise<BatchNormLayer | undefined>;

const findLayer: Search = (scope, node, context) =>
	node.opType === 'BatchNormalization' && node.domain === ''
		? readLayer(scope, node, context)
		: findDecomposed(scope, node, context);

async function search(model: Model, access: TensorAccess, find: Search): Promise<BatchNormLayer[]> {
	const constants = new ConstantResolver(access);
	const context = { constants, parameters: new ParameterReader(constants), shapes: new ShapeInference() };
	const rectifiers = new RectifierSearch(constants);
	const layers: BatchNormLayer[] = [];
	for (const { scope, node } of nodesInOrder(model)) {
		const layer = await find(scope, node, context);
		if (layer) {
			layers.push({ ...layer, rectified: await rectifiers.isRectified(layer) });
		}
	}
	const names = uniqueNames(layers.map((layer) => ({ own: layer.name, path: layer.graphPath })));
	return layers.map((layer, index) => ({ ...layer, name: names[index] }));
}

async function readLayer(scope: Scope, node: Node, context: LayerContext): Promise<BatchNormLayer> {
	const [input = '', ...names] = node.inputs;
	const read = (index: number) => context.parameters.read(scope, names[index] ?? '');
	const [gamma, beta, mean, variance] = [await read(0), await read(1), await read(2), await read(3)];
	const place = placeOf(scope, node, input, context.shapes);
	const parameters = [gamma, beta, mean, variance];
	const isPerActivation = scope.opset() < 9 && scope.attribute(node, 'spatial')?.i === 0;
	const isMarkedPerActivation = isPerActivation && hasValuesPerChannel(parameters, place.inputShape?.length);
	const axes = isPerActivation && !isMarkedPerActivation ? 'activation' : 'channel';
	return {
		...place,
		name: node.name || place.output || `BatchNormalization_${node.index}`,
		kind: 'batchnorm',
		epsilon: scope.attribute(node, 'epsilon')?.f ?? DEFAULT_EPSILON,
		momentum: scope.attribute(node, 'momentum')?.f ?? DEFAULT_MOMENTUM,
		mode: readMode(scope, node),
		axes,
		...(isMarkedPerActivation && { isMarkedPerActivation }),
		channelAxis: 1,
		channels: countChannels(parameters, axes, place.inputShape?.[1]),
		gamma,
		beta,
		mean,
		variance,
		dtype: place.dtype === 'undefined' ? dtypeOf(parameters) : place.dtype,
	};
}

/**
 * Returns "training" if the node normalizes with the batch's statistics. Opset 14 states it as training_mode. From 7 to
 * 13 a node with several outputs trains. Before that, is_test (0 by default) switches training off.
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

/**
 * True if the parameters have a value per channel, too few for activations (c, h, w). MXNet's exporter writes spatial =
 * 0 beside such parameters, and means per channel.
 * @param rank of X, if known. Without spatial axes both are the same
 */
function hasValuesPerChannel(parameters: readonly Parameter[], rank: number | undefined): boolean {
	const known = parameters.filter(({ dims }) => dims.length > 0);
	return rank !== 2 && known.length > 0 && known.every(({ dims }) => dims.length === 1);
}

/**
 * Returns C from the parameters' first (in channel mode: only) dimension, else from axis 1 of X. A claimed number that
 * cannot be a count is 0.
 */
function countChannels(parameters: readonly Parameter[], axes: BatchNormLayer['axes'], axis1: unknown): number {
	const claimed = claimedChannels(parameters, axes, axis1);
	return Number.isSafeInteger(claimed) && claimed >= 0 ? claimed : 0;
}

function claimedChannels(parameters: readonly Parameter[], axes: BatchNormLayer['axes'], axis1: unknown): number {
	const known = parameters.find((parameter) => parameter.values || parameter.dims.length > 0);
	if (known && (axes === 'channel' || known.dims.length > 1)) {
		const values = known.values?.length ?? product(known.dims);
		return axes === 'channel' ? values : (known.dims[0] ?? 0);
	}
	return typeof axis1 === 'number' ? axis1 : (known?.dims[0] ?? 0);
}

/** Returns the parameters' type if the type of X is unknown. Up to opset 14 they are the same, later almost always. */
function dtypeOf(parameters: readonly Parameter[]): Parameter['dtype'] {
	return parameters.find((parameter) => parameter.dtype !== 'undefined')?.dtype ?? 'unknown';
}
