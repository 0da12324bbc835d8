import { product } from '../../numbers/arrays.js';
import type { Node } from '../model.js';
import { isStandard } from './quantization.js';
import type { Scope } from './scope.js';

/** Operators that hand on the number behind them. */
const KEEPING: ReadonlySet<string> = new Set(['Cast', 'Identity', 'Unsqueeze', 'Squeeze']);
/** Maximum number of nodes between a shape and its use in a Reshape. Exporters leave two or three. */
const MAX_NODES = 8;

/** A shape as a list of dimensions: names of constants, and null for the dimension that the data decide. */
export interface OpenShape {
	readonly scope: Scope;
	readonly parts: readonly (string | null)[];
	/** Name of the dimension that the data decide, an int64 or int32 tensor of shape (1). */
	readonly open: string;
}

/**
 * Returns the shape of a Reshape with exactly one dimension from another tensor. Keras exports a depthwise
 * convolution's bias so: Concat(1, 1, 1, Shape(x)[3]). The number of elements decides that dimension, because a Reshape
 * to another number of elements fails.
 */
export function openShape(
	scope: Scope,
	shape: string,
	isConstant: (scope: Scope, name: string) => boolean,
): OpenShape | undefined {
	if (isDimension(scope, shape)) {
		return { scope, parts: [null], open: shape };
	}
	const list = behindKeeping(scope, shape);
	if (list?.node.opType !== 'Concat' || !isStandard(list.node)) {
		return undefined;
	}
	const parts = list.node.inputs.map((input) => (isConstant(list.scope, input) ? input : null));
	const open = list.node.inputs.filter((_, index) => parts[index] === null);
	const [name] = open;
	return open.length === 1 && isDimension(list.scope, name) ? { scope: list.scope, parts, open: name } : undefined;
}

interface Reached {
	readonly scope: Scope;
	readonly node: Node;
	/** True if a Squeeze of given axes lies on the way. It fails on more than one element. */
	readonly isSqueezed: boolean;
}

/** Returns the node that computes a tensor, in front of operators that hand on its numbers. */
function behindKeeping(scope: Scope, name: string): Reached | undefined {
	let definition = scope.lookup(name);
	let isSqueezed = false;
	for (let step = 0; step < MAX_NODES && definition.kind === 'node'; step++) {
		const { node, scope: place } = definition;
		if (!isStandard(node) || !KEEPING.has(node.opType)) {
			return { scope: place, node, isSqueezed };
		}
		const hasAxes = node.inputs.length > 1 || place.attribute(node, 'axes') !== undefined;
		isSqueezed ||= node.opType === 'Squeeze' && hasAxes;
		definition = place.lookup(node.inputs[0] ?? '');
	}
	return undefined;
}

/** True for a single dimension of some tensor's shape. */
function isDimension(scope: Scope, name: string): boolean {
	const pick = behindKeeping(scope, name);
	if (!pick || !isStandard(pick.node)) {
		return false;
	}
	const isOne = pick.node.opType === 'Gather' ? hasOneIndex(pick) : pick.node.opType === 'Slice' && pick.isSqueezed;
	const origin = isOne ? behindKeeping(pick.scope, pick.node.inputs[0] ?? '') : undefined;
	return origin?.node.opType === 'Shape' && isStandard(origin.node);
}

function hasOneIndex({ scope, node }: Reached): boolean {
	const definition = scope.lookup(node.inputs[1] ?? '');
	const record =
		definition.kind === 'initializer'
			? definition.record
			: definition.kind === 'node'
				? definition.scope.attribute(definition.node, 'value')?.t
				: undefined;
	return record !== undefined && product(record.dims) === 1;
}
