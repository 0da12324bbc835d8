import { bodies, type Scope } from '../../../core/onnx/graph/scope.js';
import type { Graph, Node } from '../../../core/onnx/model.js';

/** Names that a node reads, those that its bodies mention included: more than it needs at worst, never less. */
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
 * Whether any of these tensors is, or is computed from, one of `inputs`. What a Loop or Scan hands to its body may be
 * computed from all of them.
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

/** The main graph as a net of nodes: who writes what, and in which order everything can be computed. */
export class NodeNet {
	/** Every node behind those that it reads from; nodes on a cycle are left out. */
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
	 * The nodes that computing `targets` takes, in an order in which they can be run.
	 * @param given tensors that are there already: nothing in front of them is needed
	 */
	ancestors(targets: Iterable<string>, given: ReadonlySet<string>): Node[] {
		const needed = new Set<Node>();
		const queue = [...targets];
		for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
			const node = given.has(name) ? undefined : this.#writers.get(name);
			if (node && !needed.has(node)) {
				needed.add(node);
				queue.push(...this.reads(node));
			}
		}
		return this.order.filter((node) => needed.has(node));
	}

	/** Kahn's algorithm: files are not always sorted, and networks are deeper than the language's stack. */
	#sort(): Node[] {
		const waiting = new Map<Node, number>();
		const readers = new Map<Node, Node[]>();
		for (const node of this.#graph.nodes) {
			const before = new Set([...this.reads(node)].flatMap((name) => this.#writers.get(name) ?? []));
			// A body may use a name of its own that its node happens to write.
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
