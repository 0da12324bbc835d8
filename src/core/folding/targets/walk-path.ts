import { isConstant } from '../../onnx/graph/constants.js';
import type { Place } from '../../onnx/graph/traverse.js';
import type { BroadcastPartner, WeightReader } from '../operators/weights.js';
import { type Axis, flattenAxes, reshapeAxes, squeezeAxes, transposeAxes, unsqueezeAxes } from './channel-trace.js';

/** Operators that move elements and change none. */
export const MOVING: ReadonlySet<string> = new Set(['Reshape', 'Transpose', 'Flatten', 'Squeeze', 'Unsqueeze']);

/** An operator's output. */
interface Channels extends BroadcastPartner {
	readonly channels: number;
}

interface Walked {
	/** In front of each node, and at the end. */
	readonly axes: readonly (readonly Axis[])[];
	/** Value that each node adds to every channel, shape (channels); null if it adds none. */
	readonly additions: readonly (Float64Array | null)[];
}

/** Follows an operator's axes along a path; undefined where a node of it cannot be followed. */
export async function walkPath(
	path: readonly Place[],
	start: readonly Axis[],
	weights: WeightReader,
	channels: Channels,
): Promise<Walked | undefined> {
	const axes = [start];
	const additions: (Float64Array | null)[] = [];
	let hasMoved = false;
	for (const place of path) {
		const here: readonly Axis[] = axes[axes.length - 1];
		const isMove = MOVING.has(place.node.opType);
		const isAdd = place.node.opType === 'Add';
		const next = isMove ? await moveAxes(here, place, weights) : here;
		const addition = isAdd && !hasMoved ? await addend(place, channels, weights) : null;
		if (!next || addition === undefined || (isAdd && hasMoved)) {
			return undefined;
		}
		hasMoved ||= isMove;
		axes.push(next);
		additions.push(addition);
	}
	return { axes, additions };
}

/** Returns the value that an Add adds to each channel; undefined unless it is a constant with a value per channel. */
export async function addend(
	{ scope, node }: Place,
	{ channels, ...against }: Channels,
	weights: WeightReader,
): Promise<Float64Array | undefined> {
	const constant = node.inputs.find((name) => isConstant(scope, name));
	return constant === undefined ? undefined : weights.perChannel(scope, constant, channels, against);
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
