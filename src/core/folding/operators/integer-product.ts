import { isConstant } from '../../onnx/graph/constants.js';
import type { Scope } from '../../onnx/graph/scope.js';
import type { Node } from '../../onnx/model.js';

/** Nodes that turn a product of integers into floats. */
export interface ScaledProduct {
	/** Constant scale of the weight. */
	readonly scale: string;
	/** Node that writes the product in float. */
	readonly last: Node;
}

/** Factors found so far. */
interface Factors {
	readonly hasInputScale: boolean;
	readonly weightScale?: string;
}

/** Maximum number of nodes between an integer product and its last scale; a Cast and at most two Mul are usual. */
const MAX_NODES = 8;

/**
 * Follows the output of ConvInteger or MatMulInteger through Cast and Mul to its float value. Two factors must be on
 * the way: the scale of the input, which DynamicQuantizeLinear or QuantizeLinear states, and the constant scale of the
 * weight. They come in either order, or as a product of both. Undefined if a factor is missing or another node reads a
 * value between.
 */
export function scaledProduct(scope: Scope, product: Node): ScaledProduct | undefined {
	const inputScale = quantizedBy(scope, product.inputs[0] ?? '');
	let factors: Factors = { hasInputScale: false };
	let at = product;
	for (let step = 0; step < MAX_NODES; step++) {
		const output = at.outputs[0] ?? '';
		const [next, ...others] = scope.consumers(output);
		if (!next || others.length > 0 || next.domain !== '' || scope.isOutput(output)) {
			return undefined;
		}
		if (next.opType === 'Mul') {
			const factor = next.inputs.find((name) => name !== output) ?? '';
			const more = withFactor(scope, factor, { inputScale, factors });
			if (!more) {
				return undefined;
			}
			factors = more;
		} else if (next.opType !== 'Cast' && next.opType !== 'Identity') {
			return undefined;
		}
		at = next;
		if (factors.hasInputScale && factors.weightScale !== undefined) {
			return { scale: factors.weightScale, last: at };
		}
	}
	return undefined;
}

/** Adds the factors behind a name; undefined if it is no scale, or a second scale of its kind. */
function withFactor(
	scope: Scope,
	name: string,
	{ inputScale, factors }: { readonly inputScale: string; readonly factors: Factors },
): Factors | undefined {
	const { hasInputScale, weightScale } = factors;
	const node = scope.producer(name);
	if (name === inputScale || (node?.opType === 'DynamicQuantizeLinear' && node.outputs[1] === name)) {
		return hasInputScale ? undefined : { ...factors, hasInputScale: true };
	}
	if (isConstant(scope, name)) {
		return weightScale === undefined ? { ...factors, weightScale: name } : undefined;
	}
	const [a = '', b = ''] = isProduct(node) ? node.inputs : [];
	if (isProduct(scope.producer(a)) || isProduct(scope.producer(b))) {
		return undefined;
	}
	const first = a === '' ? undefined : withFactor(scope, a, { inputScale, factors });
	return first && withFactor(scope, b, { inputScale, factors: first });
}

/** Products of more than two scales are not followed. */
function isProduct(node: Node | undefined): node is Node {
	return node?.opType === 'Mul' && node.domain === '';
}

/** Returns the name of the scale that QuantizeLinear gave an integer tensor; '' for other tensors. */
function quantizedBy(scope: Scope, name: string): string {
	const node = scope.producer(name);
	return node?.opType === 'QuantizeLinear' ? (node.inputs[1] ?? '') : '';
}
