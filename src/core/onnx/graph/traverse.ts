import { OnnxError } from '../errors.js';
import type { Model, Node } from '../model.js';
import { bodies, Scope } from './scope.js';

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
 * Yields every node of a model in the file's order. Nodes of a body or of a called function come directly before the
 * node that runs them, once per call.
 * @throws {OnnxError} `limit` when calls nest or multiply beyond the limits.
 */
export function* nodesInOrder(model: Model): Generator<Place, void> {
	const budget = { called: 0 };
	yield* visit(Scope.ofModel(model), budget);
}

function* visit(scope: Scope, budget: { called: number }): Generator<Place, void> {
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
			if (budget.called > MAX_CALLED_NODES) {
				throw new OnnxError('limit', `The model's function calls come to more than ${MAX_CALLED_NODES} nodes.`);
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
