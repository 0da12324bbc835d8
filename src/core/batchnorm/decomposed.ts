import type { Scope } from '../onnx/graph/scope.js';
import type { Node } from '../onnx/model.js';
import { matchChain } from './chain.js';
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
/** Maximum number of channels of an image. Scale and shift on such an input prepare the image. */
const IMAGE_CHANNELS = 4;

/**
 * The decomposed layer that ends in `node`, if one does: x * scale + shift, or ((x - mean) / deviation) * gamma + beta,
 * every constant with one value a channel, every intermediate tensor read by the next step alone.
 *
 * Scale and shift are everyday arithmetic, so a chain counts only where it looks like nothing else: constants shaped
 * along axis 1 of a known rank with more than one channel, on data that no other normalization made. A chain whose
 * constants still show sqrt(variance + epsilon) counts anywhere.
 */
export async function findDecomposed(
	scope: Scope,
	node: Node,
	context: LayerContext,
): Promise<BatchNormLayer | undefined> {
	const chain = node.opType === 'Add' && node.domain === '' ? await matchChain(scope, node, context) : undefined;
	if (!chain) {
		return undefined;
	}
	const constants = [...(chain.centre ? [chain.centre] : []), ...chain.scales, chain.shift];
	const parameters: Parameter[] = [];
	for (const { constant } of constants) {
		parameters.push(await context.parameters.read(scope, constant.name));
	}
	const channels = parameters[0].values?.length ?? 0;
	if (channels < 2 || parameters.some((parameter) => parameter.values?.length !== channels)) {
		return undefined;
	}
	const separated = await separate(scope, chain, channels, context);
	if (!separated.explicit && isOrdinary(scope, chain.x, channels)) {
		return undefined;
	}
	const place = placeOf(scope, node, chain.x, context.shapes);
	return {
		...place,
		name: node.name || place.output || `Add_${node.index}`,
		kind: 'decomposed',
		// The operators have none; 0 stands for that.
		momentum: 0,
		mode: 'inference',
		axes: 'channel',
		channels,
		dtype: place.dtype === 'undefined' ? parameters[0].dtype : place.dtype,
		...separated.layer,
	};
}

/** True if scale and shift on this tensor are more likely ordinary arithmetic than a batch normalization. */
function isOrdinary(scope: Scope, name: string, channels: number): boolean {
	let definition = scope.lookup(name);
	if (definition.kind !== 'node') {
		return channels <= IMAGE_CHANNELS;
	}
	// Group normalization is exported as InstanceNormalization between two reshapes.
	for (let hop = 0; hop < 4 && ['Reshape', 'Transpose', 'Identity', 'Cast'].includes(definition.node.opType); hop++) {
		const behind = definition.scope.lookup(definition.node.inputs[0] ?? '');
		if (behind.kind !== 'node') {
			return false;
		}
		definition = behind;
	}
	const { node, scope: place } = definition;
	// (x - mean) / deviation with statistics of the data itself: a layer normalization written out.
	return NORMALIZATIONS.has(node.opType) || node.opType === 'Div' || isReciprocalProduct(place, node);
}

function isReciprocalProduct(scope: Scope, node: Node): boolean {
	return (
		node.opType === 'Mul' &&
		node.inputs.some((input) => ['Reciprocal', 'Div', 'Pow', 'Sqrt'].includes(scope.producer(input)?.opType ?? ''))
	);
}
