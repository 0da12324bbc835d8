import type { Reference, Scope } from '../onnx/graph/scope.js';
import type { Node } from '../onnx/model.js';

/**
 * Splits a scale that a graph computes from constants, gamma / sqrt(variance + epsilon), into its tensors. Possible
 * until an optimizer folds the expression into a single constant.
 */
export interface SplitScale {
	/**
	 * Tensors with gamma as their product: most often gamma alone, or gamma and a constant 1; empty if the scale is 1 /
	 * deviation.
	 */
	readonly factors: readonly Reference[];
	readonly deviation: SplitDeviation;
}

/** Terms of sqrt(variance + epsilon), which their sizes distinguish, or of sqrt(variance). */
export interface SplitDeviation {
	readonly terms: readonly [Reference, Reference] | readonly [Reference];
}

/** Operators that change only shape or type of a constant. */
const WRAPPERS: ReadonlySet<string> = new Set([
	'Identity',
	'Cast',
	'CastLike',
	'Unsqueeze',
	'Squeeze',
	'Reshape',
	'Expand',
]);
/** Maximum number of wrappers followed. Exporters leave at most two. */
const MAX_WRAPPERS = 16;

interface Written {
	readonly scope: Scope;
	readonly node: Node;
}

/** The node behind a name and behind the wrappers around it. */
function written({ scope, name }: Reference): Written | undefined {
	let at: Reference = { scope, name };
	for (let wrapper = 0; wrapper <= MAX_WRAPPERS; wrapper++) {
		const definition = at.scope.lookup(at.name);
		if (definition.kind !== 'node' || definition.node.domain !== '') {
			return undefined;
		}
		if (!WRAPPERS.has(definition.node.opType)) {
			return definition;
		}
		at = { scope: definition.scope, name: definition.node.inputs[0] ?? '' };
	}
	return undefined;
}

function input({ scope, node }: Written, index: number): Reference {
	return { scope, name: node.inputs[index] ?? '' };
}

/** The two inputs of a node, in both orders. */
function orders(at: Written): readonly (readonly [Reference, Reference])[] {
	const [a, b] = [input(at, 0), input(at, 1)];
	return [
		[a, b],
		[b, a],
	];
}

/** Splits sqrt(variance + epsilon), or sqrt(variance). */
export function splitDeviation(reference: Reference): SplitDeviation | undefined {
	const root = written(reference);
	if (root?.node.opType !== 'Sqrt') {
		return undefined;
	}
	const sum = written(input(root, 0));
	return { terms: sum?.node.opType === 'Add' ? [input(sum, 0), input(sum, 1)] : [input(root, 0)] };
}

/** Splits gamma / deviation, 1 / deviation, or gamma times 1 / deviation in either order. */
export function splitScale(reference: Reference): SplitScale | undefined {
	const at = written(reference);
	if (at?.node.opType !== 'Mul') {
		return at && splitQuotient(at);
	}
	for (const [gamma, other] of orders(at)) {
		const quotient = written(other);
		const split = quotient && splitQuotient(quotient);
		if (split) {
			return { factors: [gamma, ...split.factors], deviation: split.deviation };
		}
	}
	return undefined;
}

function splitQuotient(at: Written): SplitScale | undefined {
	if (at.node.opType === 'Reciprocal') {
		const deviation = splitDeviation(input(at, 0));
		return deviation && { factors: [], deviation };
	}
	const deviation = at.node.opType === 'Div' ? splitDeviation(input(at, 1)) : undefined;
	return deviation && { factors: [input(at, 0)], deviation };
}

/**
 * Splits beta - mean * scale, or mean * scale - beta that the graph subtracts. `scale` is the very tensor that x is
 * multiplied with.
 * @param op last step of the chain: Add or Sub
 */
export function splitShift(
	reference: Reference,
	scale: Reference,
	op: string,
): { readonly beta: Reference; readonly mean: Reference } | undefined {
	const difference = written(reference);
	if (difference?.node.opType !== 'Sub') {
		return undefined;
	}
	const [beta, scaled] = op === 'Sub' ? [1, 0] : [0, 1];
	const product = written(input(difference, scaled));
	if (product?.node.opType !== 'Mul') {
		return undefined;
	}
	const same = written(scale);
	const match = orders(product).find(([, factor]) => {
		const behind = written(factor);
		return behind !== undefined && behind.node === same?.node && behind.scope === same.scope;
	});
	return match && { beta: input(difference, beta), mean: match[0] };
}
