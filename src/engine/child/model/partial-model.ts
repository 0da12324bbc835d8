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
import { appendGraphOutputs, appendOpset } from '../../../core/onnx/write/outputs.js';
import { namesRead } from './node-net.js';

/** A tensor that a part of a model is given. */
export interface GivenTensor {
	readonly type: string;
	/** undefined: unknown. */
	readonly dims?: readonly number[];
}

/** A part of a model's main graph that runs by itself. */
export interface Part {
	/** Nodes to keep. Each of their inputs is written by a kept node, given, or an initializer. */
	readonly nodes: readonly Node[];
	/** Tensors to make outputs. */
	readonly outputs: readonly string[];
	/** Tensors with a shape that becomes an output, under its {@link shapeName}. */
	readonly shapes?: readonly string[];
	/** Tensors that become inputs, by name, including inputs of the model. Unread tensors are left out. */
	readonly given: ReadonlyMap<string, GivenTensor>;
	/** Returns true for bfloat16 outputs, which the runtime cannot return. */
	readonly isNarrow?: (name: string) => boolean;
	/** Other edits of the file, for example of kept nodes. */
	readonly edits?: readonly Edit[];
	/** Version of ONNX's operators, if it is another than the file's. */
	readonly opset?: number | undefined;
}

/** Name of the output that holds a tensor's shape. Exporters do not use such names. */
export const shapeName = (name: string): string => `${name}//shape`;
/** Name of a bfloat16 tensor passed as float32, which is exact. */
export const widenedName = (name: string): string => `${name}//float32`;

/**
 * Returns the bytes of a model that computes only a part. Leaves out nodes, initializers, inputs and outputs that the part
 * does not need, and keeps all other bytes of the file.
 * @throws {OnnxError} `io` if the file was changed since it was read.
 */
export async function partBytes(graph: Graph, source: ByteSource, part: Part): Promise<Uint8Array> {
	const { nodes, outputs, shapes = [], isNarrow = () => false } = part;
	const used = new Set([...outputs, ...shapes, ...nodes.flatMap((node) => [...namesRead(node)])]);
	const edits = [...removals(graph, part, used), ...inputEdits(graph, part, used), ...(part.edits ?? [])];
	const exposed = [...outputs.map((name) => (isNarrow(name) ? widenedName(name) : name)), ...shapes.map(shapeName)];
	for (const name of outputs.filter(isNarrow)) {
		edits.push(addCast(graph, name, widenedName(name), 'float32'));
	}
	for (const name of shapes) {
		const node = { opType: 'Shape', name: '', inputs: [name], outputs: [shapeName(name)] };
		edits.push(addToGraph(graph, 'node', encodeNode(node)));
	}
	const plan = await planEdits(source, edits);
	const opset = part.opset === undefined ? new Uint8Array(0) : appendOpset(part.opset);
	return editedBytes(plan, source, Buffer.concat([appendGraphOutputs(exposed), opset]));
}

function removals(graph: Graph, part: Part, used: ReadonlySet<string>): Edit[] {
	const kept = new Set(part.nodes);
	const unused = [
		...graph.nodes.filter((node) => !kept.has(node)),
		...[...graph.initializers.values()].filter(({ name }) => !used.has(name)),
		...graph.inputs.filter(({ name }) => !used.has(name)),
		// Adds wanted outputs without a type, which the runtime infers.
		...graph.outputs,
		// An input must not have a value_info entry as well.
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
