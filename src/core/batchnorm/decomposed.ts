import { isApproximate } from '../onnx/graph/approximate.js';
import { LINEAR_TYPES } from '../onnx/graph/linear-types.js';
import type { Scope } from '../onnx/graph/scope.js';
import type { Place } from '../onnx/graph/traverse.js';
import type { Node } from '../onnx/model.js';
import { type Chain, matchChain } from './chain.js';
import type { BatchNormLayer, Parameter } from './layer.js';
import { type LayerContext, placeOf } from './place.js';
import { separate } from './separate.js';

/**
 * Operators that end in a per-channel scale and shift of their own. These belong to them and are no batch
 * normalization.
 */
const NORMALIZATIONS: ReadonlySet<string> = new Set([
	...['BatchNormalization', 'InstanceNormalization', 'GroupNormalization', 'LayerNormalization'],
	...['MeanVarianceNormalization', 'LpNormalization', 'RMSNormalization', 'SimplifiedLayerNormalization', 'LRN'],
]);
/** Maximum channels of an image. Scale and shift of images prepare inputs. */
const IMAGE_CHANNELS = 4;
/** Operators that only move elements or change their type. */
const MOVING: ReadonlySet<string> = new Set(['Reshape', 'Transpose', 'Squeeze', 'Unsqueeze', 'Identity', 'Cast']);
/** Maximum number of moving operators followed. Keras' exports have three. */
const MAX_MOVES = 8;

/**
 * Returns the decomposed layer that ends in `node`: x * scale + shift, ((x - mean) / deviation) * gamma + beta, or (x +
 * shift) * scale, where an addition may be a subtraction (also shift - x * scale) and a multiplication a division. Neg may
 * stand between the steps. Every constant has a value per channel, and only the next step reads each intermediate tensor.
 *
 * Scale and shift are everyday arithmetic, so a chain must look like a batch normalization. Its constants lie along a
 * single axis of a known rank with several channels, and its data come from no other normalization. Along an axis other
 * than 1 it must also begin with x - mean, or follow a linear operator, because a layer normalization has its scale and
 * shift along the last axis. A change of sign counts behind a linear operator only, because 1 - x is everyday arithmetic
 * behind a gate. A chain with sqrt(variance + epsilon) in its constants counts anywhere.
 */
export async function findDecomposed(
	scope: Scope,
	node: Node,
	context: LayerContext,
): Promise<BatchNormLayer | undefined> {
	const chain = await matchChain(scope, node, context);
	if (!chain) {
		return undefined;
	}
	const constants = [chain.center, ...chain.scales, chain.shift].filter((step) => step !== undefined);
	const parameters: Parameter[] = [];
	for (const { constant } of constants) {
		parameters.push(await context.parameters.read(scope, constant.name));
	}
	const channels = parameters[0].values?.length ?? 0;
	const isKnown = ({ values, origin }: Parameter) => values?.length === channels && !isApproximate(origin);
	if (channels < 2 || !parameters.every(isKnown)) {
		return undefined;
	}
	const separated = await separate(scope, chain, channels, context);
	if (!separated.explicit && isOrdinary(scope, chain, channels)) {
		return undefined;
	}
	const place = placeOf(scope, node, chain.x, context.shapes);
	return {
		...place,
		name: node.name || place.output || `${node.opType}_${node.index}`,
		kind: 'decomposed',
		// The operators have none; 0 stands for that.
		momentum: 0,
		mode: 'inference',
		axes: 'channel',
		channelAxis: chain.axis,
		channels,
		dtype: place.dtype === 'undefined' ? parameters[0].dtype : place.dtype,
		...separated.layer,
	};
}

/** True if scale and shift on this tensor are more likely ordinary arithmetic than a batch normalization. */
function isOrdinary(scope: Scope, chain: Chain, channels: number): boolean {
	const { x, axis, center } = chain;
	// Group normalization is exported as InstanceNormalization between two reshapes.
	const origin = behindMoves(scope, x);
	const isPlain = !changesSign(chain) || (origin && followsLinear(origin));
	if (!isPlain || (!chain.shift && isPreparation(chain, origin))) {
		return true;
	}
	if (!origin) {
		return channels <= IMAGE_CHANNELS || (axis !== 1 && !center);
	}
	const { node, scope: place } = origin;
	if (axis !== 1 && !center && !followsLinear(origin)) {
		return true;
	}
	// (x - mean) / deviation with statistics of the data itself: a layer normalization written out.
	return NORMALIZATIONS.has(node.opType) || node.opType === 'Div' || isReciprocalProduct(place, node);
}

function changesSign({ center, scales, shift }: Chain): boolean {
	return [center, ...scales, shift].some((step) => step && (step.isReversed || step.sign < 0));
}

/**
 * True if (x - mean) * scale or (x + shift) * scale prepares an input, or scales the result of a linear operator with its
 * bias: MatMul and Add are a dense layer. It is a normalization only behind a linear operator, or of a feature map.
 */
function isPreparation({ center, axis }: Chain, origin: Place | undefined): boolean {
	const isBias = center?.op === 'Add' && origin?.node.opType === 'MatMul';
	const isRowwise = axis !== 1 || center?.rank === 2;
	return !origin || isBias || (isRowwise && !followsLinear(origin));
}

/** Returns the node that computes a tensor, in front of operators that only move elements; undefined for an input. */
function behindMoves(scope: Scope, name: string): Place | undefined {
	let definition = scope.lookup(name);
	for (let move = 0; move < MAX_MOVES && definition.kind === 'node' && isMove(definition.node); move++) {
		definition = definition.scope.lookup(definition.node.inputs[0] ?? '');
	}
	return definition.kind === 'node' ? definition : undefined;
}

function isMove({ opType, domain }: Node): boolean {
	return domain === '' && MOVING.has(opType);
}

/** True for a linear operator and for its bias addition. */
function followsLinear({ scope, node }: Place): boolean {
	if (node.opType === 'Add' && node.domain === '') {
		return node.inputs.some((input) => {
			const origin = behindMoves(scope, input);
			return origin?.node.domain === '' && LINEAR_TYPES.has(origin.node.opType);
		});
	}
	return node.domain === '' && LINEAR_TYPES.has(node.opType);
}

function isReciprocalProduct(scope: Scope, node: Node): boolean {
	return (
		node.opType === 'Mul' &&
		node.inputs.some((input) =>
			['Reciprocal', 'Div', 'Pow', 'Sqrt'].includes(behindMoves(scope, input)?.node.opType ?? ''),
		)
	);
}
