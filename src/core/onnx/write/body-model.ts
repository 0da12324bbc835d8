import type { ByteSpan, DataTypeCode, Graph, Model, TensorRecord } from '../model.js';
import type { ByteSource } from '../source.js';
import { addToGraph, type Edit, editedBytes, planEdits, planMessage, removeMessage, replaceMessage } from './edit.js';
import { encodeValueInfo } from './encode.js';

/** Values around a body when it runs. */
export interface Surroundings {
	/** Its own inputs and the outer tensors that it uses, with the sizes that they have. */
	readonly inputs: readonly {
		readonly name: string;
		readonly dataType: DataTypeCode;
		readonly dims: readonly number[];
	}[];
	/** Initializers of a graph around it that it uses. */
	readonly initializers: readonly TensorRecord[];
}

/**
 * Returns the bytes of a model with the body of an If, Loop or Scan as its main graph. The nodes stay unchanged;
 * tensors of the surrounding graphs become inputs and initializers. Operator sets and functions are the model's.
 * @throws {OnnxError} `io` when the file was changed since it was read; `limit`
 */
export async function bodyAsModel(
	{ graph }: Pick<Model, 'graph'>,
	source: ByteSource,
	body: Graph,
	{ inputs, initializers }: Surroundings,
): Promise<Uint8Array> {
	const edits: Edit[] = body.inputs.map(removeMessage);
	for (const { span } of initializers) {
		edits.push(addToGraph(body, 'initializer', [await copy(source, span)]));
	}
	for (const { name, dataType, dims } of inputs) {
		edits.push(addToGraph(body, 'input', encodeValueInfo(name, dataType, dims)));
	}
	const pieces: Uint8Array[] = [];
	for (const span of body.spans ?? []) {
		pieces.push(await editedBytes(await planMessage(source, span, edits), source));
	}
	const [first, ...others] = (graph.spans ?? []).map((span) => ({ span }));
	const replaced = [replaceMessage(first ?? {}, pieces), ...others.map(removeMessage)];
	return editedBytes(await planEdits(source, replaced), source);
}

async function copy(source: ByteSource, { offset, length }: ByteSpan): Promise<Uint8Array> {
	return Uint8Array.from(await source.read(offset, length));
}
