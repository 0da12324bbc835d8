import { bodies, Scope } from '../../../core/onnx/graph/scope.js';
import type { ByteSpan, Model, Node } from '../../../core/onnx/model.js';
import type { ByteSource } from '../../../core/onnx/source.js';
import { addToGraph, type Edit, editedBytes, planEdits, removeMessage } from '../../../core/onnx/write/edit.js';
import { type MessageBytes, rewriteNode } from '../../../core/onnx/write/encode.js';
import { encodeAttribute } from '../../../core/onnx/write/encode-attribute.js';
import { renameTensors } from '../../../core/onnx/write/rename.js';
import { type OpenedModel, openModel } from './opened-model.js';

/**
 * The same model with the calls of model-local functions replaced by the nodes of their bodies, so that the tensors around
 * the layers in them can be reached: what runtimes do themselves when they load it. Layers keep their number and order.
 * A call stays where its function's nodes would mean something else there: where it brings another operator set, or its
 * subgraphs refer to attributes of the call.
 * @returns undefined where no layer is in a function, or no call can be replaced
 * @throws {OnnxError} `io` when the file was changed since it was read
 */
export async function inlineFunctions(file: OpenedModel): Promise<OpenedModel | undefined> {
	const { model, source, folder, layers } = file;
	if (model.functions.length === 0 || layers.every(({ graphPath }) => graphPath === '')) {
		return undefined;
	}
	const scope = Scope.ofModel(model);
	const inliner = new Inliner(model, source, scope);
	const edits = await inliner.edits(scope);
	if (edits.length === 0) {
		return undefined;
	}
	const bytes = await editedBytes(await planEdits(source, edits), source);
	const inlined = await openModel({ path: source.name, bytes });
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

	/** What makes of a graph, and of the bodies in it, the same with fewer calls. */
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
	 * The nodes that a call stands for, under names of the main graph; undefined when the node is no call, or one that has to
	 * stay.
	 * @param outer names of the scope that the node is in, as the main graph has them
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
		const inner = bodies(node).flatMap(({ graph }) => graph.nodes);
		const refers = ({ attributes }: Node) => [...attributes.values()].some(({ refAttrName }) => refAttrName);
		return (
			call.opset(node.domain) === this.#main.opset(node.domain) &&
			inner.every((each) => !refers(each) && this.#isPlain(call, each))
		);
	}

	/**
	 * A node's attributes where some of them stand for those of the call: with their values, or without those that the call
	 * leaves out. undefined: it has none of these.
	 */
	async #attributes(call: Scope, node: Node): Promise<Uint8Array[] | 'impossible' | undefined> {
		const own = [...node.attributes.values()];
		if (own.every(({ refAttrName }) => !refAttrName)) {
			return undefined;
		}
		const messages: Uint8Array[] = [];
		for (const { name } of own) {
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

	/** No two nodes may have one name, which all calls of a function would have. */
	async #renamed(
		node: Node,
		{ rename, prefix, attributes }: { rename: Rename; prefix: string; attributes: Uint8Array[] | undefined },
	): Promise<MessageBytes> {
		const name = node.name === '' ? '' : prefix + node.name;
		const message = renameTensors(await this.#read(node.span), rename);
		return rewriteNode(message, { name, ...(attributes && { attributes }) });
	}
}
