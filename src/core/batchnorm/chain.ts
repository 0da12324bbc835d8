import { isConstant } from '../onnx/graph/constants.js';
import type { Reference, Scope } from '../onnx/graph/scope.js';
import type { Dimension, Node } from '../onnx/model.js';
import type { LayerContext } from './place.js';

/** A step y = x op constant, with a constant per channel, or y = constant - x. */
export interface Step {
	readonly op: string;
	/** True for constant - x. */
	readonly isReversed: boolean;
	/** -1 for constant - x and for a Neg between this step and the next, 1 for both and for neither. */
	readonly sign: number;
	/** Name of the tensor that the step works on. */
	readonly x: string;
	readonly constant: Reference;
	readonly node: Node;
	/** Axis of x that the constant lies along; -1 (last) if x has unknown rank. */
	readonly axis: number;
	/** Rank of x, if known. */
	readonly rank: number | undefined;
}

/** A chain of steps that amounts to an inference-mode normalization. */
export interface Chain {
	/** x - mean or x + shift, where the chain begins with it. */
	readonly center: Step | undefined;
	/** A single multiplication or division, or two. */
	readonly scales: readonly Step[];
	/** + shift (or beta, after a center), or - shift; absent where the chain ends in a scale. */
	readonly shift: Step | undefined;
	/** Product of the signs of all steps, a factor of the scale. */
	readonly sign: number;
	/** Name of the chain's input. */
	readonly x: string;
	/** Channel axis, as in {@link Step}; equal in all steps. */
	readonly axis: number;
}

const STEPS: ReadonlySet<string> = new Set(['Add', 'Sub', 'Mul', 'Div']);
/** Maximum number of casts without effect, and of Neg, between two steps. Exporters leave at most two. */
const MAX_CASTS = 4;

/** Walks back from the last step. Prefers the longest form. */
export async function matchChain(scope: Scope, node: Node, context: LayerContext): Promise<Chain | undefined> {
	const step = await stepOf(scope, node, context);
	if (!step) {
		return undefined;
	}
	if (!isScale(step)) {
		return matchShifted(scope, step, context);
	}
	const chain = await matchCentered(scope, step, context);
	return chain && !(await isContinued(scope, step, context)) ? chain : undefined;
}

const isScale = ({ op }: Step): boolean => op === 'Mul' || op === 'Div';

/** x * scale + shift, also with a center in front. */
async function matchShifted(scope: Scope, shift: Step, context: LayerContext): Promise<Chain | undefined> {
	const last = await previous(scope, shift, context);
	if (!last || !isScale(last)) {
		return undefined;
	}
	const before = await previous(scope, last, context);
	if (before?.op === 'Sub') {
		return chainOf(before, [last], shift);
	}
	if (before && before.op !== 'Add') {
		const center = await previous(scope, before, context);
		if (center?.op === 'Sub') {
			return chainOf(center, [before, last], shift);
		}
	}
	return chainOf(undefined, [last], shift);
}

function chainOf(center: Step | undefined, scales: readonly [Step, ...Step[]], shift: Step | undefined): Chain {
	const [first] = scales;
	const { x, axis } = center ?? first;
	const sign = [center, ...scales, shift].reduce((product, step) => product * (step?.sign ?? 1), 1);
	return { center, scales, shift, sign, x, axis };
}

/** (x - mean) * scale or (x + shift) * scale. The center does not end a chain of its own. */
async function matchCentered(scope: Scope, last: Step, context: LayerContext): Promise<Chain | undefined> {
	let scales: [Step, ...Step[]] = [last];
	let center = await previous(scope, last, context);
	if (center && isScale(center)) {
		scales = [center, last];
		center = await previous(scope, center, context);
	}
	const isCenter = center && !isScale(center) && !(await matchShifted(scope, center, context));
	return center && isCenter ? chainOf(center, scales, undefined) : undefined;
}

/** True if the reader of a step's output goes on with the chain. */
async function isContinued(scope: Scope, step: Step, context: LayerContext): Promise<boolean> {
	let [output = ''] = step.node.outputs;
	for (let casts = 0; casts <= MAX_CASTS; casts++) {
		const [reader, ...others] = scope.consumers(output);
		if (!reader || others.length > 0 || scope.isOutput(output)) {
			return false;
		}
		if (!keepsValues(scope, reader, context) && !isNegation(reader)) {
			const next = await stepOf(scope, reader, context);
			const isNext = next !== undefined && next.axis === step.axis && next.x === output;
			const chain = isScale(next ?? step) ? matchCentered : matchShifted;
			return isNext && (await chain(scope, next, context)) !== undefined;
		}
		[output = ''] = reader.outputs;
	}
	return false;
}

/** Returns the step on the same axis that computes this step's x, if no other node reads x. */
async function previous(scope: Scope, step: Step, context: LayerContext): Promise<Step | undefined> {
	let { x } = step;
	let sign = 1;
	for (let casts = 0; casts <= MAX_CASTS; casts++) {
		const node = scope.producer(x);
		const alone = scope.consumers(x).length === 1 && !scope.isOutput(x);
		if (!node || !alone) {
			return undefined;
		}
		if (isNegation(node)) {
			sign = -sign;
		} else if (!keepsValues(scope, node, context)) {
			const before = await stepOf(scope, node, context);
			return before?.axis === step.axis ? { ...before, sign: sign * before.sign } : undefined;
		}
		x = node.inputs[0] ?? '';
	}
	return undefined;
}

/** True for Identity and for a Cast to the type of its input. */
export function keepsValues(scope: Scope, node: Node, { shapes }: LayerContext): boolean {
	if (node.domain !== '' || (node.opType !== 'Cast' && node.opType !== 'Identity')) {
		return false;
	}
	const { dataType } = shapes.of(scope, node.inputs[0] ?? '');
	return node.opType === 'Identity' || (dataType !== 0 && dataType === scope.attribute(node, 'to')?.i);
}

const isNegation = ({ opType, domain }: Node): boolean => opType === 'Neg' && domain === '';

async function stepOf(scope: Scope, node: Node, context: LayerContext): Promise<Step | undefined> {
	const [a = '', b = ''] = node.inputs;
	if (!STEPS.has(node.opType) || node.domain !== '') {
		return undefined;
	}
	const candidates = node.opType === 'Div' ? [[a, b] as const] : [[a, b] as const, [b, a] as const];
	for (const [x, name] of candidates) {
		const isReversed = node.opType === 'Sub' && x !== a;
		const rank = context.shapes.of(scope, x).shape?.length;
		const dims = await constantShape(scope, name, context);
		// Before opset 7 `axis` said where the constant's dimensions stand.
		const leading = scope.opset() < 7 ? scope.attribute(node, 'axis')?.i : undefined;
		const axis = dims && channelAxis(dims, rank, leading);
		if (axis !== undefined) {
			const constant = { scope, name };
			return { op: node.opType, isReversed, sign: isReversed ? -1 : 1, x, constant, node, axis, rank };
		}
	}
	return undefined;
}

/**
 * Returns the shape of a tensor that may be constant. Evaluates the tensor only if the structure does not give the
 * shape.
 */
async function constantShape(
	scope: Scope,
	name: string,
	{ shapes, constants }: LayerContext,
): Promise<readonly Dimension[] | undefined> {
	const { shape } = shapes.of(scope, name);
	if (shape?.every((dim) => typeof dim === 'number') || !isConstant(scope, name)) {
		return shape;
	}
	const { tensor } = await constants.resolve(scope, name);
	return tensor?.dims;
}

/**
 * Returns the only axis, of data of `rank`, along which a constant's shape has more than one element. Undefined if
 * there is no such axis, or if the shape does not fit the rank.
 * @param leading axis of the shape's first dimension; by default the shape ends at the last axis
 */
function channelAxis(
	dims: readonly Dimension[],
	rank: number | undefined,
	leading: number | undefined,
): number | undefined {
	const at = dims.findIndex((dim) => dim !== 1);
	const isVector = at >= 0 && typeof dims[at] === 'number' && dims.every((dim, axis) => axis === at || dim === 1);
	if (!isVector || (rank !== undefined && (rank < 2 || dims.length > rank))) {
		return undefined;
	}
	if (rank !== undefined) {
		return at + (leading ?? rank - dims.length);
	}
	// Without a known rank only a full shape, (1, C, 1 ...) or (1, ..., 1, C), shows the axis.
	const isFull = dims.length > 2 && dims[0] === 1;
	return isFull ? (at === dims.length - 1 ? -1 : at) : undefined;
}
