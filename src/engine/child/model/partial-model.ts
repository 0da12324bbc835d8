import type { DataTypeName, Graph, Node } from '../../../core/onnx/model.js';
import type { ByteSource } from '../../../core/onnx/source.js';
import { typeCode } from '../../../core/onnx/types.js';
import {
	addToGraph,
	type Edit,
	editedBytes,
	planEdits,
	removeMessage,
	replaceMessage,
} from '../../../core/onnx/write/edit.js';
import { encodeNode, encodeValueInfo } from '../../../core/onnx/write/encode.js';
import { appendGraphOutputs } from '../../../core/onnx/write/outputs.js';
import { namesRead } from './node-net.js';

/** A tensor that a part of a model is given. */
export interface GivenTensor {
	readonly type: string;
	/** undefined: not known yet. */
	readonly dims?: readonly number[];
}

/** A part of a model's main graph, to be run by itself. */
export interface Part {
	/** Nodes to keep: all that they read is written by one of them, given, or an initializer. */
	readonly nodes: readonly Node[];
	/** Tensors to make outputs. */
	readonly outputs: readonly string[];
	/** Tensors of which only the shape is wanted; it comes under its {@link shapeName}. */
	readonly shapes?: readonly string[];
	/** Tensors that become inputs, by name, inputs of the model among them; those that nothing reads are left out. */
	readonly given: ReadonlyMap<string, GivenTensor>;
	/** Whether an output is of a type that the runtime computes with but does not hand out: bfloat16. */
	readonly isNarrow?: (name: string) => boolean;
}

/** Made-up names end in what no exporter writes. */
export const shapeName = (name: string): string => `${name}//shape`;
/** A bfloat16 tensor goes in and out as float32, which holds it exactly, under this name. */
export const widenedName = (name: string): string => `${name}//float32`;

/**
 * The bytes of a model that computes just this part: nodes, initializers, inputs and outputs that it does not need are
 * left out, everything else is the file's own bytes.
 * @throws {OnnxError} `io` when the file was changed since it was read
 */
export async function partBytes(graph: Graph, source: ByteSource, part: Part): Promise<Uint8Array> {
	const { nodes, outputs, shapes = [], isNarrow = () => false } = part;
	const used = new Set([...outputs, ...shapes, ...nodes.flatMap((node) => [...namesRead(node)])]);
	const edits = [...removals(graph, part, used), ...inputEdits(graph, part, used)];
	const exposed = [...outputs.map((name) => (isNarrow(name) ? widenedName(name) : name)), ...shapes.map(shapeName)];
	for (const name of outputs.filter(isNarrow)) {
		edits.push(addCast(graph, name, widenedName(name), 'float32'));
	}
	for (const name of shapes) {
		const node = { opType: 'Shape', name: '', inputs: [name], outputs: [shapeName(name)] };
		edits.push(addToGraph(graph, 'node', encodeNode(node)));
	}
	const plan = await planEdits(source, edits);
	return editedBytes(plan, source, appendGraphOutputs(exposed));
}

function removals(graph: Graph, part: Part, used: ReadonlySet<string>): Edit[] {
	const kept = new Set(part.nodes);
	const unused = [
		...graph.nodes.filter((node) => !kept.has(node)),
		...[...graph.initializers.values()].filter(({ name }) => !used.has(name)),
		...graph.inputs.filter(({ name }) => !used.has(name)),
		// The outputs wanted are added again, without a type: the runtime works it out.
		...graph.outputs,
		// What a file says about a tensor in the middle it must not say about an input.
		...[...graph.valueInfo.values()].filter(({ name, span }) => span && part.given.has(name)),
	];
	return unused.map(removeMessage);
}

function inputEdits(graph: Graph, { given }: Part, used: ReadonlySet<string>): Edit[] {
	return [...given].flatMap(([name, { type, dims }]) => {
		const own = graph.inputs.find((input) => input.name === name);
		const narrow = type === 'bfloat16';
		if (!used.has(name) || (own && !narrow)) {
			return [];
		}
		const code = typeCode(narrow ? 'float32' : (type as DataTypeName));
		const message = encodeValueInfo(narrow ? widenedName(name) : name, code, dims);
		const edit = own ? replaceMessage(own, message) : addToGraph(graph, 'input', message);
		return narrow ? [edit, addCast(graph, widenedName(name), name, 'bfloat16')] : [edit];
	});
}

function addCast(graph: Graph, from: string, to: string, type: DataTypeName): Edit {
	const node = { opType: 'Cast', name: '', inputs: [from], outputs: [to], integers: { to: typeCode(type) } };
	return addToGraph(graph, 'node', encodeNode(node));
}
