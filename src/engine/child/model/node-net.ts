import { bodies } from '../../../core/onnx/graph/graph-index.js';
import type { Scope } from '../../../core/onnx/graph/scope.js';
import type { Graph, Node } from '../../../core/onnx/model.js';

/** Returns the names that a node and its bodies read. May contain names local to a body. */
export function namesRead(node: Node): Set<string> {
	const names = new Set(node.inputs);
	for (const { graph } of bodies(node)) {
		for (const inner of graph.nodes) {
			for (const name of namesRead(inner)) {
				names.add(name);
			}
		}
		for (const { name } of graph.outputs) {
			names.add(name);
		}
	}
	names.delete('');
	return names;
}

/**
 * Returns true if a tensor is among `inputs`, or may be computed from them. Inputs of a Loop or Scan body may be computed
 * from all of them.
 */
export function dependsOn(names: readonly string[], inputs: ReadonlySet<string>, scope: Scope): boolean {
	const queue = names.map((name) => ({ name, scope }));
	const seen = new Set(names);
	for (const { name, scope: place } of queue) {
		const definition = place.lookup(name);
		if (inputs.has(name) || (definition.kind === 'input' && definition.owner && inputs.size > 0)) {
			return true;
		}
		for (const input of definition.kind === 'node' ? namesRead(definition.node) : []) {
			if (definition.kind === 'node' && !seen.has(input)) {
				seen.add(input);
				queue.push({ name: input, scope: definition.scope });
			}
		}
	}
	return false;
}

/** Writers and readers of the tensors of a main graph, and an order in which its nodes can run. */
export class NodeNet {
	/** Nodes in order of their inputs, without nodes on cycles. */
	readonly order: readonly Node[];
	readonly #graph: Graph;
	readonly #writers: ReadonlyMap<string, Node>;
	readonly #reads = new Map<Node, ReadonlySet<string>>();

	constructor(graph: Graph) {
		this.#graph = graph;
		this.#writers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
		this.order = this.#sort();
	}

	writer(name: string): Node | undefined {
		return this.#writers.get(name);
	}

	reads(node: Node): ReadonlySet<string> {
		const known = this.#reads.get(node) ?? namesRead(node);
		this.#reads.set(node, known);
		return known;
	}

	/**
	 * Returns the nodes that compute `targets`, in executable order.
	 * @param given known tensors, whose writers are not needed
	 */
	ancestors(targets: Iterable<string>, given: ReadonlySet<string>): Node[] {
		const needed = new Set<Node>();
		const queue = [...targets];
		for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
			const node = given.has(name) ? undefined : this.#writers.get(name);
			if (node && !needed.has(node)) {
				needed.add(node);
				for (const read of this.reads(node)) {
					queue.push(read);
				}
			}
		}
		return this.order.filter((node) => needed.has(node));
	}

	/** Sorts by Kahn's algorithm, since files may be unsorted and networks are too deep for recursion. */
	#sort(): Node[] {
		const waiting = new Map<Node, number>();
		const readers = new Map<Node, Node[]>();
		for (const node of this.#graph.nodes) {
			const before = new Set([...this.reads(node)].flatMap((name) => this.#writers.get(name) ?? []));
			// A body's name may equal that of its node's output.
			before.delete(node);
			waiting.set(node, before.size);
			for (const writer of before) {
				const list = readers.get(writer);
				list ? list.push(node) : readers.set(writer, [node]);
			}
		}
		const sorted = this.#graph.nodes.filter((node) => waiting.get(node) === 0);
		for (const node of sorted) {
			for (const reader of readers.get(node) ?? []) {
				const left = (waiting.get(reader) ?? 0) - 1;
				waiting.set(reader, left);
				if (left === 0) {
					sorted.push(reader);
				}
			}
		}
		return sorted;
	}
}
