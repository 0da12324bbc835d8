import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { isConstant } from '../../onnx/graph/constants.js';
import type { ShapeInference } from '../../onnx/graph/infer.js';
import { isStandard } from '../../onnx/graph/quantization.js';
import type { Place } from '../../onnx/graph/traverse.js';
import type { Dimension } from '../../onnx/model.js';
import { addBiases } from '../operators/expected.js';
import { type ChannelLayout, channelCount } from '../operators/layout.js';
import type { LinearOperator } from '../operators/linear.js';
import { weightLayout } from '../operators/weight-layout.js';
import type { WeightReader } from '../operators/weights.js';
import { channelsOfAxis, outputAxes } from './channel-trace.js';
import { hasCycle } from './cycle.js';
import { hasMisshapenParameters } from './reasons.js';
import { HANDING_ON, MOVING, type Walked, walkPath } from './walk-path.js';

/** The linear operator in front of a layer, and how its output channels reach the layer. */
export interface FoldTarget {
	readonly operator: LinearOperator;
	/** Layers between the two, from the operator on: they fold first. */
	readonly earlier: readonly EarlierLayer[];
	/** Nodes between the two that only move elements or add a constant, from the operator on. */
	readonly path: readonly Place[];
	/** Constant added directly in front of the layer, a value per output channel: a bias outside the operator. */
	readonly added: Float64Array | null;
	/** The layer's channel for each output channel. */
	readonly rows: Int32Array;
	/** Number of dimensions of the layer's input. */
	readonly rank: number;
	/** Evidence for the shape of the operator's output. */
	readonly evidence: ShapeEvidence;
}

/**
 * Origin of the shape of an operator's output: inferred from the shapes that the runtime enforces, declared in the
 * file, or assumed. Declarations can be stale, so a fold that rests on a declaration needs a run as its proof.
 */
export type ShapeEvidence = 'inferred' | 'declared' | 'assumed';

/** A layer between an operator and another layer. */
export interface EarlierLayer {
	readonly layer: BatchNormLayer;
	/**
	 * Channel of the layer for each output channel of the operator, shape (output channels); undefined for a layer on
	 * other channels.
	 */
	readonly rows: Int32Array | undefined;
	/** Constant added right in front of it, as in {@link FoldTarget}. */
	readonly added: Float64Array | null;
}

/** State shared by the search for targets of a model. */
export interface TargetContext {
	readonly operators: (place: Place) => LinearOperator | undefined;
	readonly layers: (place: Place) => BatchNormLayer | undefined;
	readonly shapes: ShapeInference;
	/** Inference that believes only the shapes that the runtime enforces. */
	readonly enforced: ShapeInference;
	readonly weights: WeightReader;
}

/** Maximum number of nodes between an operator and its layer; three or four in practice. */
const MAX_PATH = 32;

/**
 * Walks back from a layer's input to the linear operator that the layer can be folded into. Undefined if there is none.
 */
export async function findTarget(layer: BatchNormLayer, context: TargetContext): Promise<FoldTarget | undefined> {
	if (hasCycle(layer.scope) || hasMisshapenParameters(layer)) {
		return undefined;
	}
	const path: Place[] = [];
	const between: Between[] = [];
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
			return isPlain ? followChannels({ layer, operator, path, between }, context) : undefined;
		}
		const before = context.layers(definition);
		if (before) {
			between.unshift({ layer: before, nodesBehind: path.length });
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

/** Position of the input that a node may hand on; undefined if it does more. */
function dataInput({ scope, node }: Place): number | undefined {
	if (!isStandard(node)) {
		return undefined;
	}
	if (HANDING_ON.has(node.opType) || MOVING.has(node.opType)) {
		return 0;
	}
	// Up to opset 6 an Add may state an axis for its second operand.
	if (node.opType !== 'Add' || (scope.opset() < 7 && node.attributes.has('axis'))) {
		return undefined;
	}
	const constant = node.inputs.findIndex((name) => isConstant(scope, name));
	return constant < 0 ? undefined : 1 - constant;
}

/** A layer between the operator and a later layer, and the number of path nodes behind it. */
interface Between {
	readonly layer: BatchNormLayer;
	readonly nodesBehind: number;
}

interface Trail {
	readonly layer: BatchNormLayer;
	readonly operator: LinearOperator;
	readonly path: readonly Place[];
	readonly between: readonly Between[];
}

async function followChannels(trail: Trail, context: TargetContext): Promise<FoldTarget | undefined> {
	const { layer, operator, path } = trail;
	const dims = await context.weights.dims(operator);
	const layout = dims && weightLayout(operator, dims);
	if (!dims || !layout || layer.channels === 0) {
		return undefined;
	}
	const channels = channelCount(layout);
	const isConvolution = operator.kind === 'Conv' || operator.kind === 'ConvTranspose';
	for (const { shape, evidence } of outputShapes(trail, context, isConvolution ? dims.length : undefined)) {
		const behind = isConvolution ? dims.length - 2 : 0;
		const start = outputAxes(shape, shape.length - 1 - behind, channels);
		const walked = await walkPath(path, start, context.weights, { channels, behind, rank: shape.length });
		const reached = walked && layersReached(trail, walked, channels);
		if (reached) {
			return { operator, path, ...reached, evidence };
		}
	}
	return undefined;
}

/** Returns the channels of each layer on a path; undefined if the last layer's channels cannot be distinguished. */
function layersReached(
	{ layer, path, between }: Trail,
	walked: Walked,
	channels: number,
): Pick<FoldTarget, 'earlier' | 'added' | 'rows' | 'rank'> | undefined {
	let passed = 0;
	const layers = [...between, { layer, nodesBehind: 0 }].map((at) => {
		const position = path.length - at.nodesBehind;
		const axis = walked.axes[position].at(at.layer.channelAxis);
		const rows = axis && channelsOfAxis(axis, channels);
		const added = sumOf(walked.additions.slice(passed, position));
		passed = position;
		return { layer: at.layer, added, rows: rows && reachesAll(rows, at.layer.channels) ? rows : undefined };
	});
	const { rows, added } = layers[layers.length - 1];
	const rank = walked.axes[path.length].length;
	return rows && { earlier: layers.slice(0, -1), added, rows, rank };
}

function sumOf(additions: readonly (Float64Array | null)[]): Float64Array | null {
	return additions.reduce(addBiases, null);
}

/** True if the rows reach exactly the channels from 0 on. */
function reachesAll(rows: Int32Array, channels: number): boolean {
	return rows.every((channel) => channel < channels) && new Set(rows).size === channels;
}

/**
 * Yields the shapes that the operator's output may have, the most certain first; unknown sizes are undefined. Leaves
 * out a shape that contradicts a more certain shape.
 * @param rank where the operator itself decides the number of dimensions
 */
function* outputShapes(
	{ operator, layer, path }: Trail,
	{ enforced, shapes }: TargetContext,
	rank: number | undefined,
): Generator<{ readonly shape: readonly Dimension[]; readonly evidence: ShapeEvidence }> {
	const own = rank ?? (operator.kind === 'Gemm' ? 2 : undefined);
	const hasOwnRank = (shape: readonly Dimension[] | undefined) => own === undefined || shape?.length === own;
	const inferred = enforced.of(operator.scope, operator.output).shape;
	const open = own === undefined ? undefined : new Array<Dimension>(own).fill(undefined);
	const known = inferred && hasOwnRank(inferred) ? inferred : open;
	if (known) {
		yield { shape: known, evidence: 'inferred' };
	}
	const declared = shapes.of(operator.scope, operator.output).shape;
	if (declared && hasOwnRank(declared) && !contradicts(declared, known)) {
		yield { shape: declared, evidence: 'declared' };
	}
	if (!known && !declared && !path.some(({ node }) => MOVING.has(node.opType))) {
		yield layer.inputShape
			? { shape: layer.inputShape, evidence: 'declared' }
			: { shape: [undefined, undefined], evidence: 'assumed' };
	}
}

/** True if two shapes cannot belong to the same tensor. */
function contradicts(shape: readonly Dimension[], known: readonly Dimension[] | undefined): boolean {
	const differs = (a: Dimension, b: Dimension) => typeof a === 'number' && typeof b === 'number' && a !== b;
	return known !== undefined && (shape.length !== known.length || shape.some((size, i) => differs(size, known[i])));
}

/**
 * Returns a target with only some of the layers on its path. A constant added in front of a removed layer counts as
 * added behind it.
 */
export function withLayers(target: FoldTarget, isThere: (layer: BatchNormLayer) => boolean): FoldTarget {
	const earlier: EarlierLayer[] = [];
	let pending: Float64Array | null = null;
	for (const step of target.earlier) {
		const added: Float64Array | null = sumOf([pending, step.added]);
		pending = isThere(step.layer) ? null : added;
		if (isThere(step.layer)) {
			earlier.push({ ...step, added });
		}
	}
	return { ...target, earlier, added: sumOf([pending, target.added]) };
}

/** Returns an operator as the target of a function that acts on its output channels separately. */
export function directTarget(operator: LinearOperator, layout: ChannelLayout): FoldTarget {
	const rows = Int32Array.from({ length: channelCount(layout) }, (_, row) => row);
	return { operator, earlier: [], path: [], added: null, rows, rank: 2, evidence: 'inferred' };
}
