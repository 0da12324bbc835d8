import { sum } from '../../numbers/arrays.js';
import { OnnxError } from '../errors.js';
import type { Model, Node } from '../model.js';
import { bodies } from './graph-index.js';
import { Scope } from './scope.js';

export interface Place {
	readonly scope: Scope;
	readonly node: Node;
}

/** Maximum depth of nested bodies and calls. Stops at function calls that form a cycle. */
const MAX_DEPTH = 100;
/**
 * Maximum number of nodes inside calls, counted per call, because functions that call each other twice double with
 * every level. Exporters that write every framework operator as a function reach tens of thousands.
 */
const MAX_CALLED_NODES = 50_000;
/**
 * Maximum number of nodes inside calls for each node of the file, and a number that every model may have. Operators
 * written as functions come to 30 for each call.
 */
const [CALLED_NODES_PER_NODE, FREE_CALLED_NODES] = [64, 4000];

/**
 * Yields every node of a model in the file's order. Nodes of a body or of a called function come directly before the
 * node that runs them, once per call.
 * @throws {OnnxError} `limit` when calls nest or multiply beyond the limits.
 */
export function* nodesInOrder(model: Model): Generator<Place, void> {
	const written = countNodes(model.graph.nodes) + countNodes(model.functions.flatMap(({ nodes }) => nodes));
	const budget = { called: 0, most: Math.min(MAX_CALLED_NODES, FREE_CALLED_NODES + CALLED_NODES_PER_NODE * written) };
	yield* visit(Scope.ofModel(model), budget);
}

/** Returns the number of nodes, those of bodies included. */
function countNodes(nodes: readonly Node[]): number {
	const inBodies = nodes.flatMap(bodies).map(({ graph }) => countNodes(graph.nodes));
	return nodes.length + sum(inBodies);
}

interface CallBudget {
	called: number;
	readonly most: number;
}

function* visit(scope: Scope, budget: CallBudget): Generator<Place, void> {
	if (scope.depth > MAX_DEPTH) {
		throw new OnnxError(
			'limit',
			`The model's functions or subgraphs nest more than ${MAX_DEPTH} deep, or call each other in a cycle.`,
		);
	}
	for (const node of scope.graph.nodes) {
		const call = scope.ofCall(node, label(node));
		if (call) {
			budget.called += call.graph.nodes.length;
			if (budget.called > budget.most) {
				throw new OnnxError('limit', `The model's function calls come to more than ${budget.most} nodes.`);
			}
			yield* visit(call, budget);
		}
		for (const { attribute, graph } of bodies(node)) {
			yield* visit(scope.ofBody(node, graph, `${label(node)}/${attribute}`), budget);
		}
		yield { scope, node };
	}
}

/** Returns the name of a node in a path. */
function label(node: Node): string {
	return node.name || `${node.opType}_${node.index}`;
}
