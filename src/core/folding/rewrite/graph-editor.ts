import { bodies } from '../../onnx/graph/graph-index.js';
import { initializerOf, type Scope } from '../../onnx/graph/scope.js';
import type { DataTypeName, Graph, Model, Node, TensorAnnotation, TensorRecord, ValueInfo } from '../../onnx/model.js';
import type { ByteSource } from '../../onnx/source.js';
import { typeCode } from '../../onnx/types.js';
import { addToGraph, type Edit, removeMessage, replaceMessage } from '../../onnx/write/edit.js';
import {
	encodeConstant,
	encodeNode,
	encodeTensor,
	encodeValueInfo,
	type NodeChange,
	type NodeParts,
	rewriteNode,
} from '../../onnx/write/encode.js';
import { encodeElements } from '../../onnx/write/encode-elements.js';

/** IR version from which on an initializer need not be an input, and an input with an initializer is its default. */
const FIRST_UNLISTED = 4;

/** Values of a new or changed initializer; rounded once to `dtype`, which `encodeElements` knows. */
export interface TensorValues {
	readonly dims: readonly number[];
	readonly dtype: DataTypeName;
	readonly values: Float64Array;
}

/** Collects changes to a model's graphs and turns them into edits of its file. The model in memory stays unchanged. */
export class GraphEditor {
	readonly #source: ByteSource;
	readonly #graph: Graph;
	readonly #names: Set<string>;
	/** Number to try next for a base name that is taken. */
	readonly #nextNumbers = new Map<string, number>();
	/** Position among a tensor's consumers of the first that may still read it; by {@link keyOf}. */
	readonly #firstReaders = new Map<string, number>();
	/** True up to IR version 3, where each initializer has to be an input of its graph, too. */
	readonly #listsInitializers: boolean;
	readonly #treatsInputsAsConstants: boolean;
	readonly #suffix: string;
	readonly #edits: Edit[] = [];
	readonly #changes = new Map<Node, NodeChange>();
	/** Removed nodes with their former scope. */
	readonly #removed = new Map<Node, Scope>();
	/** Names that other nodes write now; by {@link keyOf}. */
	readonly #written = new Set<string>();
	/** Names read by new or reconnected nodes, unknown to `Scope.consumers`; by {@link keyOf}. */
	readonly #readAnew = new Set<string>();
	/** Names that may have lost their last reader. */
	readonly #orphans: { readonly scope: Scope; readonly name: string }[] = [];
	readonly #handled = new Set<TensorRecord>();
	/** Declared values and annotations that are removed already. */
	readonly #dropped = new Set<ValueInfo | TensorAnnotation>();

	/**
	 * @param treatsInputsAsConstants removes changed constants from the inputs that a caller may feed
	 * @param suffix of the names of new constants
	 */
	constructor(model: Model, source: ByteSource, treatsInputsAsConstants = false, suffix = 'folded') {
		this.#source = source;
		this.#graph = model.graph;
		this.#names = new Set(namesOf(model.graph));
		this.#listsInitializers = model.irVersion < FIRST_UNLISTED;
		this.#treatsInputsAsConstants = treatsInputsAsConstants;
		this.#suffix = suffix;
	}

	/** Replaces the value behind an input of a node: in place if the node is its only reader, else by a copy. */
	setInput(scope: Scope, node: Node, input: number, tensor: TensorValues): void {
		const name = this.inputsOf(node)[input] ?? '';
		const record = initializerOf(scope.graph, name);
		const [reader, ...others] = scope.consumers(name);
		const isOwn = reader === node && others.length === 0 && node.inputs.filter((other) => other === name).length === 1;
		if (record && isOwn && !scope.isOutput(name)) {
			this.#handled.add(record);
			this.#edits.push(replaceMessage(record, encodeValues(name, tensor)));
			this.#declareInput(scope, record, tensor);
			this.dropAnnotations(scope, name);
			return;
		}
		const inputs = [...this.inputsOf(node)];
		while (inputs.length <= input) {
			inputs.push('');
		}
		inputs[input] = this.addConstant(scope, name || `${node.outputs[0]}_bias`, tensor, node);
		this.#change(node, { inputs });
		this.orphan(scope, name);
	}

	/** @returns the name it was given, made from `base`. @param reader node that reads it */
	addConstant(scope: Scope, base: string, tensor: TensorValues, reader: Node): string {
		const name = this.#freshName(`${base}_${this.#suffix}`);
		if (this.#listsInitializers && scope.depth > 0) {
			// The inputs of a body have fixed meanings, so it cannot have initializers.
			this.#edits.push(addToGraph(scope.graph, 'node', encodeConstant(name, encodeValues('', tensor)), reader));
			return name;
		}
		this.#edits.push(addToGraph(scope.graph, 'initializer', encodeValues(name, tensor)));
		if (this.#listsInitializers) {
			const { dims, dtype } = tensor;
			this.#edits.push(addToGraph(scope.graph, 'input', encodeValueInfo(name, typeCode(dtype), dims)));
		}
		return name;
	}

	/** Adapts the input that declares a changed initializer, or removes it if callers must not feed it any more. */
	#declareInput(scope: Scope, { name, dims }: TensorRecord, tensor: TensorValues): void {
		const declared = scope.graph.inputs.find((input) => input.name === name);
		if (!declared && this.#listsInitializers && scope.depth === 0) {
			this.#edits.push(addToGraph(scope.graph, 'input', encodeValueInfo(name, typeCode(tensor.dtype), tensor.dims)));
		}
		if (!declared?.span || this.#dropped.has(declared)) {
			return;
		}
		if (this.#treatsInputsAsConstants && !this.#listsInitializers) {
			this.#dropped.add(declared);
			this.#edits.push(removeMessage(declared));
		} else if (dims.join() !== tensor.dims.join()) {
			this.#dropped.add(declared);
			this.#edits.push(replaceMessage(declared, encodeValueInfo(name, typeCode(tensor.dtype), tensor.dims)));
		}
	}

	#change(node: Node, change: NodeChange): void {
		this.#changes.set(node, { ...this.#changes.get(node), ...change });
	}

	/** Lets a node read its first input from another tensor. */
	reconnect(scope: Scope, node: Node, tensor: string): void {
		const [, ...rest] = this.inputsOf(node);
		this.#change(node, { inputs: [tensor, ...rest] });
		this.#readAnew.add(keyOf(scope, tensor));
	}

	/** Renames a node's first output, which must have no readers. */
	rename(scope: Scope, node: Node, output: string): void {
		this.#removeDeclarations(scope, (this.#changes.get(node)?.outputs ?? node.outputs)[0] ?? '');
		this.#written.add(keyOf(scope, output));
		this.#change(node, { outputs: [output, ...node.outputs.slice(1)] });
	}

	/** Sets an integer attribute of a node, in a function for every call. */
	setAttribute(node: Node, name: string, value: number): void {
		this.#change(node, { integers: { ...this.#changes.get(node)?.integers, [name]: value } });
	}

	/** Sets a float attribute of a node, in a function for every call. */
	setFloatAttribute(node: Node, name: string, value: number): void {
		this.#change(node, { floats: { ...this.#changes.get(node)?.floats, [name]: value } });
	}

	/** Removes a node's inputs from position `count` on, and values that only they read. */
	truncateInputs(scope: Scope, node: Node, count: number): void {
		const inputs = this.inputsOf(node);
		this.#change(node, { inputs: inputs.slice(0, count) });
		for (const name of inputs.slice(count)) {
			this.orphan(scope, name);
		}
	}

	/**
	 * Removes a node's outputs from position `count` on, also as outputs of its graph. No node may read them, except
	 * under the name of an input that the node updates in place.
	 */
	truncateOutputs(scope: Scope, node: Node, count: number): void {
		const removed = node.outputs.slice(count).filter((name) => name !== '' && !node.inputs.includes(name));
		this.#change(node, { outputs: node.outputs.slice(0, count) });
		for (const name of removed) {
			this.#removeDeclarations(scope, name);
		}
		// If several nodes write a name, which is invalid, the first removes the output.
		for (const output of scope.graph.outputs) {
			if (removed.includes(output.name) && !this.#dropped.has(output)) {
				this.#dropped.add(output);
				this.#edits.push(removeMessage(output));
			}
		}
	}

	/** A node's inputs with the changes made so far. */
	inputsOf(node: Node): readonly string[] {
		return this.#changes.get(node)?.inputs ?? node.inputs;
	}

	/** Removes a node together with the values that only it reads. */
	remove(scope: Scope, node: Node): void {
		this.#removed.set(node, scope);
		for (const input of node.inputs) {
			this.orphan(scope, input);
		}
	}

	/** Replaces a node by another. */
	substitute(scope: Scope, node: Node, opType: string, inputs: readonly string[]): void {
		const message = encodeNode({ opType, name: node.name, inputs, outputs: [node.outputs[0] ?? ''] });
		this.#edits.push(addToGraph(scope.graph, 'node', message, node));
		this.#removed.set(node, scope);
		this.#written.add(keyOf(scope, node.outputs[0] ?? ''));
		for (const input of inputs) {
			this.#readAnew.add(keyOf(scope, input));
		}
		for (const input of node.inputs.filter((name) => !inputs.includes(name))) {
			this.orphan(scope, input);
		}
	}

	/** Adds a node in front of its reader, and lets the reader take an input from it. */
	insertInput(scope: Scope, reader: Node, input: number, parts: Omit<NodeParts, 'name' | 'outputs'>): void {
		const former = this.inputsOf(reader)[input] ?? '';
		const output = this.#freshName(former || `${reader.outputs[0]}_bias`);
		this.#edits.push(addToGraph(scope.graph, 'node', encodeNode({ ...parts, name: '', outputs: [output] }), reader));
		const inputs = [...this.inputsOf(reader)];
		while (inputs.length <= input) {
			inputs.push('');
		}
		inputs[input] = output;
		this.#change(reader, { inputs });
		for (const name of [output, ...parts.inputs]) {
			this.#readAnew.add(keyOf(scope, name));
		}
		this.orphan(scope, former);
	}

	/** Adds a constant to a node's first output, by a new Add directly behind the node. */
	addBehind(scope: Scope, node: Node, constant: string): void {
		const output = node.outputs[0] ?? '';
		const sum = this.#freshName(`${output}_unbiased`);
		const message = encodeNode({ opType: 'Add', name: '', inputs: [sum, constant], outputs: [output] });
		this.#edits.push(addToGraph(scope.graph, 'node', message, scope.graph.nodes[node.index + 1]));
		this.#change(node, { outputs: [sum, ...node.outputs.slice(1)] });
		this.#readAnew.add(keyOf(scope, sum));
		this.#readAnew.add(keyOf(scope, constant));
	}

	orphan(scope: Scope, name: string): void {
		if (name !== '') {
			this.#orphans.push({ scope, name });
		}
	}

	/** All edits; @throws {OnnxError} `io` */
	async finish(): Promise<readonly Edit[]> {
		for (const [node, scope] of this.#removed) {
			this.#removeOutputs(scope, node);
		}
		this.#removeOrphans();
		this.#listUnlisted();
		for (const [node, change] of this.#changes) {
			if (!this.#removed.has(node)) {
				// Copies the bytes, because the next read may overwrite the source's view.
				const bytes = (await this.#source.read(node.span.offset, node.span.length)).slice();
				this.#edits.push(replaceMessage(node, rewriteNode(bytes, change)));
			}
		}
		return [...this.#edits, ...Array.from(this.#removed.keys(), removeMessage)];
	}

	/** Lists unlisted initializers of a changed model as inputs, as checkers require. */
	#listUnlisted(): void {
		const { inputs, initializers } = this.#graph;
		const listed = new Set(inputs.map(({ name }) => name));
		if (!this.#listsInitializers || this.#edits.length === 0) {
			return;
		}
		for (const record of initializers.values()) {
			if (!listed.has(record.name) && !this.#handled.has(record)) {
				const message = encodeValueInfo(record.name, record.dataType, record.dims);
				this.#edits.push(addToGraph(this.#graph, 'input', message));
			}
		}
	}

	#removeOrphans(): void {
		for (const { scope, name } of this.#orphans) {
			if (this.#isRead(scope, name)) {
				continue;
			}
			const record = initializerOf(scope.graph, name);
			const producer = scope.producer(name);
			if (record && !this.#handled.has(record)) {
				this.#handled.add(record);
				this.#edits.push(removeMessage(record));
				this.#removeDeclarations(scope, name);
			} else if (producer && !this.#removed.has(producer) && this.#isUnused(scope, producer)) {
				// Extends the list during the walk, because inputs may have lost their last reader.
				this.remove(scope, producer);
				this.#removeOutputs(scope, producer);
			}
		}
	}

	/** Removes the declarations of tensors that a removed node wrote, unless another node writes them now. */
	#removeOutputs(scope: Scope, { outputs }: Node): void {
		for (const name of outputs.filter((output) => output !== '' && !this.#written.has(keyOf(scope, output)))) {
			this.#removeDeclarations(scope, name);
		}
	}

	/** IR version 3 also lists initializers as inputs. Without its default a caller would have to feed the input. */
	#removeDeclarations(scope: Scope, name: string): void {
		const { graph } = scope;
		const declared = [graph.inputs.find((input) => input.name === name), graph.valueInfo.get(name)];
		for (const value of declared) {
			if (value?.span && !this.#dropped.has(value)) {
				this.#dropped.add(value);
				this.#edits.push(removeMessage(value));
			}
		}
		this.dropAnnotations(scope, name);
	}

	/**
	 * Removes a quantizer's annotation of a tensor with changing values. Also removes values that only the annotation
	 * refers to.
	 */
	dropAnnotations(scope: Scope, name: string): void {
		for (const annotation of annotationsOf(scope).filter((other) => other.name === name && !this.#dropped.has(other))) {
			this.#dropped.add(annotation);
			this.#edits.push(removeMessage(annotation));
			for (const tensor of annotation.values.values()) {
				this.orphan(scope, tensor);
			}
		}
	}

	#isUnused(scope: Scope, node: Node): boolean {
		const isRenamed = this.#changes.get(node)?.outputs !== undefined;
		return !isRenamed && !node.outputs.some((output) => this.#isRead(scope, output));
	}

	#isRead(scope: Scope, name: string): boolean {
		const isReadAnew = this.#readAnew.has(keyOf(scope, name));
		const isNamed = annotationsOf(scope).some((other) => !this.#dropped.has(other) && namesTensor(other, name));
		return isReadAnew || isNamed || scope.isOutput(name) || this.#hasReader(scope, name);
	}

	/** True if a consumer still reads a tensor. Nodes only stop reading by now, so each is looked at once. */
	#hasReader(scope: Scope, name: string): boolean {
		const consumers = scope.consumers(name);
		const key = keyOf(scope, name);
		let first = this.#firstReaders.get(key) ?? 0;
		while (first < consumers.length && !this.#reads(consumers[first], name)) {
			first++;
		}
		this.#firstReaders.set(key, first);
		return first < consumers.length;
	}

	#reads(node: Node, name: string): boolean {
		return !this.#removed.has(node) && (this.inputsOf(node).includes(name) || bodies(node).length > 0);
	}

	#freshName(base: string): string {
		let name = base;
		let number = this.#nextNumbers.get(base) ?? 2;
		for (; this.#names.has(name); number++) {
			name = `${base}_${number}`;
		}
		this.#nextNumbers.set(base, number);
		this.#names.add(name);
		return name;
	}
}

const annotationsOf = ({ graph }: Scope): readonly TensorAnnotation[] => graph.annotations ?? [];

/** True if an annotation of another tensor refers to this tensor. */
const namesTensor = ({ values }: TensorAnnotation, name: string): boolean => [...values.values()].includes(name);

/** No name has a NUL in it. */
const keyOf = ({ key }: Scope, name: string): string => `${key}\0${name}`;

function encodeValues(name: string, { dims, dtype, values }: TensorValues) {
	const dataType = typeCode(dtype);
	const bytes = encodeElements(dataType, values);
	if (!bytes) {
		throw new Error(`There is no encoding for ${dtype}.`);
	}
	return encodeTensor(name, { dataType, dims, bytes });
}

/** Every name in a graph and the bodies inside it. */
function namesOf(graph: Graph): string[] {
	return [
		...graph.initializers.keys(),
		...graph.sparseInitializers.keys(),
		...graph.inputs.map(({ name }) => name),
		...graph.nodes.flatMap((node) => [
			...node.inputs,
			...node.outputs,
			...bodies(node).flatMap((body) => namesOf(body.graph)),
		]),
	];
}
