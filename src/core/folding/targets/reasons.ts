import { type Affine, affine } from '../../batchnorm/affine.js';
import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { PARAMETER_NAMES, parameterValues } from '../../batchnorm/parameters.js';
import { isConstant, isDefault } from '../../onnx/graph/constants.js';
import { LINEAR_TYPES } from '../../onnx/graph/linear-types.js';
import type { Scope } from '../../onnx/graph/scope.js';
import type { Node } from '../../onnx/model.js';
import type { FoldReason } from '../../report/fold-reasons.js';
import { channelCount } from '../operators/layout.js';
import { linearOperator, recordOf } from '../operators/linear.js';
import { isPerChannel, weightLayout } from '../operators/weight-layout.js';
import { hasCycle } from './cycle.js';
import { layerNodes } from './layer-nodes.js';

/** Maximum number of nodes searched to distinguish "another operator between" from "no linear operator in front". */
const MAX_SEARCH = 64;

/** Returns the obstacles that lie in the layer itself. */
export function ownReasons(layer: BatchNormLayer): FoldReason[] {
	const reasons: FoldReason[] = hasCycle(layer.scope) ? ['cyclic-graph'] : [];
	if (hasMisshapenParameters(layer)) {
		reasons.push('parameter-shape');
	}
	if (layer.mode === 'training') {
		reasons.push('training-mode');
	}
	if (layer.axes === 'activation' || layer.isMarkedPerActivation) {
		reasons.push('per-activation');
	}
	if (layerNodes(layer).some(({ inputs }) => inputs.some((name) => isDefault(layer.scope, name)))) {
		reasons.push('overridable');
	}
	const numbers = linearMap(layer);
	// An infinite variance leaves scale and shift finite.
	const variance = layer.variance.values ?? [];
	if (!numbers) {
		reasons.push('dynamic-parameter');
	} else if (
		![numbers.scale, numbers.shift, variance].every((values) => values.every((value) => Number.isFinite(value)))
	) {
		reasons.push('invalid-variance');
	}
	return reasons;
}

/** True if any known parameter of a BatchNormalization has a shape other than [C]. */
export function hasMisshapenParameters(layer: BatchNormLayer): boolean {
	const known = PARAMETER_NAMES.map((name) => layer[name]).filter(({ values }) => values !== null);
	const isOfChannels = layer.kind === 'batchnorm' && layer.axes === 'channel';
	return isOfChannels && known.some(({ dims }) => dims.length !== 1 || dims[0] !== layer.channels);
}

/** Returns scale and shift, shape (channels); undefined if not constant. */
export function linearMap(layer: BatchNormLayer): Affine | undefined {
	const parameters = parameterValues(layer);
	if (!parameters.ok) {
		return layer.affine;
	}
	const { gamma, beta, mean, variance } = parameters.value;
	return affine(gamma, beta, mean, variance, layer.epsilon);
}

/** The linear operator that would take the layer in, with the nodes of the chain from it to the layer. */
interface Linear {
	readonly node: Node;
	/**
	 * Tensors of the chain; the last is the layer's X. Every tensor of the chain must have this chain as its only reader.
	 */
	readonly tensors: readonly string[];
}

/** Returns the source itself, or a MatMul with its bias in an Add of a constant. */
function linearInFront(scope: Scope, source: Node): Linear | undefined {
	const output = source.outputs[0] ?? '';
	if (LINEAR_TYPES.has(source.opType) && source.domain === '') {
		return { node: source, tensors: [output] };
	}
	if (source.opType !== 'Add' || source.domain !== '') {
		return undefined;
	}
	for (const [x = '', bias = ''] of [source.inputs, source.inputs.toReversed()]) {
		const product = scope.producer(x);
		if (product?.opType === 'MatMul' && product.domain === '' && isConstant(scope, bias)) {
			return { node: product, tensors: [x, output] };
		}
	}
	return undefined;
}

/**
 * Explains why no linear operator can take in a layer with channels that could not be traced. If the node in front is
 * linear, lists every obstacle between it and the layer.
 */
export function reasonsInFront(layer: BatchNormLayer): FoldReason[] {
	const { source, scope } = layer;
	const linear = source && linearInFront(scope, source);
	if (!linear) {
		return [source && linearBehind(scope, source) ? 'operator-between' : 'no-linear-operator'];
	}
	return obstacles(layer, linear).filter((reason) => reason !== 'shared-weight');
}

function obstacles(layer: BatchNormLayer, { node, tensors }: Linear): FoldReason[] {
	const { scope } = layer;
	const reasons: FoldReason[] = [];
	if (scope.producer(tensors[0]) !== node || tensors.some((name) => scope.consumers(name).length > 1)) {
		// An operator outside the layer's own graph serves the graph around it, too.
		reasons.push('several-consumers');
	}
	if (tensors.some((name) => scope.isOutput(name))) {
		reasons.push('graph-output');
	}
	if (node.opType === 'MatMul' && layer.inputShape !== undefined && layer.inputShape.length !== 2) {
		// The product's last axis is axis 1, the channel axis, in rank 2 only.
		reasons.push('rank');
	} else if (layer.channels !== (outputChannels(scope, node) ?? layer.channels)) {
		reasons.push('parameter-shape');
	}
	const added = layer.source && layer.source !== node ? layer.source.inputs : [];
	const isMisfit = (dims: readonly number[] | undefined) => dims && !isPerChannel(dims, layer.channels);
	if (added.some((name) => isConstant(scope, name) && isMisfit(recordOf(scope, name)?.dims))) {
		reasons.push('bias-shape');
	}
	return [...new Set([...reasons, ...operatorReasons(layer, node)])];
}

/** Output channels of a node's weight; undefined for a computed weight. */
function outputChannels(scope: Scope, node: Node): number | undefined {
	const operator = linearOperator({ scope, node }, 0);
	const dims = operator && recordOf(scope, operator.weight)?.dims;
	const layout = dims && weightLayout(operator, dims);
	return layout && channelCount(layout);
}

/** Returns the reasons in an operator's own constants against a fold. */
export function operatorReasons(layer: BatchNormLayer, node: Node): FoldReason[] {
	const { scope, gamma, kind, dtype } = layer;
	const weight = node.inputs[1] ?? '';
	const bias = node.inputs[2] ?? '';
	const definition = scope.lookup(weight);
	const isBiasKnown = bias === '' || isConstant(scope, bias);
	const isMatrix = node.opType === 'MatMul' || node.opType === 'Gemm';
	if (isMatrix && isBiasKnown && !isConstant(scope, weight) && isConstant(scope, node.inputs[0] ?? '')) {
		// The weight stands in front of the data, so its rows lie along the last axis but one.
		return [layer.inputShape?.length === 2 ? 'parameter-shape' : 'rank'];
	}
	if (!isConstant(scope, weight) || !isBiasKnown) {
		return ['dynamic-parameter'];
	}
	const reasons: FoldReason[] = [];
	if (isDefault(scope, weight) || isDefault(scope, bias)) {
		reasons.push('overridable');
	}
	if (node.opType === 'Gemm' && scope.attribute(node, 'alpha')?.f === 0) {
		// With alpha 0 the product is 0, so no weight can take up a scale.
		reasons.push('zero-alpha');
	}
	if (kind === 'batchnorm' && gamma.dtype !== dtype && gamma.dtype !== 'undefined' && dtype !== 'unknown') {
		reasons.push('mixed-types');
	}
	if (definition.kind === 'initializer' && scope.consumers(weight).length > 1) {
		reasons.push('shared-weight');
	}
	return reasons;
}

/** True if a linear operator stands further in front. */
function linearBehind(scope: Scope, source: Node): boolean {
	const queue: Node[] = [source];
	const seen = new Set(queue);
	for (const node of queue) {
		if (LINEAR_TYPES.has(node.opType) && node.domain === '') {
			return true;
		}
		for (const input of node.inputs) {
			const before = scope.producer(input);
			if (before && !seen.has(before) && seen.size < MAX_SEARCH) {
				seen.add(before);
				queue.push(before);
			}
		}
	}
	return false;
}
