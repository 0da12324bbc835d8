import { hasOwnBias, type LinearOperator } from '../folding/operators/linear.js';
import { HANDING_ON, MOVING } from '../folding/targets/walk-path.js';
import { isConstant } from '../onnx/graph/constants.js';
import type { Scope } from '../onnx/graph/scope.js';
import type { Node } from '../onnx/model.js';

/** Maximum number of moving nodes, and of arithmetic nodes, searched behind an operator. */
const [MAX_MOVES, MAX_ARITHMETIC] = [32, 5];

/** Add or Sub node with a constant operand. */
export interface AddedConstant {
	readonly node: Node;
	/** Position of the constant among the node's inputs. */
	readonly input: number;
	/** -1 where the constant is subtracted. */
	readonly sign: 1 | -1;
	/** True if nodes in between move elements, so that the constant has a value for each channel, not for each row. */
	readonly isMoved: boolean;
}

/** Place that holds the bias of a deployed operator. */
export interface BiasPlace {
	/** Constant behind the operator that belongs to the bias, if any. */
	readonly added: AddedConstant | undefined;
	/** Number of Mul and Add nodes of the original behind its layer that are gone, because the operator took them in. */
	readonly absorbed: number;
}

/**
 * Finds the constants that hold the bias of a deployed operator. Arithmetic that stands behind both the deployed operator
 * and the original layer is no part of the bias.
 * @param from tensor of the original behind the last layer that went into the operator
 */
export function biasPlace(deployed: LinearOperator, original: Scope, from: string): BiasPlace {
	const expected = arithmeticBehind(original, from).map(({ opType }) => opType);
	const { nodes, isMoved } = behindMoves(deployed);
	const found = nodes.map(({ opType }) => opType);
	const first = nodes[0] && addedConstant(deployed.scope, nodes[0], isMoved);
	const absorbedBehind = (rest: readonly string[]) =>
		[...expected.keys(), expected.length].find((count) => startsWith(rest, expected.slice(count)));
	const asOwn = absorbedBehind(found);
	const asBias = first ? absorbedBehind(found.slice(1)) : undefined;
	// The deployed model has an Add that the original does not have.
	const isUnknown = asBias !== undefined && asBias <= (asOwn ?? 0);
	// A MatMul has its bias in the Add. Behind other operators, equal arithmetic belongs to the original.
	const prefersAdd = !hasOwnBias(deployed) || (asOwn ?? 1) > 0 || isUnknown;
	const canHoldBias = first !== undefined && deployed.bias === '';
	if (canHoldBias && asBias !== undefined && prefersAdd) {
		return { added: first, absorbed: asBias };
	}
	return { added: undefined, absorbed: asOwn ?? 0 };
}

/** True if a list begins with another. */
const startsWith = (list: readonly string[], start: readonly string[]): boolean =>
	start.every((item, index) => list[index] === item);

/** Returns the constant that is added directly behind an operator, or behind nodes that move its elements. */
export function addedConstantBehind(operator: LinearOperator): AddedConstant | undefined {
	const { nodes, isMoved } = behindMoves(operator);
	return nodes[0] && addedConstant(operator.scope, nodes[0], isMoved);
}

function behindMoves({ scope, output }: LinearOperator): {
	readonly nodes: readonly Node[];
	readonly isMoved: boolean;
} {
	let tensor = output;
	let isMoved = false;
	for (let step = 0; step < MAX_MOVES && !scope.isOutput(tensor); step++) {
		const [next, ...others] = scope.consumers(tensor);
		const passes = next?.domain === '' && (MOVING.has(next.opType) || HANDING_ON.has(next.opType));
		if (!next || !passes || others.length > 0) {
			break;
		}
		isMoved ||= MOVING.has(next.opType);
		tensor = next.outputs[0] ?? '';
	}
	return { nodes: arithmeticBehind(scope, tensor), isMoved };
}

const ARITHMETIC: ReadonlySet<string> = new Set(['Add', 'Sub', 'Mul', 'Div']);

/** Lists the consecutive nodes that add a constant or multiply by a constant. */
function arithmeticBehind(scope: Scope, from: string): readonly Node[] {
	const nodes: Node[] = [];
	for (let tensor = from; nodes.length < MAX_ARITHMETIC && !scope.isOutput(tensor); ) {
		const [next, ...others] = scope.consumers(tensor);
		const isFitting =
			next?.domain === '' && ARITHMETIC.has(next.opType) && next.inputs.some((name) => isConstant(scope, name));
		if (!next || !isFitting || others.length > 0) {
			break;
		}
		nodes.push(next);
		tensor = next.outputs[0] ?? '';
	}
	return nodes;
}

function addedConstant(scope: Scope, node: Node, isMoved: boolean): AddedConstant | undefined {
	const input = node.inputs.findIndex((name) => isConstant(scope, name));
	if (node.opType === 'Add' && input >= 0) {
		return { node, input, sign: 1, isMoved };
	}
	return node.opType === 'Sub' && input === 1 ? { node, input, sign: -1, isMoved } : undefined;
}
