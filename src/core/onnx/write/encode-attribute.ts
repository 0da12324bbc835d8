import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Attribute } from '../model.js';
import { encodeText } from '../text.js';

/** AttributeProto.AttributeType */
const TYPES = { f: 1, i: 2, s: 3, t: 4, floats: 6, ints: 7, strings: 8 } as const;

/**
 * Returns an AttributeProto with a new name and a copied value.
 * @param tensor the TensorProto message of a tensor attribute
 * @returns undefined for what is not kept whole: graphs, lists of tensors, integers beyond 2^53, values left in the file
 */
export function encodeAttribute(name: string, value: Attribute, tensor?: Uint8Array): Uint8Array | undefined {
	const writer = new BinaryWriter();
	const bytes = (field: number, content: Uint8Array) => writer.tag(field, WireType.LengthDelimited).bytes(content);
	bytes(1, encodeText(name));
	const type = writeValue(writer, value, tensor);
	if (type === undefined) {
		return undefined;
	}
	return writer.tag(20, WireType.Varint).int32(type).finish();
}

/** @returns the attribute's type */
function writeValue(writer: BinaryWriter, value: Attribute, tensor: Uint8Array | undefined): number | undefined {
	const { f, i, s, floats, ints, strings } = value;
	if (f !== undefined) {
		writer.tag(2, WireType.Bit32).float(f);
		return TYPES.f;
	}
	if (i !== undefined && Number.isSafeInteger(i)) {
		writer.tag(3, WireType.Varint).int64(i);
		return TYPES.i;
	}
	if (s !== undefined) {
		writer.tag(4, WireType.LengthDelimited).bytes(s);
		return TYPES.s;
	}
	if (value.t !== undefined && tensor) {
		writer.tag(5, WireType.LengthDelimited).bytes(tensor);
		return TYPES.t;
	}
	if (floats !== undefined) {
		for (const each of floats) {
			writer.tag(7, WireType.Bit32).float(each);
		}
		return TYPES.floats;
	}
	if (ints?.every(Number.isSafeInteger)) {
		for (const each of ints) {
			writer.tag(8, WireType.Varint).int64(each);
		}
		return TYPES.ints;
	}
	for (const each of strings ?? []) {
		writer.tag(9, WireType.LengthDelimited).bytes(each);
	}
	return strings && TYPES.strings;
}
