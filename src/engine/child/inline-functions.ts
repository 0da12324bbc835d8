import { addToGraph, type Edit, editedBytes, planEdits, removeMessage } from '../../core/onnx/edit.js';
import { type MessageBytes, rewriteNode } from '../../core/onnx/encode.js';
import type { Model, Node } from '../../core/onnx/model.js';
import { bodies, Scope } from '../../core/onnx/scope.js';
import type { ByteSource } from '../../core/onnx/source.js';
import { type ModelFile, openModelFile } from './model-file.js';

/**
 * The same model with the calls of model-local functions replaced by the nodes of their bodies, so that the tensors around
 * the layers in them can be reached: what runtimes do themselves when they load it. Layers keep their number and order.
 * @returns undefined where no layer is in a function, or where a function is more than a list of nodes (it has subgraphs,
 * refers to attributes of its caller, or brings another operator set)
 * @throws {OnnxError} `io` when the file was changed since it was read
 */
export async function inlineFunctions(file: ModelFile): Promise<ModelFile | undefined> {
	const { model, source, folder, layers } = file;
	if (model.functions.length === 0 || layers.every(({ graphPath }) => graphPath === '')) {
		return undefined;
	}
	const scope = Scope.ofModel(model);
	const inliner = new Inliner(model, source, scope);
	const edits = await inliner.edits(scope);
	if (edits === 'impossible' || edits.length === 0) {
		return undefined;
	}
	const bytes = await editedBytes(await planEdits(source, edits), source);
	const inlined = await openModelFile({ path: source.name, bytes });
	// External data stay where they were: beside the file that this one is made of.
	const access = { ...file.access, source: inlined.source };
	const isSame =
		inlined.layers.length === layers.length && layers.every(({ kind }, i) => kind === inlined.layers[i].kind);
	return isSame ? { ...inlined, layers: inlined.layers, access, folder } : undefined;
}

type Rename = (name: string) => string;

class Inliner {
	readonly #model: Model;
	readonly #source: ByteSource;
	readonly #main: Scope;
	#calls = 0;

	constructor(model: Model, source: ByteSource, main: Scope) {
		this.#model = model;
		this.#source = source;
		this.#main = main;
	}

	/** What makes of a graph, and of the bodies in it, the same without calls. */
	async edits(scope: Scope): Promise<Edit[] | 'impossible'> {
		const edits: Edit[] = [];
		for (const node of scope.graph.nodes) {
			const nodes = await this.nodesOf(scope, node, (name) => name);
			if (nodes === 'impossible') {
				return nodes;
			}
			if (nodes) {
				edits.push(...nodes.map((message) => addToGraph(scope.graph, 'node', message, node)), removeMessage(node));
			}
			for (const { attribute, graph } of nodes ? [] : bodies(node)) {
				const inner = await this.edits(scope.ofBody(node, graph, attribute));
				if (inner === 'impossible') {
					return inner;
				}
				edits.push(...inner);
			}
		}
		return edits;
	}

	/**
	 * The nodes that a call stands for, under names of the main graph; undefined when the node is no call.
	 * @param outer names of the scope that the node is in, as the main graph has them
	 */
	async nodesOf(scope: Scope, node: Node, outer: Rename): Promise<MessageBytes[] | 'impossible' | undefined> {
		this.#calls += 1;
		const call = scope.ofCall(node, String(this.#calls));
		if (!call) {
			return undefined;
		}
		const prefix = `${node.name || node.opType}//${this.#calls}/`;
		const rename = this.#renaming(call, node, { outer, prefix });
		const messages: MessageBytes[] = [];
		for (const inner of call.graph.nodes) {
			const nested = await this.nodesOf(call, inner, rename);
			if (nested === 'impossible' || (!nested && !this.#isPlain(call, inner))) {
				return 'impossible';
			}
			messages.push(...(nested ?? [await this.#renamed(inner, rename, prefix)]));
		}
		const written = new Set(call.graph.nodes.flatMap(({ outputs }) => outputs));
		return call.graph.outputs.every(({ name }) => written.has(name)) ? messages : 'impossible';
	}

	/** Formal inputs and outputs are the caller's; what the body makes for itself gets a name of its own. */
	#renaming(call: Scope, node: Node, { outer, prefix }: { outer: Rename; prefix: string }): Rename {
		const { inputs = [] } =
			this.#model.functions.find(
				({ name, domain, overload }) => name === node.opType && domain === node.domain && overload === node.overload,
			) ?? {};
		const actual = new Map<string, string>([
			...call.graph.outputs.map(({ name }, i) => [name, outer(node.outputs[i] ?? '') || prefix + name] as const),
			...inputs.map((name, i) => [name, outer(node.inputs[i] ?? '')] as const),
		]);
		return (name) => (name === '' ? '' : (actual.get(name) ?? prefix + name));
	}

	/** Whether a node means the same in the main graph when its tensors are renamed. */
	#isPlain(call: Scope, node: Node): boolean {
		return (
			bodies(node).length === 0 &&
			[...node.attributes.values()].every(({ refAttrName }) => !refAttrName) &&
			call.opset(node.domain) === this.#main.opset(node.domain)
		);
	}

	/** No two nodes may have one name, which all calls of a function would have. */
	async #renamed(node: Node, rename: Rename, prefix: string): Promise<MessageBytes> {
		const { offset, length } = node.span;
		const message = Uint8Array.from(await this.#source.read(offset, length));
		const name = node.name === '' ? '' : prefix + node.name;
		return rewriteNode(message, { name, inputs: node.inputs.map(rename), outputs: node.outputs.map(rename) });
	}
}
