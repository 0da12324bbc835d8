import type { BatchNormLayer } from '../../batchnorm/layer.js';
import type { Place } from '../../onnx/graph/traverse.js';
import type { Dimension } from '../../onnx/model.js';
import { channelCount } from '../operators/layout.js';
import { type LinearOperator, recordOf } from '../operators/linear.js';
import { channelOfIndex, outputAxes } from './channel-trace.js';
import { inputLayout } from './forward.js';
import { keepsValues } from './path-reasons.js';
import type { ShapeEvidence, TargetContext } from './target.js';
import { MOVING, walkPath } from './walk-path.js';

/** The linear operator behind a layer, and how the layer's channels reach it. */
export interface ForwardRoute {
	readonly operator: LinearOperator;
	/** Nodes between the two that move elements, average them within a channel, or hand them on. */
	readonly path: readonly Place[];
	/** The layer's channel for each input channel of the operator; undefined for an operator directly behind the layer. */
	readonly rows: Int32Array | undefined;
	readonly evidence: ShapeEvidence;
}

/** Maximum number of nodes between a layer and its operator; three or four in practice. */
const MAX_PATH = 16;

/** Follows the only readers of a layer's output to a linear operator. Undefined if there is none. */
export async function findForwardRoute(
	layer: BatchNormLayer,
	context: TargetContext,
): Promise<ForwardRoute | undefined> {
	const { scope } = layer;
	const path: Place[] = [];
	let tensor = layer.output;
	for (let step = 0; step <= MAX_PATH && !scope.isOutput(tensor); step++) {
		const [node, ...others] = scope.consumers(tensor);
		if (!node || others.length > 0 || node.inputs[0] !== tensor) {
			return undefined;
		}
		const place = { scope, node };
		const operator = context.operators(place);
		if (operator?.node === node) {
			return path.length === 0
				? { operator, path, rows: undefined, evidence: 'inferred' }
				: followChannels(layer, { operator, path }, context);
		}
		const output = node.outputs[0] ?? '';
		// A reader in a body belongs to another graph.
		if (scope.producer(output) !== node || node.outputs.slice(1).some((name) => name !== '')) {
			return undefined;
		}
		path.push(place);
		tensor = output;
	}
	return undefined;
}

async function followChannels(
	layer: BatchNormLayer,
	{ operator, path }: Pick<ForwardRoute, 'operator' | 'path'>,
	{ weights, shapes, enforced }: TargetContext,
): Promise<ForwardRoute | undefined> {
	const type = recordOf(operator.scope, operator.weight)?.dataType ?? 0;
	const isExact = path.every((place) => place.node.opType !== 'Add' && keepsValues(place, type));
	const dims = isExact ? await weights.dims(operator) : undefined;
	const input = dims && inputLayout(operator, dims);
	if (!input || layer.channels === 0) {
		return undefined;
	}
	const known: readonly (readonly [readonly Dimension[] | undefined, ShapeEvidence])[] = [
		[enforced.of(layer.scope, layer.input).shape, 'inferred'],
		[shapes.of(layer.scope, layer.input).shape, 'declared'],
	];
	for (const [shape, evidence] of known) {
		const axis = shape && (layer.channelAxis < 0 ? layer.channelAxis + shape.length : layer.channelAxis);
		if (!shape || axis === undefined || !(axis in shape)) {
			continue;
		}
		const start = outputAxes(shape, axis, layer.channels);
		const channels = { channels: layer.channels, behind: shape.length - 1 - axis, rank: shape.length };
		const end = (await walkPath(path, start, weights, channels))?.axes.at(-1);
		const isMatrix = operator.kind === 'Gemm' || operator.kind === 'MatMul';
		const reached = end?.at(isMatrix ? -1 : 1);
		const hasRank = !isMatrix || end?.length === 2;
		const rows = hasRank && reached ? channelOfIndex(reached, layer.channels, channelCount(input)) : undefined;
		if (rows) {
			return { operator, path, rows, evidence };
		}
	}
	return undefined;
}

/** True if nodes between the layer and its operator depend on the sizes of the tensors. */
export function movesElements({ path }: Pick<ForwardRoute, 'path'>): boolean {
	return path.some(({ node }) => MOVING.has(node.opType));
}
