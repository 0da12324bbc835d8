import type { Graph, Node, ValueInfo } from '../model.js';

/** Bodies of a node, each with the name of the attribute that holds it. */
export interface Body {
	readonly attribute: string;
	readonly graph: Graph;
}

/**
 * Returns the bodies of a node with the name of the attribute that holds each, numbered if an attribute holds several.
 */
export function bodies(node: Node): readonly Body[] {
	return [...node.attributes.values()].flatMap((attribute) => [
		...(attribute.g ? [{ attribute: attribute.name, graph: attribute.g }] : []),
		...(attribute.graphs ?? []).map((graph, index) => ({ attribute: `${attribute.name}[${index}]`, graph })),
	]);
}

/** Names of a graph, each found on the first request. All calls of a function share an index. */
export class GraphIndex {
	readonly #graph: Graph;
	#inputs: ReadonlyMap<string, ValueInfo> | undefined;
	#outputs: ReadonlyMap<string, ValueInfo> | undefined;
	#producers: ReadonlyMap<string, Node> | undefined;
	#consumers: ReadonlyMap<string, readonly Node[]> | undefined;
	#freeNames: ReadonlySet<string> | undefined;
	#bodies: ReadonlyMap<Graph, number> | undefined;

	private constructor(graph: Graph) {
		this.#graph = graph;
	}

	static of(graph: Graph): GraphIndex {
		const known = INDEXES.get(graph) ?? new GraphIndex(graph);
		INDEXES.set(graph, known);
		return known;
	}

	/** Of several (invalid) values of a name the first counts. */
	get inputs(): ReadonlyMap<string, ValueInfo> {
		this.#inputs ??= indexByName(this.#graph.inputs);
		return this.#inputs;
	}

	get outputs(): ReadonlyMap<string, ValueInfo> {
		this.#outputs ??= indexByName(this.#graph.outputs);
		return this.#outputs;
	}

	/** The node that writes each name: of several (invalid) writers the first. */
	get producers(): ReadonlyMap<string, Node> {
		this.#producers ??= new Map(
			this.#graph.nodes.toReversed().flatMap((node) => node.outputs.map((output) => [output, node] as const)),
		);
		return this.#producers;
	}

	/** The nodes that read each name, each once. A node counts if its body reads the name. */
	get consumers(): ReadonlyMap<string, readonly Node[]> {
		this.#consumers ??= indexConsumers(this.#graph.nodes);
		return this.#consumers;
	}

	/** Names that the graph uses without defining them. */
	get freeNames(): ReadonlySet<string> {
		this.#freeNames ??= findFreeNames(this.#graph);
		return this.#freeNames;
	}

	/** Position of each body among all bodies of the graph's nodes. */
	get bodies(): ReadonlyMap<Graph, number> {
		this.#bodies ??= new Map(this.#graph.nodes.flatMap(bodies).map(({ graph }, at) => [graph, at]));
		return this.#bodies;
	}
}

const INDEXES = new WeakMap<Graph, GraphIndex>();

function indexByName(values: readonly ValueInfo[]): ReadonlyMap<string, ValueInfo> {
	return new Map(values.toReversed().map((value) => [value.name, value]));
}

function indexConsumers(nodes: readonly Node[]): ReadonlyMap<string, readonly Node[]> {
	const consumers = new Map<string, Node[]>();
	for (const node of nodes) {
		const names = new Set([
			...node.inputs,
			...bodies(node).flatMap(({ graph }) => [...GraphIndex.of(graph).freeNames]),
		]);
		for (const name of names) {
			const known = consumers.get(name);
			if (known) {
				known.push(node);
			} else {
				consumers.set(name, [node]);
			}
		}
	}
	return consumers;
}

function findFreeNames(graph: Graph): Set<string> {
	const used = new Set<string>(graph.outputs.map((output) => output.name));
	const defined = new Set<string>([
		...graph.initializers.keys(),
		...graph.sparseInitializers.keys(),
		...graph.inputs.map((input) => input.name),
	]);
	for (const node of graph.nodes) {
		for (const name of [...node.inputs, ...bodies(node).flatMap((body) => [...GraphIndex.of(body.graph).freeNames])]) {
			used.add(name);
		}
		for (const name of node.outputs) {
			defined.add(name);
		}
	}
	return new Set([...used].filter((name) => !defined.has(name)));
}
