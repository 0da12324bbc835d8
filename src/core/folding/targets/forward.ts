import { type Affine, affine } from '../../batchnorm/affine.js';
import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { isPadded } from '../../onnx/graph/windows.js';
import type { FoldReason } from '../../report/fold-reasons.js';
import {
	type FoldParameters,
	type ForwardLayouts,
	forwardBias,
	forwardSlack,
	gather,
	scaleRows,
} from '../operators/expected.js';
import { alongAxis, alongGroupedAxis, type ChannelLayout, channelCount, rowLength } from '../operators/layout.js';
import { hasOwnBias, type LinearOperator } from '../operators/linear.js';
import { weightLayout } from '../operators/weight-layout.js';
import type { OperatorWeights } from '../operators/weights.js';
import { linearMap } from './reasons.js';

/** Returns the operator behind a layer and a Pad node: a fold would be wrong at the border. */
export function operatorBehindPad(
	network: { readonly operators: readonly LinearOperator[] },
	{ consumers, isGraphOutput, scope }: BatchNormLayer,
): LinearOperator | undefined {
	const [pad, ...others] = consumers;
	const padded = pad?.outputs[0] ?? '';
	if (pad?.opType !== 'Pad' || others.length > 0 || isGraphOutput || scope.isOutput(padded)) {
		return undefined;
	}
	const [reader, ...more] = scope.consumers(padded);
	return more.length > 0 ? undefined : network.operators.find(({ node }) => node === reader);
}

/**
 * True if this kind of operator can take in a layer in front of it: it has a place for a bias, and its input channels
 * are known.
 */
export function canFoldForward(operator: LinearOperator): boolean {
	const { kind, node, scope } = operator;
	const isTurned = (scope.attribute(node, 'transA')?.i ?? 0) !== 0;
	return node.domain === '' && hasOwnBias(operator) && (kind === 'Conv' || (kind === 'Gemm' && !isTurned));
}

/** The operator behind a layer, and the layer's channel for each of its input channels; undefined: the same. */
export interface ForwardPlace {
	readonly operator: LinearOperator;
	readonly rows: Int32Array | undefined;
}

/** Returns the reasons against folding a layer into the operator behind it, apart from that operator's constants. */
export function forwardReasons(
	layer: BatchNormLayer,
	{ operator, rows }: ForwardPlace,
	dims: readonly number[] | undefined,
): FoldReason[] {
	const layout = dims && weightLayout(operator, dims) && inputLayout(operator, dims);
	if (!layout) {
		return ['rank'];
	}
	const hasShift = linearMap(layer)?.shift.some((value) => value !== 0) ?? true;
	return [
		...(rows || hasChannelsOf(layer, operator) ? [] : (['rank'] as const)),
		...(channelCount(layout) === (rows?.length ?? layer.channels) ? [] : (['parameter-shape'] as const)),
		...(hasShift && isPadded(operator.scope, operator.node) ? (['padded-forward-fold'] as const) : []),
	];
}

/** True if the layer's channels lie on the operator's axis of input channels: axis 1, which MatMul and Gemm have last. */
function hasChannelsOf({ channelAxis, inputShape }: BatchNormLayer, { kind }: LinearOperator): boolean {
	return channelAxis === 1 || (kind === 'Gemm' && channelAxis === -1 && (inputShape?.length ?? 2) === 2);
}

/** True if an operator, or a Pad node in front of it, pads its input. */
export function padsItsInput({ scope, node }: LinearOperator): boolean {
	return isPadded(scope, node) || scope.producer(node.inputs[0] ?? '')?.opType === 'Pad';
}

/**
 * True if a fold of a layer into the operator behind it is wrong at the border: padding adds zeros behind the layer instead of
 * its shift.
 */
export function isPaddedForward(layer: BatchNormLayer, { scope, node }: LinearOperator): boolean {
	return isPadded(scope, node) && (linearMap(layer)?.shift.some((value) => value !== 0) ?? true);
}

/** The input channels of an operator's weight: the axis that a layer in front scales. */
export function inputLayout(
	{ kind, group, transB }: Pick<LinearOperator, 'kind' | 'group' | 'transB'>,
	dims: readonly number[],
): ChannelLayout | undefined {
	switch (kind) {
		case 'Conv':
			return dims[0] % group === 0 ? alongGroupedAxis(dims, group) : undefined;
		case 'ConvTranspose':
			return alongAxis(dims, 0);
		case 'Gemm':
			return alongAxis(dims, transB ? 1 : 0);
		case 'MatMul':
			return dims.length === 2 ? alongAxis(dims, 0) : undefined;
	}
}

export interface ForwardFold {
	readonly weights: OperatorWeights;
	/** Padding makes the fold wrong at the border: zeros are inserted where the shift should be. */
	readonly isPadded: boolean;
	/** False if the layer only scales. */
	readonly hasShift: boolean;
}

/** Returns an operator's constants with a layer folded forward into it; undefined if the channels do not fit. */
export function foldForward(
	place: ForwardPlace,
	weights: OperatorWeights,
	{ gamma, beta, mean, variance, epsilon }: FoldParameters,
): ForwardFold | undefined {
	const map = affine(gamma, beta, mean, variance, epsilon);
	const forward = foldMapForward(place, weights, map);
	const input = inputLayout(place.operator, weights.dims);
	if (!forward || !input) {
		return forward;
	}
	const sizes = map.scale.map((s, channel) => Math.abs(beta[channel]) + Math.abs(mean[channel] * s));
	const layouts: ForwardLayouts = { input, output: weights.layout };
	const size = place.rows ? gather(sizes, place.rows) : sizes;
	return {
		...forward,
		weights: {
			...forward.weights,
			biasSlack: withComputedSlack(forwardSlack(weights.weight, layouts, weights.bias, size), weights, size),
		},
	};
}

/** Adds the errors of computed constants: each input's error is multiplied by at most the sum of the shifts. */
function withComputedSlack(slack: Float64Array, weights: OperatorWeights, shifts: Float64Array): Float64Array {
	const { weightSlack, biasSlack, layout } = weights;
	const sum = (rowLength(layout) / shifts.length) * shifts.reduce((total, value) => total + value, 0);
	return slack.map((value, row) => value + (biasSlack?.[row] ?? 0) + (weightSlack?.[row] ?? 0) * sum);
}

const largestOf = (values: Float64Array): number => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** Folds a scale and a shift of each input channel as {@link foldForward} does. */
export function foldMapForward(
	{ operator, rows }: ForwardPlace,
	weights: OperatorWeights,
	map: Affine,
): ForwardFold | undefined {
	const input = inputLayout(operator, weights.dims);
	const [scale, shift] = [map.scale, map.shift].map((values) => (rows ? gather(values, rows) : values));
	if (!input || channelCount(input) !== scale.length) {
		return undefined;
	}
	const layouts: ForwardLayouts = { input, output: weights.layout };
	const hasShift = shift.some((value) => value !== 0);
	return {
		weights: {
			...weights,
			weight: scaleRows(Float64Array.from(weights.weight), input, scale, 'float64'),
			bias: forwardBias(weights.weight, layouts, weights.bias, shift),
			...(weights.weightSlack && { weightSlack: weights.weightSlack.map((value) => value * largestOf(scale)) }),
		},
		isPadded: isPadded(operator.scope, operator.node) && hasShift,
		hasShift,
	};
}
