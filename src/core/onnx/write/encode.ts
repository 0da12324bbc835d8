import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { OnnxError } from '../errors.js';
import type { ByteSpan, DataTypeCode, Dimension } from '../model.js';
import { scanField } from '../read/field-scan.js';
import type { RawTensor } from '../tensor/raw-tensor.js';
import { decodeText, encodeText } from '../text.js';
import { WireReader } from '../wire.js';

/** A message in pieces, so that a header can be put in front of a large tensor without copying it. */
export type MessageBytes = readonly Uint8Array[];

/** Bytes of a TensorProto with raw_data. */
export function encodeTensor(name: string, { dataType, dims, bytes }: RawTensor): MessageBytes {
	const writer = new BinaryWriter();
	for (const dim of dims) {
		writer.tag(1, WireType.Varint).int64(dim);
	}
	writer.tag(2, WireType.Varint).int32(dataType);
	text(writer, 8, name);
	writer.tag(9, WireType.LengthDelimited).uint32(bytes.length);
	return [writer.finish(), bytes];
}

export type IntegerAttributes = Readonly<Record<string, number | readonly number[]>>;

export interface NodeParts {
	readonly opType: string;
	readonly name: string;
	readonly inputs: readonly string[];
	readonly outputs: readonly string[];
	/** Attributes of type int or ints. */
	readonly integers?: IntegerAttributes;
	/** Attributes of type float, rounded to float32. Attributes of other types are not written. */
	readonly floats?: Readonly<Record<string, number>>;
	/** Default: the domain of ONNX. */
	readonly domain?: string;
}

/** AttributeProto.AttributeType */
const [FLOAT_ATTRIBUTE, INTEGER_ATTRIBUTE, INTEGERS_ATTRIBUTE] = [1, 2, 7];

/** Bytes of a NodeProto. */
export function encodeNode({ integers = {}, floats = {}, domain = '', ...node }: NodeParts): MessageBytes {
	const { opType, name, inputs, outputs } = node;
	const writer = new BinaryWriter();
	texts(writer, 1, inputs);
	texts(writer, 2, outputs);
	text(writer, 3, name);
	text(writer, 4, opType);
	integerAttributes(writer, integers);
	floatAttributes(writer, floats);
	if (domain !== '') {
		text(writer, 7, domain);
	}
	return [writer.finish()];
}

function floatAttributes(writer: BinaryWriter, floats: Readonly<Record<string, number>>): void {
	for (const [attribute, value] of Object.entries(floats)) {
		writer.tag(5, WireType.LengthDelimited).fork();
		text(writer, 1, attribute);
		writer.tag(2, WireType.Bit32).float(value).tag(20, WireType.Varint).int32(FLOAT_ATTRIBUTE).join();
	}
}

function integerAttributes(writer: BinaryWriter, integers: IntegerAttributes): void {
	for (const [attribute, value] of Object.entries(integers)) {
		const [field, type] = typeof value === 'number' ? [3, INTEGER_ATTRIBUTE] : [8, INTEGERS_ATTRIBUTE];
		writer.tag(5, WireType.LengthDelimited).fork();
		text(writer, 1, attribute);
		for (const each of typeof value === 'number' ? [value] : value) {
			writer.tag(field, WireType.Varint).int64(each);
		}
		writer.tag(20, WireType.Varint).int32(type).join();
	}
}

/** AttributeProto.AttributeType */
const TENSOR_ATTRIBUTE = 4;

/** Bytes of a Constant node. @param tensor TensorProto message */
export function encodeConstant(output: string, tensor: MessageBytes): MessageBytes {
	const [node] = encodeNode({ opType: 'Constant', name: '', inputs: [], outputs: [output] });
	const writer = new BinaryWriter();
	writer.tag(5, WireType.LengthDelimited).fork();
	text(writer, 1, 'value');
	writer.tag(5, WireType.LengthDelimited).fork();
	for (const piece of tensor) {
		writer.raw(piece);
	}
	writer.join().tag(20, WireType.Varint).int32(TENSOR_ATTRIBUTE).join();
	return [...(node ? [node] : []), writer.finish()];
}

/** Returns a tensor's ValueInfoProto; without `shape` its rank is open. */
export function encodeValueInfo(
	name: string,
	dataType: DataTypeCode,
	shape: readonly Dimension[] | undefined,
): MessageBytes {
	const writer = new BinaryWriter();
	text(writer, 1, name);
	writer.tag(2, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).fork();
	// A broken file may state any 64-bit number, of which protobuf takes the lowest 32 bits.
	writer.tag(1, WireType.Varint).int32(dataType | 0);
	if (shape) {
		writer.tag(2, WireType.LengthDelimited).fork();
		for (const dimension of shape) {
			writer.tag(1, WireType.LengthDelimited).fork();
			if (Number.isSafeInteger(dimension)) {
				writer.tag(1, WireType.Varint).int64(Number(dimension));
			} else if (typeof dimension === 'string') {
				text(writer, 2, dimension);
			}
			writer.join();
		}
		writer.join();
	}
	return [writer.join().join().finish()];
}

/** Changed parts of a node. Missing parts stay unchanged. */
export type NodeChange = Partial<Pick<NodeParts, 'name' | 'inputs' | 'outputs'>> & {
	/** AttributeProto messages in place of all that the node has. */
	readonly attributes?: readonly Uint8Array[];
	/** Integer attributes to set. Other attributes keep their bytes, unless `attributes` replaces them. */
	readonly integers?: Readonly<Record<string, number>>;
	/** Attributes of type float to set, rounded to float32. */
	readonly floats?: Readonly<Record<string, number>>;
	/** Another operator of the domain of ONNX. */
	readonly opType?: string;
};

const [OPERATOR_FIELD, DOMAIN_FIELD] = [4, 7];

/**
 * Rewrites a NodeProto with another operator, inputs, outputs, name or attributes. All other fields (doc string, unknown fields)
 * keep their bytes and order.
 * @param message the node's message, without tag and length
 * @throws {OnnxError} `malformed`
 */
export function rewriteNode(message: Uint8Array, change: NodeChange): MessageBytes {
	const writer = new BinaryWriter();
	texts(writer, 1, change.inputs ?? []);
	texts(writer, 2, change.outputs ?? []);
	if (change.name !== undefined) {
		text(writer, 3, change.name);
	}
	if (change.opType !== undefined) {
		text(writer, 4, change.opType);
	}
	for (const attribute of change.attributes ?? []) {
		writer.tag(5, WireType.LengthDelimited).bytes(attribute);
	}
	const { integers = {}, floats = {} } = change;
	integerAttributes(writer, integers);
	floatAttributes(writer, floats);
	const isOther = change.opType !== undefined;
	const replaced = [
		...[change.inputs && 1, change.outputs && 2, change.name !== undefined && 3, change.attributes && 5],
		...(isOther ? [OPERATOR_FIELD, DOMAIN_FIELD] : []),
	];
	const loaded = { bytes: message, start: 0 };
	const wire = new WireReader(loaded, (what) => new OnnxError('malformed', `In a node, ${what}.`));
	for (let position = 0; position < message.length; ) {
		const { number, payload, end } = scanField(wire, position, message.length);
		const isSet = number === 5 && Object.hasOwn({ ...integers, ...floats }, attributeName(wire, message, payload));
		if (!replaced.includes(number) && !isSet) {
			writer.raw(message.subarray(position, end));
		}
		position = end;
	}
	return [writer.finish()];
}

/** Returns the name of the AttributeProto at `span` of a node. @throws {OnnxError} `malformed` */
function attributeName(wire: WireReader, node: Uint8Array, span: ByteSpan): string {
	let name = '';
	const limit = span.offset + span.length;
	for (let position = span.offset; position < limit; ) {
		const { number, payload, end } = scanField(wire, position, limit);
		if (number === 1) {
			name = decodeText(node.subarray(payload.offset, payload.offset + payload.length));
		}
		position = end;
	}
	return name;
}

function text(writer: BinaryWriter, field: number, value: string): void {
	writer.tag(field, WireType.LengthDelimited).bytes(encodeText(value));
}

function texts(writer: BinaryWriter, field: number, values: readonly string[]): void {
	for (const value of values) {
		text(writer, field, value);
	}
}
