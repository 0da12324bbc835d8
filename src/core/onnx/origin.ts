import type { Node } from './model.js';

/** Origin of a value, in terms for users. */
export type Origin =
	| {
			readonly kind: 'initializer';
			readonly name: string;
			/**
			 * True if the initializer is also listed as an input. IR 3 lists all of them; later versions make it a default
			 * that a caller may replace.
			 */
			readonly alsoInput: boolean;
			/** Identity, Cast … passed on the way, outermost first. */
			readonly through: readonly string[];
	  }
	| { readonly kind: 'constant'; readonly node: string; readonly through: readonly string[] }
	/** A constant expression: `operators` from the value back towards the constants. */
	| { readonly kind: 'computed'; readonly operators: readonly string[] }
	/** An input of the graph, known only at run time. */
	| { readonly kind: 'graph-input'; readonly name: string }
	| { readonly kind: 'runtime'; readonly node: string; readonly operator: string }
	/** Left out by the node, or defined nowhere. */
	| { readonly kind: 'missing' };

/** Operators that pass a value on and keep its origin. */
export const PASSING: ReadonlySet<string> = new Set(['Identity', 'Cast', 'CastLike']);

export function runtimeOrigin(node: Node): Origin {
	return { kind: 'runtime', node: node.name, operator: node.opType };
}

/** Returns the origin of the result of an operator on constants. */
export function expressionOrigin(operator: string, inputs: readonly Origin[]): Origin {
	const [first] = inputs;
	if (PASSING.has(operator) && (first?.kind === 'initializer' || first?.kind === 'constant')) {
		return { ...first, through: [operator, ...first.through] };
	}
	return { kind: 'computed', operators: [...new Set([operator, ...inputs.flatMap(operatorsOf)])] };
}

function operatorsOf(origin: Origin): readonly string[] {
	switch (origin.kind) {
		case 'computed':
			return origin.operators;
		case 'initializer':
		case 'constant':
			return origin.through;
		default:
			return [];
	}
}
