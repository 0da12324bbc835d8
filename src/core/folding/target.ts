import type { BatchNormLayer } from '../batchnorm/layer.js';
import { isConstant } from '../onnx/constants.js';
import type { ShapeInference } from '../onnx/infer.js';
import type { Dimension, Node } from '../onnx/model.js';
import type { Scope } from '../onnx/scope.js';
import {
	type Axis,
	channelsOfAxis,
	flattenAxes,
	outputAxes,
	reshapeAxes,
	squeezeAxes,
	transposeAxes,
	unsqueezeAxes,
} from './channel-trace.js';
import { hasCycle } from './cycle.js';
import { type ChannelLayout, channelCount } from './layout.js';
import type { LinearOperator } from './linear.js';
import { hasMisshapenParameters } from './reasons.js';
import { type WeightReader, weightLayout } from './weights.js';

/** The linear operator in front of a layer, and how its output channels reach the layer. */
export interface FoldTarget {
	readonly operator: LinearOperator;
	/** Layers between the two, from the operator on: they fold first. */
	readonly earlier: readonly BatchNormLayer[];
	/** Nodes between the two that only move elements or add a constant, from the operator on. */
	readonly path: readonly Place[];
	/** Constant added to the operator's output before the layer: a bias kept outside, one value an output channel. */
	readonly added: Float64Array | null;
	/** The layer's channel for each output channel. */
	readonly rows: Int32Array;
}

interface Place {
	readonly scope: Scope;
	readonly node: Node;
}

/** What finding targets shares between the layers of one model. */
export interface TargetContext {
	readonly operators: (place: Place) => LinearOperator | undefined;
	readonly layers: (place: Place) => BatchNormLayer | undefined;
	readonly shapes: ShapeInference;
	readonly weights: WeightReader;
}

/** Operators that hand every element on unchanged, apart from its type or rounding. */
const HANDING_ON: ReadonlySet<string> = new Set(['Identity', 'Cast', 'Dropout', 'QuantizeLinear', 'DequantizeLinear']);
const MOVING: ReadonlySet<string> = new Set(['Reshape', 'Transpose', 'Flatten', 'Squeeze', 'Unsqueeze']);
/** Nodes between an operator and its layer: three or four in practice. */
const MAX_PATH = 32;

/** Walks back from a layer's input to the linear operator it can be folded into; undefined when there is none. */
export async function findTarget(layer: BatchNormLayer, context: TargetContext): Promise<FoldTarget | undefined> {
	if (hasCycle(layer.scope) || hasMisshapenParameters(layer)) {
		return undefined;
	}
	const path: Place[] = [];
	const earlier: BatchNormLayer[] = [];
	let at = { scope: layer.scope, name: layer.input };
	for (let step = 0; step < MAX_PATH; step++) {
		const definition = at.scope.lookup(at.name);
		if (definition.kind !== 'node') {
			return undefined;
		}
		const operator = context.operators(definition);
		if (operator) {
			// The runtime's own fusions end in an activation.
			const isPlain = definition.scope.attribute(definition.node, 'activation') === undefined;
			return isPlain ? followChannels({ layer, operator, path, earlier }, context) : undefined;
		}
		const before = context.layers(definition);
		if (before) {
			earlier.unshift(before);
			at = { scope: before.scope, name: before.input };
			continue;
		}
		const input = dataInput(definition);
		if (input === undefined) {
			return undefined;
		}
		path.unshift(definition);
		at = { scope: definition.scope, name: definition.node.inputs[input] ?? '' };
	}
	return undefined;
}

/** Position of the input that a node between may hand on; undefined when it does more. */
function dataInput({ scope, node }: Place): number | undefined {
	if (node.domain !== '') {
		return undefined;
	}
	if (HANDING_ON.has(node.opType) || MOVING.has(node.opType)) {
		return 0;
	}
	if (node.opType !== 'Add') {
		return undefined;
	}
	const constant = node.inputs.findIndex((name) => isConstant(scope, name));
	return constant < 0 ? undefined : 1 - constant;
}

interface Trail {
	readonly layer: BatchNormLayer;
	readonly operator: LinearOperator;
	readonly path: readonly Place[];
	readonly earlier: readonly BatchNormLayer[];
}

async function followChannels(trail: Trail, context: TargetContext): Promise<FoldTarget | undefined> {
	const { layer, operator, path, earlier } = trail;
	const dims = await context.weights.dims(operator);
	const layout = dims && weightLayout(operator, dims);
	if (!dims || !layout || layer.channels === 0) {
		return undefined;
	}
	const channels = channelCount(layout);
	const isConvolution = operator.kind === 'Conv' || operator.kind === 'ConvTranspose';
	const shape = outputShape(trail, context.shapes, isConvolution ? dims.length : undefined);
	if (!shape) {
		return undefined;
	}
	const behind = isConvolution ? dims.length - 2 : 0;
	let axes: Axis[] | undefined = outputAxes(shape, shape.length - 1 - behind, channels);
	let added: Float64Array | null = null;
	let hasMoved = false;
	for (const place of path) {
		if (place.node.opType === 'Add') {
			const constant = await addend(place, { channels, behind }, context.weights);
			if (!constant || hasMoved || earlier.length > 0) {
				return undefined;
			}
			added = added ? added.map((value, c) => value + constant[c]) : constant;
		} else if (MOVING.has(place.node.opType)) {
			axes = axes && (await moveAxes(axes, place, context.weights));
			hasMoved = true;
		}
	}
	const rows = axes?.[1] && channelsOfAxis(axes[1], channels);
	return rows && reachesAll(rows, layer.channels) ? { operator, earlier, path, added, rows } : undefined;
}

/** Whether the rows lead to the channels from 0 on, to each of them and to no other. */
function reachesAll(rows: Int32Array, channels: number): boolean {
	return rows.every((channel) => channel < channels) && new Set(rows).size === channels;
}

/** Shape of the operator's output; unknown sizes are undefined. Without any hint a product has two dimensions. */
function outputShape(
	{ operator, layer, path }: Trail,
	shapes: ShapeInference,
	rank: number | undefined,
): readonly Dimension[] | undefined {
	const known = shapes.of(operator.scope, operator.output).shape;
	if (known && (rank === undefined || known.length === rank)) {
		return known;
	}
	if (rank !== undefined || operator.kind === 'Gemm') {
		return new Array<Dimension>(rank ?? 2).fill(undefined);
	}
	const isDirect = !path.some(({ node }) => MOVING.has(node.opType));
	return isDirect ? (layer.inputShape ?? [undefined, undefined]) : undefined;
}

async function addend(
	{ scope, node }: Place,
	{ channels, behind }: { readonly channels: number; readonly behind: number | 'any' },
	weights: WeightReader,
): Promise<Float64Array | undefined> {
	const constant = node.inputs.find((name) => isConstant(scope, name));
	return constant === undefined ? undefined : weights.perChannel(scope, constant, channels, behind);
}

async function moveAxes(axes: readonly Axis[], place: Place, weights: WeightReader): Promise<Axis[] | undefined> {
	const { scope, node } = place;
	const attribute = scope.attribute(node, node.opType === 'Transpose' ? 'perm' : 'axes')?.ints;
	switch (node.opType) {
		case 'Transpose':
			return transposeAxes(axes, attribute);
		case 'Flatten':
			return flattenAxes(axes, scope.attribute(node, 'axis')?.i ?? 1);
		case 'Reshape': {
			const target = await weights.integers(scope, node.inputs[1] ?? '');
			const isLiteral = (scope.attribute(node, 'allowzero')?.i ?? 0) !== 0;
			return target && !isLiteral ? reshapeAxes(axes, target) : undefined;
		}
		default: {
			// From opset 13 on the axes are an input.
			const at = attribute ?? (await weights.integers(scope, node.inputs[1] ?? ''));
			return at && (node.opType === 'Squeeze' ? squeezeAxes(axes, at) : unsqueezeAxes(axes, at));
		}
	}
}

/** An operator as the target of something that acts on its output channels one by one. */
export function directTarget(operator: LinearOperator, layout: ChannelLayout): FoldTarget {
	const rows = Int32Array.from({ length: channelCount(layout) }, (_, row) => row);
	return { operator, earlier: [], path: [], added: null, rows };
}

/**
 * What may count as bias besides a deployed operator's own, one value an output channel: nothing, or the constant that an
 * Add behind it adds or a Sub takes away, where `rows` lead each output channel through reshapes to. Only where the operator has no bias can
 * that be part of a fold; a separate Add is somebody else's otherwise.
 */
export async function addedBehind(
	operator: LinearOperator,
	rows: Int32Array,
	weights: WeightReader,
): Promise<readonly (Float64Array | null)[]> {
	const { scope, bias } = operator;
	let [next, ...others] = scope.consumers(operator.output);
	let hasMoved = false;
	for (let step = 0; step < MAX_PATH && next && others.length === 0 && isMove(next); step++) {
		hasMoved ||= MOVING.has(next.opType);
		[next, ...others] = scope.consumers(next.outputs[0] ?? '');
	}
	const sign = next && next.domain === '' && others.length === 0 ? signOfAddend(scope, next) : undefined;
	if (bias !== '' || !next || sign === undefined) {
		return [null];
	}
	const signed = (constant: Float64Array) => constant.map((value) => sign * value);
	const dims = await weights.dims(operator);
	const behind = dims && (operator.kind === 'Conv' || operator.kind === 'ConvTranspose') ? dims.length - 2 : 0;
	if (!hasMoved) {
		const constant = await addend({ scope, node: next }, { channels: rows.length, behind }, weights);
		return constant ? [signed(constant), null] : [null];
	}
	const channels = rows.reduce((most, channel) => Math.max(most, channel + 1), 0);
	const constant = await addend({ scope, node: next }, { channels, behind: 'any' }, weights);
	return constant ? [signed(Float64Array.from(rows, (channel) => constant[channel])), null] : [null];
}

/** -1 for a Sub that takes a constant away, 1 for an Add; undefined for anything else. */
function signOfAddend(scope: Scope, { opType, inputs }: Node): 1 | -1 | undefined {
	if (opType === 'Sub') {
		return isConstant(scope, inputs[1] ?? '') && !isConstant(scope, inputs[0] ?? '') ? -1 : undefined;
	}
	return opType === 'Add' ? 1 : undefined;
}

const isMove = ({ opType, domain }: Node): boolean => domain === '' && (opType === 'Identity' || MOVING.has(opType));
