import { isConstant } from '../../onnx/graph/constants.js';
import type { Place } from '../../onnx/graph/traverse.js';
import { isPadded } from '../../onnx/graph/windows.js';
import type { BroadcastPartner } from '../operators/weight-layout.js';
import type { WeightReader } from '../operators/weights.js';
import {
	type Axis,
	averagedAxes,
	channelsOfAxis,
	flattenAxes,
	reshapeAxes,
	squeezeAxes,
	transposeAxes,
	unsqueezeAxes,
} from './channel-trace.js';

/** Average the elements of a channel, so a scale and a shift of each channel may act behind them or in front of them. */
const [GLOBAL_AVERAGE, AVERAGE, MEAN] = ['GlobalAveragePool', 'AveragePool', 'ReduceMean'];
/** Operators that move, drop, or average elements within a channel. */
export const MOVING: ReadonlySet<string> = new Set([
	...['Reshape', 'Transpose', 'Flatten', 'Squeeze', 'Unsqueeze', 'Slice'],
	...[GLOBAL_AVERAGE, AVERAGE, MEAN],
]);

/** Operators that change only the type or rounding of elements. */
export const HANDING_ON: ReadonlySet<string> = new Set([
	...['Identity', 'Cast', 'Dropout'],
	...['QuantizeLinear', 'DequantizeLinear'],
]);

/** An operator's output. */
export interface Channels extends BroadcastPartner {
	readonly channels: number;
}

export interface Walked {
	/** Axes in front of each node, and at the end. */
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
		const addition = !isAdd
			? null
			: hasMoved
				? await movedAddend(place, here, channels.channels, weights)
				: await addend(place, channels, weights);
		if (!next || addition === undefined) {
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

/**
 * Returns the value that an Add behind a moving node adds to each output channel of the operator. Undefined unless the
 * added value is a constant along the channels' axis alone.
 */
async function movedAddend(
	place: Place,
	axes: readonly Axis[],
	channels: number,
	weights: WeightReader,
): Promise<Float64Array | undefined> {
	const [at, ...others] = axes.flatMap((axis, index) => (axis.some(({ stride }) => stride > 0) ? [index] : []));
	const positions = at === undefined || others.length > 0 ? undefined : channelsOfAxis(axes[at], channels);
	if (at === undefined || !positions) {
		return undefined;
	}
	const along = new Set(positions).size;
	const values = await addend(place, { channels: along, behind: axes.length - 1 - at, rank: axes.length }, weights);
	return values && Float64Array.from(positions, (position) => values[position]);
}

/** Returns the axes with `pooled` in place of each axis of the images; undefined if the images hold channels. */
function averageAxes([batch, channel, ...image]: readonly Axis[], pooled: Axis): Axis[] | undefined {
	const isOfChannel = image.flat().every(({ stride }) => stride === 0);
	return batch && channel && isOfChannel ? [batch, channel, ...image.map(() => pooled)] : undefined;
}

/** True if an AveragePool counts the zeros of its padding as values: then the border has another share of a shift. */
function averagesPadding({ scope, node }: Place): boolean {
	return isPadded(scope, node) && scope.attribute(node, 'count_include_pad')?.i === 1;
}

/** Returns the axes that a Slice cuts; undefined if they are not constant. */
async function slicedAxes({ scope, node }: Place, weights: WeightReader): Promise<readonly number[] | undefined> {
	const [, starts = '', , axes = ''] = node.inputs;
	const given = scope.attribute(node, 'axes')?.ints ?? (await weights.integers(scope, axes));
	const all = scope.attribute(node, 'starts')?.ints ?? (await weights.integers(scope, starts));
	return given ?? (axes === '' ? all?.map((_, axis) => axis) : undefined);
}

/** An axis of unknown size without channels. */
const PART: Axis = [{ size: undefined, stride: 0 }];

/** Returns the axes behind a Slice; undefined if it may leave channels out. */
function sliceAxes(axes: readonly Axis[], at: readonly number[] | undefined): Axis[] | undefined {
	const cut = new Set(at?.map((axis) => (axis < 0 ? axis + axes.length : axis)));
	const isOfChannel = [...cut].every((axis) => axes[axis]?.every(({ stride }) => stride === 0));
	return at && isOfChannel ? axes.map((axis, index) => (cut.has(index) ? PART : axis)) : undefined;
}

async function moveAxes(axes: readonly Axis[], place: Place, weights: WeightReader): Promise<Axis[] | undefined> {
	const { scope, node } = place;
	const attribute = scope.attribute(node, node.opType === 'Transpose' ? 'perm' : 'axes')?.ints;
	switch (node.opType) {
		case GLOBAL_AVERAGE:
			return averageAxes(axes, []);
		case AVERAGE:
			return averagesPadding(place) ? undefined : averageAxes(axes, PART);
		case MEAN: {
			// Without axes it averages all, or has no effect.
			const at = attribute ?? (await weights.integers(scope, node.inputs[1] ?? '')) ?? [];
			const keeps = (scope.attribute(node, 'keepdims')?.i ?? 1) !== 0;
			return at.length > 0 ? averagedAxes(axes, at, keeps) : undefined;
		}
		case 'Transpose':
			return transposeAxes(axes, attribute);
		case 'Slice':
			return sliceAxes(axes, await slicedAxes(place, weights));
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
