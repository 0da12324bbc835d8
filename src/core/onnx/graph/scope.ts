import { shorten } from '../../text/names.js';
import type { Attribute, FunctionDefinition, Graph, Model, Node, TensorRecord, ValueInfo } from '../model.js';
import { GraphIndex } from './graph-index.js';

/** Meaning of a tensor name at a place of a model. */
export type Definition =
	| { readonly kind: 'initializer'; readonly record: TensorRecord; readonly alsoInput: boolean }
	/** Written by `node`. The names of its inputs belong to `scope`. */
	| { readonly kind: 'node'; readonly node: Node; readonly scope: Scope }
	/** An input of the main graph (`owner` undefined), or of the body that `owner`, a Loop or Scan, runs. */
	| { readonly kind: 'input'; readonly owner: Node | undefined; readonly declared: ValueInfo }
	/** Left out by the caller, or defined nowhere. */
	| { readonly kind: 'none' };

/** A name as seen from a scope. */
export interface Reference {
	readonly scope: Scope;
	readonly name: string;
}

/** An input of a node of a scope. */
export interface NodeInput {
	readonly scope: Scope;
	readonly node: Node;
	/** Position among the node's inputs. */
	readonly input: number;
}

/** Maximum length of a path, which every layer inside repeats. A name has up to 65,536 characters. */
const MAX_PATH = 2000;

interface ScopeParts {
	readonly model: Model;
	readonly functions: ReadonlyMap<string, FunctionBody>;
	readonly path: string;
	readonly key: string;
	/** Bodies and calls around this place; 0 for the main graph. */
	readonly depth: number;
	readonly graph: Graph;
	/** Enclosing scope of a body. A function body has none. */
	readonly parent?: Scope;
	readonly owner?: Node;
	readonly call?: FunctionCall;
}

/** A model-local function with its body in the form of a graph, built once for all calls. */
interface FunctionBody {
	readonly definition: FunctionDefinition;
	readonly graph: Graph;
}

interface FunctionCall {
	readonly node: Node;
	readonly caller: Scope;
	readonly definition: FunctionDefinition;
}

/**
 * A name space: the main graph, a body of an If, Loop or Scan, or a call of a model-local function. Names are looked up
 * here first, then outwards. A body sees the names of the graph around it. The formal inputs of a function stand for
 * the caller's tensors (ONNX IR specification, "Names Within a Graph" and "Functions").
 */
export class Scope {
	/** '' for the main graph, else the way to this place, for example "If_3/then_branch". A long path lacks its middle. */
	readonly path: string;
	/** Identifies this place by the positions of its nodes. The names of two nodes may give the same path. */
	readonly key: string;
	readonly depth: number;
	readonly graph: Graph;
	readonly #parts: ScopeParts;
	readonly #index: GraphIndex;

	private constructor(parts: ScopeParts) {
		this.#parts = parts;
		this.path = parts.path;
		this.key = parts.key;
		this.depth = parts.depth;
		this.graph = parts.graph;
		this.#index = GraphIndex.of(parts.graph);
	}

	static ofModel(model: Model): Scope {
		const functions = new Map(
			model.functions.map((definition) => [functionKey(definition), { definition, graph: graphOf(definition) }]),
		);
		return new Scope({ model, functions, path: '', key: '', depth: 0, graph: model.graph });
	}

	/** Returns the scope of a body graph of `owner`, a node of this scope. `step` names it in the path. */
	ofBody(owner: Node, body: Graph, step: string): Scope {
		const key = `${this.key}/${owner.index}.${this.#index.bodies.get(body) ?? ''}`;
		return new Scope({ ...this.#inner(step), key, graph: body, parent: this, owner });
	}

	/** The scope inside a call of a function; undefined for other nodes. */
	ofCall(node: Node, step: string): Scope | undefined {
		const { functions } = this.#parts;
		const { opType: name, domain, overload } = node;
		const body = functions.size > 0 ? functions.get(functionKey({ name, domain, overload })) : undefined;
		if (!body) {
			return undefined;
		}
		const call = { node, caller: this, definition: body.definition };
		return new Scope({ ...this.#inner(step), key: `${this.key}/${node.index}`, graph: body.graph, call });
	}

	#inner(step: string): Pick<ScopeParts, 'model' | 'functions' | 'path' | 'depth'> {
		const { model, functions, path, depth } = this.#parts;
		const inner = shorten(path === '' ? step : `${path}/${step}`, MAX_PATH);
		return { model, functions, path: inner, depth: depth + 1 };
	}

	/** True if a caller may override an initializer that is listed among the inputs: from IR version 4 on. */
	get isOverridable(): boolean {
		return this.#parts.model.irVersion >= 4;
	}

	/** Version of an operator set here; a function brings its own. */
	opset(domain = ''): number {
		const { model, parent, call } = this.#parts;
		const imported = call?.definition.opsetImports.get(domain);
		return imported ?? (parent ? parent.opset(domain) : (model.opsetImports.get(domain) ?? 1));
	}

	/** The node of this very scope that writes `name`. */
	producer(name: string): Node | undefined {
		return name === '' ? undefined : this.#index.producers.get(name);
	}

	/** Returns the nodes of this scope that read `name`, each once. A node counts if its body reads the name. */
	consumers(name: string): readonly Node[] {
		return name === '' ? [] : (this.#index.consumers.get(name) ?? []);
	}

	isOutput(name: string): boolean {
		return this.#index.outputs.has(name);
	}

	/** Returns the meaning of `name`, looked up outwards. */
	lookup(name: string): Definition {
		const { parent, owner, call } = this.#parts;
		if (name === '') {
			return { kind: 'none' };
		}
		const input = this.#index.inputs.get(name);
		const record = initializerOf(this.graph, name);
		if (record) {
			return { kind: 'initializer', record, alsoInput: input !== undefined };
		}
		const node = this.producer(name);
		if (node) {
			return { kind: 'node', node, scope: this };
		}
		if (call) {
			const actual = this.#actual(name);
			return actual ? actual.scope.lookup(actual.name) : { kind: 'none' };
		}
		if (input) {
			return { kind: 'input', owner, declared: input };
		}
		return parent ? parent.lookup(name) : { kind: 'none' };
	}

	/** Returns the caller's tensor behind a formal input of this function. */
	#actual(name: string): Reference | undefined {
		const { call } = this.#parts;
		const position = call?.definition.inputs.indexOf(name) ?? -1;
		const actual = call?.node.inputs[position];
		return call && actual ? { scope: call.caller, name: actual } : undefined;
	}

	/**
	 * Returns the input of this function's call that supplies only the given input of a node of the function. Undefined
	 * outside of functions, for other tensors, and if the function reads the tensor elsewhere, too.
	 */
	callInput(node: Node, input: number): NodeInput | undefined {
		const { call } = this.#parts;
		const name = node.inputs[input] ?? '';
		const position = call?.definition.inputs.indexOf(name) ?? -1;
		const isOnly =
			this.consumers(name).every((reader) => reader === node) &&
			node.inputs.filter((other) => other === name).length === 1 &&
			!this.isOutput(name);
		return call && position >= 0 && isOnly ? { scope: call.caller, node: call.node, input: position } : undefined;
	}

	/** Declared type and shape of a tensor; undefined without a declaration. */
	declared(name: string): ValueInfo | undefined {
		const here = this.graph.valueInfo.get(name) ?? this.#index.inputs.get(name) ?? this.#index.outputs.get(name);
		if (here || this.producer(name)) {
			return here;
		}
		const actual = this.#actual(name);
		return actual ? actual.scope.declared(actual.name) : this.#parts.parent?.declared(name);
	}

	/**
	 * Returns an attribute of a node of this scope. Inside a function a reference stands for the caller's attribute or
	 * its default.
	 */
	attribute(node: Node, name: string): Attribute | undefined {
		return this.#dereference(node.attributes.get(name));
	}

	#dereference(attribute: Attribute | undefined): Attribute | undefined {
		const { parent, call } = this.#parts;
		const reference = attribute?.refAttrName;
		if (!reference) {
			return attribute;
		}
		if (!call) {
			// A body inside a function may refer to the function's attributes.
			return parent ? parent.#dereference(attribute) : undefined;
		}
		const { node, caller, definition } = call;
		return caller.attribute(node, reference) ?? definition.attributeDefaults.get(reference);
	}
}

/** Returns the initializer of a name, dense or sparse. */
export function initializerOf({ initializers, sparseInitializers }: Graph, name: string): TensorRecord | undefined {
	return initializers.get(name) ?? sparseInitializers.get(name);
}

function functionKey({ domain, name, overload }: Pick<FunctionDefinition, 'domain' | 'name' | 'overload'>): string {
	// No name has a NUL in it.
	return `${domain}\0${name}\0${overload}`;
}

function graphOf(definition: FunctionDefinition): Graph {
	const untyped = (name: string) => ({ name, dataType: 0, shape: undefined });
	return {
		name: definition.name,
		nodes: definition.nodes,
		initializers: new Map(),
		sparseInitializers: new Map(),
		inputs: [],
		outputs: definition.outputs.map(untyped),
		valueInfo: new Map(),
	};
}
