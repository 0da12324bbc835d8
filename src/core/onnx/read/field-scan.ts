import { OnnxError } from '../errors.js';
import type { ByteSpan } from '../model.js';
import { LONGEST_VARINT, WIRE, type WireReader } from '../wire.js';

/** The longest a field's tag and length can be. */
export const LONGEST_HEADER = 2 * LONGEST_VARINT;

/** A located field of a message of any type. */
export interface ScannedField {
	readonly number: number;
	/** Span of the tag: a byte for fields below 16, else more. Writers may use more bytes than necessary. */
	readonly tag: ByteSpan;
	/** Without tag and length. */
	readonly payload: ByteSpan;
	/** Offset of the next field. */
	readonly end: number;
	readonly delimited: boolean;
}

/**
 * Locates the field at `position` of a message that ends at `end`. The field's header must be loaded.
 * @throws {OnnxError} `malformed`
 */
export function scanField(wire: WireReader, position: number, end: number): ScannedField {
	wire.varint(position, end);
	const number = Math.floor(wire.unsigned / 8);
	const type = wire.unsigned % 8;
	const tag = { offset: position, length: wire.after - position };
	const payload = scanPayload(wire, { type, at: wire.after, end });
	const next = payload.offset + payload.length;
	if (next > end) {
		throw new OnnxError('malformed', `The field at byte ${position} reaches beyond its message.`, position);
	}
	return { number, tag, payload, end: next, delimited: type === WIRE.bytes };
}

function scanPayload(wire: WireReader, { type, at, end }: { type: number; at: number; end: number }): ByteSpan {
	switch (type) {
		case WIRE.varint:
			wire.varint(at, end);
			return { offset: at, length: wire.after - at };
		case WIRE.fixed64:
			return { offset: at, length: 8 };
		case WIRE.fixed32:
			return { offset: at, length: 4 };
		case WIRE.bytes:
			wire.varint(at, end);
			return { offset: wire.after, length: wire.unsigned };
		default:
			throw new OnnxError('malformed', `The field before byte ${at} has the unknown wire type ${type}.`, at);
	}
}
