import { bodies } from '../../../core/onnx/graph/graph-index.js';
import { Scope } from '../../../core/onnx/graph/scope.js';
import type { ByteSpan, Model, Node } from '../../../core/onnx/model.js';
import type { ByteSource } from '../../../core/onnx/source.js';
import { addToGraph, type Edit, editedBytes, planEdits, removeMessage } from '../../../core/onnx/write/edit.js';
import { type MessageBytes, rewriteNode } from '../../../core/onnx/write/encode.js';
import { encodeAttribute } from '../../../core/onnx/write/encode-attribute.js';
import { renameTensors } from '../../../core/onnx/write/rename.js';
import { type OpenedModel, openModel } from './opened-model.js';
import { hasSameMeaning } from './operator-changes.js';

/**
 * Replaces calls of model-local functions by the nodes of their bodies, as runtimes do when they load a model. The
 * tensors around the layers in functions can then be captured. Layers keep their number and order. A call stays if its
 * nodes would have another meaning in the model: an operator of the function changed between the two operator sets, or
 * a subgraph refers to attributes of the call.
 * @param open opens the result as `file` was opened
 * @param isNeeded true if the functions hold nodes that matter
 * @returns undefined if functions are not needed, or no call can be replaced
 * @throws {OnnxError} `io` if the file was changed since it was read.
 */
export async function inlineFunctions(
	file: OpenedModel,
	open = openModel,
	isNeeded = hasInnerLayers,
): Promise<OpenedModel | undefined> {
	const { model, source, folder, layers } = file;
	if (model.functions.length === 0 || !isNeeded(file)) {
		return undefined;
	}
	const scope = Scope.ofModel(model);
	const inliner = new Inliner(model, source, scope);
	const edits = await inliner.edits(scope);
	if (edits.length === 0) {
		return undefined;
	}
	const bytes = await editedBytes(await planEdits(source, edits), source);
	const inlined = await open({ path: source.name, bytes });
	// External data stay beside the original file.
	const access = { ...file.access, source: inlined.source };
	const isSame =
		inlined.layers.length === layers.length && layers.every(({ kind }, i) => kind === inlined.layers[i].kind);
	return isSame ? { ...inlined, layers: inlined.layers, access, folder } : undefined;
}

/** True if a layer is in a function or body. */
function hasInnerLayers({ layers }: OpenedModel): boolean {
	return layers.some(({ graphPath }) => graphPath !== '');
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

	/** Returns edits that replace calls in a graph and its bodies. */
	async edits(scope: Scope): Promise<Edit[]> {
		const edits: Edit[] = [];
		for (const node of scope.graph.nodes) {
			const nodes = await this.nodesOf(scope, node, (name) => name);
			if (nodes) {
				edits.push(...nodes.map((message) => addToGraph(scope.graph, 'node', message, node)), removeMessage(node));
			}
			for (const { attribute, graph } of nodes ? [] : bodies(node)) {
				edits.push(...(await this.edits(scope.ofBody(node, graph, attribute))));
			}
		}
		return edits;
	}

	/**
	 * Returns the nodes that replace a call, under names of the main graph; undefined if the node is no call, or has to stay.
	 * @param outer maps names of the node's scope to names of the main graph
	 */
	async nodesOf(scope: Scope, node: Node, outer: Rename): Promise<MessageBytes[] | undefined> {
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
			if (nested) {
				messages.push(...nested);
				continue;
			}
			const attributes = await this.#attributes(call, inner);
			if (attributes === 'impossible' || !this.#isPlain(call, inner)) {
				return undefined;
			}
			messages.push(await this.#renamed(inner, { rename, prefix, attributes }));
		}
		const written = new Set(call.graph.nodes.flatMap(({ outputs }) => outputs));
		return call.graph.outputs.every(({ name }) => written.has(name)) ? messages : undefined;
	}

	/**
	 * Returns the mapping of a function's names: formal inputs and outputs to the caller's names, all other names to
	 * unique names.
	 */
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

	/** Returns true if a node has the same meaning in the main graph after renaming its tensors. */
	#isPlain(call: Scope, node: Node): boolean {
		const inner = bodies(node).flatMap(({ graph }) => graph.nodes);
		const refers = ({ attributes }: Node) => [...attributes.values()].some(({ refAttrName }) => refAttrName);
		return (
			hasSameMeaning(node, call.opset(node.domain), this.#main.opset(node.domain)) &&
			inner.every((each) => !refers(each) && this.#isPlain(call, each))
		);
	}

	/**
	 * Returns a node's attributes with references to attributes of the call resolved; leaves out unset attributes.
	 * @returns undefined if the node has no references; "impossible" if a value cannot be encoded
	 */
	async #attributes(call: Scope, node: Node): Promise<Uint8Array[] | 'impossible' | undefined> {
		const attributes = [...node.attributes.values()];
		if (attributes.every(({ refAttrName }) => !refAttrName)) {
			return undefined;
		}
		const messages: Uint8Array[] = [];
		for (const { name } of attributes) {
			const value = call.attribute(node, name);
			const message = value && encodeAttribute(name, value, value.t && (await this.#read(value.t.span)));
			if (value && !message) {
				return 'impossible';
			}
			messages.push(...(message ? [message] : []));
		}
		return messages;
	}

	async #read({ offset, length }: ByteSpan): Promise<Uint8Array> {
		return Uint8Array.from(await this.#source.read(offset, length));
	}

	/** Returns a node with unique names, since all calls of a function would repeat its node names. */
	async #renamed(
		node: Node,
		{ rename, prefix, attributes }: { rename: Rename; prefix: string; attributes: Uint8Array[] | undefined },
	): Promise<MessageBytes> {
		const name = node.name === '' ? '' : prefix + node.name;
		const message = renameTensors(await this.#read(node.span), rename);
		return rewriteNode(message, { name, ...(attributes && { attributes }) });
	}
}
