import { bodies } from '../../onnx/graph/graph-index.js';
import type { Scope } from '../../onnx/graph/scope.js';
import type { Place } from '../../onnx/graph/traverse.js';
import type { Graph, Node } from '../../onnx/model.js';

/** A tensor, and the tensors that need an answer before it. */
interface Task {
	readonly key: string;
	readonly inputs: readonly { readonly scope: Scope; readonly name: string }[];
	/** Number of inputs with an answer, so that none of perhaps 100,000 inputs is visited twice. */
	answered: number;
}

const NOTHING: ReadonlySet<never> = new Set();

/** Finds the nearest marked nodes upstream of a tensor, through other nodes, function calls and bodies. */
export class Upstream<Mark> {
	readonly #markOf: (place: Place) => Mark | undefined;
	readonly #known = new Map<string, ReadonlySet<Mark>>();
	/** Scopes by path. The index of a scope's names is costly to build. */
	readonly #scopes = new Map<Scope, Map<Node | Graph, Scope>>();

	/** @param markOf the mark that the search reports for a node; undefined continues the search upstream. */
	constructor(markOf: (place: Place) => Mark | undefined) {
		this.#markOf = markOf;
	}

	of(scope: Scope, names: readonly string[]): ReadonlySet<Mark> {
		const found = new Set<Mark>();
		for (const name of names) {
			for (const mark of this.#nearest(scope, name)) {
				found.add(mark);
			}
		}
		return found;
	}

	/** Depth first, with its own stack: networks are deeper than the call stack. */
	#nearest(scope: Scope, name: string): ReadonlySet<Mark> {
		const root = this.#task(scope, name);
		const stack = this.#known.has(root.key) ? [] : [root];
		for (let task = stack.at(-1); task; task = stack.at(-1)) {
			const next = this.#nextUnknown(task);
			if (next) {
				// A preliminary answer, which ends the search in a graph with a cycle.
				this.#known.set(next.key, NOTHING);
				stack.push(next);
			} else {
				const keys = task.inputs.map((input) => this.#task(input.scope, input.name).key);
				this.#known.set(task.key, new Set(keys.flatMap((key) => [...(this.#known.get(key) ?? NOTHING)])));
				stack.pop();
			}
		}
		return this.#known.get(root.key) ?? NOTHING;
	}

	#nextUnknown(task: Task): Task | undefined {
		for (; task.answered < task.inputs.length; task.answered++) {
			const { scope, name } = task.inputs[task.answered];
			const input = this.#task(scope, name);
			if (!this.#known.has(input.key)) {
				return input;
			}
		}
		return undefined;
	}

	#task(scope: Scope, name: string): Task {
		const definition = scope.lookup(name);
		if (definition.kind !== 'node') {
			this.#known.set('', NOTHING);
			return { key: '', inputs: [], answered: 0 };
		}
		const key = `${definition.scope.key}\0${name}`;
		if (this.#known.has(key)) {
			return { key, inputs: [], answered: 0 };
		}
		const mark = this.#markOf(definition);
		if (mark !== undefined) {
			this.#known.set(key, new Set([mark]));
			return { key, inputs: [], answered: 0 };
		}
		return { key, inputs: this.#sources(definition, name), answered: 0 };
	}

	/** Returns the tensors that an output of a node depends on. */
	#sources({ scope, node }: Place, name: string): Task['inputs'] {
		const step = label(node);
		const call = this.#inner(scope, node, () => scope.ofCall(node, step));
		if (call) {
			// A tensor that entered through a function's input has another name here, so any output counts.
			const at = node.outputs.indexOf(name);
			const outputs = at < 0 ? call.graph.outputs : call.graph.outputs.slice(at, at + 1);
			return outputs.map((output) => ({ scope: call, name: output.name }));
		}
		const inside = bodies(node).flatMap(({ attribute, graph }) => {
			const body = this.#inner(scope, graph, () => scope.ofBody(node, graph, `${step}/${attribute}`)) ?? scope;
			return graph.outputs.map((output) => ({ scope: body, name: output.name }));
		});
		return [...node.inputs.map((input) => ({ scope, name: input })), ...inside];
	}

	/** Returns the scope of a body or a call inside a scope, made once. */
	#inner(scope: Scope, place: Node | Graph, make: () => Scope | undefined): Scope | undefined {
		const known = this.#scopes.get(scope) ?? new Map<Node | Graph, Scope>();
		this.#scopes.set(scope, known);
		const inner = known.get(place) ?? make();
		if (inner) {
			known.set(place, inner);
		}
		return inner;
	}
}

/** Names a node as the paths of scopes do. */
function label(node: Node): string {
	return node.name || `${node.opType}_${node.index}`;
}
