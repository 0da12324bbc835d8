import type { Scope } from '../../onnx/graph/scope.js';
import type { Graph, Node } from '../../onnx/model.js';

/** Asked for every layer of a graph, answered once. */
const KNOWN = new WeakMap<Graph, boolean>();

/** True if nodes of this scope's graph depend on each other in a circle. */
export function hasCycle(scope: Scope): boolean {
	const known = KNOWN.get(scope.graph) ?? findCycle(scope);
	KNOWN.set(scope.graph, known);
	return known;
}

/** Applies Kahn's topological sort. Remaining nodes stand on a cycle or behind it. */
function findCycle(scope: Scope): boolean {
	const waiting = new Map<Node, number>(scope.graph.nodes.map((node) => [node, 0]));
	// A tensor with two writers is invalid; the first counts.
	const readers = (node: Node) =>
		node.outputs.filter((name) => scope.producer(name) === node).flatMap((name) => scope.consumers(name));
	for (const node of scope.graph.nodes) {
		for (const reader of readers(node)) {
			waiting.set(reader, (waiting.get(reader) ?? 0) + 1);
		}
	}
	const ready = scope.graph.nodes.filter((node) => waiting.get(node) === 0);
	for (const node of ready) {
		for (const reader of readers(node)) {
			const left = (waiting.get(reader) ?? 0) - 1;
			waiting.set(reader, left);
			if (left === 0) {
				ready.push(reader);
			}
		}
	}
	return ready.length < scope.graph.nodes.length;
}
