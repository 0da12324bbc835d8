import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** A protobuf field as a value that can be moved, changed and written again with correct lengths. */
export interface TreeField {
	number: number;
	/** bigint: a varint. bytes: a length-delimited value, or the 4 or 8 bytes of a fixed number. list: a message. */
	value: bigint | Uint8Array | TreeField[];
	wire: WireType;
	/** Type of the message, or of the one that the field is in; see {@link MESSAGES}. */
	type: string;
}

/** Fields of onnx.proto that are messages, with their types. */
export const MESSAGES: Readonly<Record<string, Readonly<Record<number, string>>>> = {
	Model: { 7: 'Graph', 8: 'Opset', 14: 'Entry', 25: 'Function' },
	Graph: { 1: 'Node', 5: 'Tensor', 11: 'Value', 12: 'Value', 13: 'Value', 15: 'Sparse' },
	Node: { 5: 'Attribute' },
	Attribute: { 5: 'Tensor', 6: 'Graph', 10: 'Tensor', 11: 'Graph', 22: 'Sparse' },
	Tensor: { 3: 'Segment', 13: 'Entry' },
	Sparse: { 1: 'Tensor', 2: 'Tensor' },
	Value: { 2: 'Type' },
	Type: { 1: 'TensorType' },
	TensorType: { 2: 'Shape' },
	Shape: { 1: 'Dimension' },
	Function: { 7: 'Node', 9: 'Opset', 11: 'Attribute' },
};

/** @throws on bytes that are no protobuf: trees are made of valid models only. */
export function parseTree(bytes: Uint8Array, type = 'Model'): TreeField[] {
	const reader = new BinaryReader(bytes);
	const fields: TreeField[] = [];
	while (reader.pos < reader.len) {
		const [number, wire] = reader.tag();
		const message = MESSAGES[type]?.[number];
		if (wire === WireType.Varint) {
			fields.push({ number, wire, type, value: BigInt(reader.int64()) });
		} else if (wire === WireType.LengthDelimited) {
			const content = reader.bytes();
			const value = message ? parseTree(content, message) : content.slice();
			fields.push({ number, wire, type: message ?? type, value });
		} else {
			fields.push({ number, wire, type, value: reader.skip(wire, number).slice() });
		}
	}
	return fields;
}

export function writeTree(fields: readonly TreeField[], writer = new BinaryWriter()): BinaryWriter {
	for (const { number, wire, value } of fields) {
		writer.uint32(((number << 3) | wire) >>> 0);
		if (Array.isArray(value)) {
			writeTree(value, writer.fork()).join();
		} else if (typeof value === 'bigint') {
			writer.int64(BigInt.asIntN(64, value));
		} else if (wire === WireType.LengthDelimited) {
			writer.bytes(value);
		} else {
			writer.raw(value);
		}
	}
	return writer;
}

/** Copies a field with all fields in it. Shares byte arrays, because mutations replace them. */
export function copyField(field: TreeField): TreeField {
	return { ...field, value: Array.isArray(field.value) ? field.value.map(copyField) : field.value };
}

/** Lists every field of a tree with the list that contains it. */
export function* everyField(fields: TreeField[]): Generator<{ field: TreeField; siblings: TreeField[] }> {
	for (const field of fields) {
		yield { field, siblings: fields };
		if (Array.isArray(field.value)) {
			yield* everyField(field.value);
		}
	}
}
