import { affine } from '../../batchnorm/affine.js';
import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { isConstant } from '../../onnx/graph/constants.js';
import type { Scope } from '../../onnx/graph/scope.js';
import type { Node } from '../../onnx/model.js';
import { layerParameters } from '../operators/layer-parameters.js';
import type { LinearOperator } from '../operators/linear.js';
import type { Network } from '../targets/network.js';
import { HANDING_ON, MOVING } from '../targets/walk-path.js';

/** Operators that keep values, or only scale and shift each channel. */
const COMMUTING: ReadonlySet<string> = new Set([
	...MOVING,
	...HANDING_ON,
	...['Add', 'Sub', 'Mul', 'Div', 'BatchNormalization'],
]);
/** Operators that commute with a scale that is not negative, and with every shift. */
const INCREASING: ReadonlySet<string> = new Set(['MaxPool', 'GlobalMaxPool']);
/** Nodes searched in front of a layer. */
const MAX_SEARCH = 16;
/** Nodes of a function that is written as several, such as x * sigmoid(x), without quantizers between them. */
const MAX_FUNCTION_NODES = 6;
/** Quantizers between the nodes of such a function: a pair on each of its tensors. */
const MAX_FUNCTION_QUANTIZERS = 2 * MAX_FUNCTION_NODES;

/** Path from a linear operator to a layer behind it. */
interface PathBetween {
	/** Types of the nodes that do not commute with the layer, from the operator on. */
	readonly functions: readonly string[];
	/** Some node commutes only because no scale of the layer is negative, and all others only hand elements on. */
	readonly isIncreasing: boolean;
}

/** Nodes of a network's operators. A set for each layer would make the time quadratic. */
const nodeSets = new WeakMap<readonly LinearOperator[], ReadonlySet<Node>>();

function nodesOf(operators: readonly LinearOperator[]): ReadonlySet<Node> {
	const known = nodeSets.get(operators) ?? new Set(operators.map(({ node }) => node));
	nodeSets.set(operators, known);
	return known;
}

/** Returns the path between a layer and the operator in front of it; undefined if no chain of nodes leads to an operator. */
export function pathBetween(layer: BatchNormLayer, { operators }: Network): PathBetween | undefined {
	const ends = nodesOf(operators);
	const isCommuting = commutingWith(layer);
	const types: string[] = [];
	let at = { scope: layer.scope, name: layer.input };
	for (let step = 0; step < MAX_SEARCH; step++) {
		const definition = at.scope.lookup(at.name);
		if (definition.kind !== 'node') {
			return undefined;
		}
		const { node, scope } = definition;
		if (ends.has(node)) {
			return {
				functions: types.filter((type) => !isCommuting(type)),
				isIncreasing:
					types.some((type) => INCREASING.has(type)) &&
					types.every((type) => HANDING_ON.has(type) || (INCREASING.has(type) && isCommuting(type))),
			};
		}
		const source = sourceOf(scope, node, ends);
		if (!source) {
			return undefined;
		}
		types.unshift(...source.types);
		at = { scope, name: source.name };
	}
	return undefined;
}

/**
 * Returns the types of the nodes between a layer and the linear operator in front of it that do not commute with it,
 * such as Relu, from the operator on; undefined if no chain leads to an operator.
 */
export function functionsBetween(layer: BatchNormLayer, network: Network): readonly string[] | undefined {
	return pathBetween(layer, network)?.functions;
}

function commutingWith(layer: BatchNormLayer): (opType: string) => boolean {
	const parameters = layerParameters(layer);
	const { gamma, beta, mean, variance, epsilon } = parameters.ok ? parameters.value : NO_PARAMETERS;
	const isPositive = parameters.ok && affine(gamma, beta, mean, variance, epsilon).scale.every((scale) => scale >= 0);
	return (opType) => COMMUTING.has(opType) || (isPositive && INCREASING.has(opType));
}

const NO_PARAMETERS = { gamma: [], beta: [], mean: [], variance: [], epsilon: 0 };

/** Returns the tensor that a node computes its output from, through a function of several nodes such as x * sigmoid(x). */
function sourceOf(
	scope: Scope,
	node: Node,
	ends: ReadonlySet<Node>,
): { readonly name: string; readonly types: readonly string[] } | undefined {
	const data = dataOf(scope, node);
	if (data.length === 1) {
		return { name: data[0], types: [node.opType] };
	}
	const open = new Set(data);
	const inner: string[] = [];
	while (open.size > 1 && isShort(inner)) {
		const producers = Array.from(open, (name) => ({ name, node: scope.producer(name) }));
		// The node written last cannot feed the others.
		const last = producers.reduce((a, b) => ((b.node?.index ?? -1) > (a.node?.index ?? -1) ? b : a));
		if (!last.node || ends.has(last.node)) {
			return undefined;
		}
		open.delete(last.name);
		inner.unshift(last.node.opType);
		for (const name of dataOf(scope, last.node)) {
			open.add(name);
		}
	}
	const [name] = open;
	const functions = inner.filter((type) => !COMMUTING.has(type));
	// Without a function, the product or sum of two tensors is itself no scale and shift.
	return open.size === 1 && name !== undefined
		? { name, types: functions.length > 0 ? functions : [`${node.opType} of two tensors`] }
		: undefined;
}

function isShort(types: readonly string[]): boolean {
	const quantizers = types.filter((type) => HANDING_ON.has(type)).length;
	return types.length - quantizers < MAX_FUNCTION_NODES && quantizers < MAX_FUNCTION_QUANTIZERS;
}

function dataOf(scope: Scope, node: Node): string[] {
	// The other inputs of a Reshape or Squeeze are sizes.
	const inputs = MOVING.has(node.opType) ? node.inputs.slice(0, 1) : node.inputs;
	return [...new Set(inputs.filter((name) => name !== '' && !isConstant(scope, name)))];
}
