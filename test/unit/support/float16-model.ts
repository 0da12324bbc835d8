/**
 * Converts a float32 model to float16 as converters do: every tensor, constant and value becomes float16, clipped to its
 * range. Works on the bytes, and knows nothing of the code under test.
 */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { toHalf } from '../../../src/core/numbers/small-floats.js';

const FLOAT = 1;
const FLOAT16 = 10;
const MAX = 65504;

/** Converts the content of a field, or returns undefined to copy it. */
type Convert = (content: Uint8Array) => Uint8Array;
type Fields = Readonly<Record<number, Convert | undefined>>;

/** Copies a message, with the content of some fields converted, and varints of field `type` changed from float to half. */
function convertMessage(bytes: Uint8Array, fields: Fields, type?: number): Uint8Array {
	const reader = new BinaryReader(bytes);
	const writer = new BinaryWriter();
	while (reader.pos < reader.len) {
		const [field, wire] = reader.tag();
		const convert = fields[field];
		if (convert && wire === WireType.LengthDelimited) {
			writer.tag(field, wire).bytes(convert(reader.bytes()));
		} else if (field === type && wire === WireType.Varint) {
			const value = reader.int32();
			writer.tag(field, wire).int32(value === FLOAT ? FLOAT16 : value);
		} else {
			writer.tag(field, wire).raw(reader.skip(wire));
		}
	}
	return writer.finish();
}

interface Tensor {
	readonly name: string;
	readonly dims: readonly number[];
	readonly type: number;
	readonly values: readonly number[];
}

function readTensor(bytes: Uint8Array): Tensor {
	const reader = new BinaryReader(bytes);
	const dims: number[] = [];
	let values: number[] = [];
	let [name, type] = ['', 0];
	while (reader.pos < reader.len) {
		const [field, wire] = reader.tag();
		if (field === 1 && wire === WireType.Varint) {
			dims.push(Number(reader.int64()));
		} else if (field === 1) {
			const packed = new BinaryReader(reader.bytes());
			while (packed.pos < packed.len) {
				dims.push(Number(packed.int64()));
			}
		} else if (field === 2) {
			type = reader.int32();
		} else if (field === 8) {
			name = reader.string();
		} else if (field === 9 || (field === 4 && wire === WireType.LengthDelimited)) {
			const raw = Uint8Array.from(reader.bytes());
			values = type === FLOAT ? Array.from(new Float32Array(raw.buffer, 0, raw.length >> 2)) : [];
		} else if (field === 4) {
			values.push(reader.float());
		} else {
			reader.skip(wire);
		}
	}
	return { name, dims, type, values };
}

function convertTensor(bytes: Uint8Array): Uint8Array {
	const { name, dims, type, values } = readTensor(bytes);
	if (type !== FLOAT) {
		return bytes;
	}
	const half = Uint16Array.from(values, (value) => toHalf(Math.max(-MAX, Math.min(MAX, value)), 'float16'));
	const writer = new BinaryWriter();
	for (const dim of dims) {
		writer.tag(1, WireType.Varint).int64(dim);
	}
	writer.tag(2, WireType.Varint).int32(FLOAT16).tag(8, WireType.LengthDelimited).string(name);
	return writer.tag(9, WireType.LengthDelimited).bytes(new Uint8Array(half.buffer)).finish();
}

const convertValue: Convert = (value) =>
	convertMessage(value, {
		2: (valueType) => convertMessage(valueType, { 1: (tensorType) => convertMessage(tensorType, {}, 1) }),
	});

function stringField(bytes: Uint8Array, wanted: number): string[] {
	const reader = new BinaryReader(bytes);
	const found: string[] = [];
	while (reader.pos < reader.len) {
		const [field, wire] = reader.tag();
		if (field === wanted && wire === WireType.LengthDelimited) {
			found.push(reader.string());
		} else {
			reader.skip(wire);
		}
	}
	return found;
}

/** Attributes of integers that name an element type. */
const TYPE_ATTRIBUTES = new Set(['to', 'dtype']);

/** @param kept names of tensors that stay float32 */
function convertNode(kept: ReadonlySet<string>): Convert {
	return (bytes) => {
		const isKept = stringField(bytes, 2).some((output) => kept.has(output));
		const convertAttribute: Convert = (attribute) =>
			convertMessage(
				attribute,
				isKept ? {} : { 5: convertTensor, 10: convertTensor, 6: convertGraph, 11: convertGraph },
				TYPE_ATTRIBUTES.has(stringField(attribute, 1)[0] ?? '') ? 3 : undefined,
			);
		return convertMessage(bytes, { 5: convertAttribute });
	};
}

/** Scales and region of a Resize are float32 in every model. */
function keptTensors(graph: Uint8Array): Set<string> {
	const reader = new BinaryReader(graph);
	const kept = new Set<string>();
	while (reader.pos < reader.len) {
		const [field, wire] = reader.tag();
		if (field !== 1) {
			reader.skip(wire);
			continue;
		}
		const node = reader.bytes();
		if (['Resize', 'Upsample'].includes(stringField(node, 4)[0] ?? '')) {
			for (const name of stringField(node, 1).slice(1)) {
				kept.add(name);
			}
		}
	}
	return kept;
}

function convertGraph(graph: Uint8Array): Uint8Array {
	const kept = keptTensors(graph);
	const own: Convert = (tensor) => (kept.has(readTensor(tensor).name) ? tensor : convertTensor(tensor));
	return convertMessage(graph, { 1: convertNode(kept), 5: own, 11: convertValue, 12: convertValue, 13: convertValue });
}

/** Returns the model in float16. Tensors must be in the file. */
export function toFloat16(model: Uint8Array): Uint8Array {
	return convertMessage(model, { 7: convertGraph });
}
