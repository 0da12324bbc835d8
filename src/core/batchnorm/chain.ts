import { isConstant } from '../onnx/graph/constants.js';
import type { Reference, Scope } from '../onnx/graph/scope.js';
import type { Dimension, Node } from '../onnx/model.js';
import type { LayerContext } from './place.js';

/** An element-wise step y = x op constant, with a value of the constant per channel. */
export interface Step {
	readonly op: string;
	/** Name of the tensor that the step works on. */
	readonly x: string;
	readonly constant: Reference;
	readonly node: Node;
}

/** A chain of steps that amounts to an inference-mode normalization. */
export interface Chain {
	/** x - mean, where the chain begins with it. */
	readonly centre: Step | undefined;
	/** One or two multiplications or divisions. */
	readonly scales: readonly Step[];
	/** + shift (or beta, after a centre). */
	readonly shift: Step;
	/** Name of the chain's input. */
	readonly x: string;
}

const STEPS: ReadonlySet<string> = new Set(['Add', 'Sub', 'Mul', 'Div']);
/** Walks back from the last addition. The longest matching form wins. */
export async function matchChain(scope: Scope, node: Node, context: LayerContext): Promise<Chain | undefined> {
	const shift = await stepOf(scope, node, context);
	const last = shift && (await previous(scope, shift, context));
	if (!shift || !last || (last.op !== 'Mul' && last.op !== 'Div')) {
		return undefined;
	}
	const before = await previous(scope, last, context);
	if (before?.op === 'Sub') {
		return { centre: before, scales: [last], shift, x: before.x };
	}
	if (before && before.op !== 'Add') {
		const centre = await previous(scope, before, context);
		if (centre?.op === 'Sub') {
			return { centre, scales: [before, last], shift, x: centre.x };
		}
	}
	return last.op === 'Mul' ? { centre: undefined, scales: [last], shift, x: last.x } : undefined;
}

/** Returns the step that computes this step's x, if no other node reads x. */
async function previous(scope: Scope, step: Step, context: LayerContext): Promise<Step | undefined> {
	const node = scope.producer(step.x);
	const alone = scope.consumers(step.x).length === 1 && !scope.isOutput(step.x);
	return node && alone ? stepOf(scope, node, context) : undefined;
}

async function stepOf(scope: Scope, node: Node, context: LayerContext): Promise<Step | undefined> {
	const [a = '', b = ''] = node.inputs;
	if (!STEPS.has(node.opType) || node.domain !== '') {
		return undefined;
	}
	const commutes = node.opType === 'Add' || node.opType === 'Mul';
	const candidates = commutes ? [[a, b] as const, [b, a] as const] : [[a, b] as const];
	for (const [x, name] of candidates) {
		const rank = context.shapes.of(scope, x).shape?.length;
		const dims = await constantShape(scope, name, context);
		// Before opset 7 `axis` said where the constant's dimensions stand.
		const axis = scope.opset() < 7 ? scope.attribute(node, 'axis')?.i : undefined;
		if (dims && isPerChannel(dims, rank, axis)) {
			return { op: node.opType, x, constant: { scope, name }, node };
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
 * True if a shape, broadcast against data of `rank`, has more than one element along axis 1 and a single element along
 * all other axes.
 */
function isPerChannel(dims: readonly Dimension[], rank: number | undefined, axis: number | undefined): boolean {
	// Without a known rank only a full shape (1, C, 1 …) shows which axis is meant.
	const full = rank ?? (dims.length > 2 && dims[0] === 1 ? dims.length : undefined);
	if (full === undefined || full < 2 || dims.length > full) {
		return false;
	}
	const leading = axis ?? full - dims.length;
	const channels = dims[1 - leading];
	return typeof channels === 'number' && channels > 1 && dims.every((dim, at) => at + leading === 1 || dim === 1);
}
