import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { OnnxError } from '../errors.js';
import type { ExternalRange } from '../model.js';
import { scanField } from '../read/field-scan.js';
import { decodeText, encodeText } from '../text.js';
import { WireReader } from '../wire.js';

/** Returns the new place of a range; undefined keeps the old. */
export type Relocate = (range: ExternalRange) => Pick<ExternalRange, 'location' | 'offset'> | undefined;

/** Messages inside a message that hold tensors, by field number. */
type TensorsOf = () => Readonly<Record<number, TensorsOf>>;

const NODE: TensorsOf = () => ({ 5: ATTRIBUTE });
const ATTRIBUTE: TensorsOf = () => ({ 5: TENSOR, 6: GRAPH, 10: TENSOR, 11: GRAPH });
const GRAPH: TensorsOf = () => ({ 1: NODE, 5: TENSOR });
const TENSOR: TensorsOf = () => ({});

/** Field numbers of TensorProto and of its StringStringEntryProto. */
const EXTERNAL_DATA = 13;
const KEY = 1;
const VALUE = 2;

/**
 * Returns a NodeProto or a TensorProto with other places for the external data of its tensors. Every other byte stays.
 * @param message without tag and length
 * @throws {OnnxError} `malformed`
 */
export function relocateTensors(message: Uint8Array, kind: 'node' | 'tensor', relocate: Relocate): Uint8Array {
	const wire = new WireReader(
		{ bytes: message, start: 0 },
		(what) => new OnnxError('malformed', `In a ${kind}, ${what}.`),
	);
	const rewritten = (start: number, end: number, inside: TensorsOf): Uint8Array => {
		const writer = new BinaryWriter();
		const entries = new Map<string, string>();
		const messages = inside();
		for (let position = start; position < end; ) {
			const field = scanField(wire, position, end);
			const { offset, length } = field.payload;
			const child = field.delimited ? messages[field.number] : undefined;
			if (child !== undefined) {
				writer.tag(field.number, WireType.LengthDelimited).bytes(rewritten(offset, offset + length, child));
			} else if (inside === TENSOR && field.number === EXTERNAL_DATA && field.delimited) {
				const [key, value] = entryOf(offset, offset + length);
				entries.set(key, value);
			} else {
				writer.raw(message.subarray(position, field.end));
			}
			position = field.end;
		}
		writeEntries(writer, moved(entries, relocate));
		return writer.finish();
	};
	const entryOf = (start: number, end: number): readonly [string, string] => {
		const texts = ['', ''];
		for (let position = start; position < end; ) {
			const { number, payload, delimited, end: next } = scanField(wire, position, end);
			if (delimited && (number === KEY || number === VALUE)) {
				texts[number - KEY] = decodeText(message, payload.offset, payload.offset + payload.length);
			}
			position = next;
		}
		return [texts[0], texts[1]];
	};
	return rewritten(0, message.length, kind === 'node' ? NODE : TENSOR);
}

function moved(entries: ReadonlyMap<string, string>, relocate: Relocate): ReadonlyMap<string, string> {
	const [location, offset, length] = ['location', 'offset', 'length'].map((key) => entries.get(key));
	if (location === undefined) {
		return entries;
	}
	const place = relocate({
		location,
		offset: Number(offset ?? 0),
		length: length === undefined ? undefined : Number(length),
	});
	return place ? new Map([...entries, ['location', place.location], ['offset', String(place.offset)]]) : entries;
}

function writeEntries(writer: BinaryWriter, entries: ReadonlyMap<string, string>): void {
	for (const [key, value] of entries) {
		writer.tag(EXTERNAL_DATA, WireType.LengthDelimited).fork();
		writer.tag(KEY, WireType.LengthDelimited).bytes(encodeText(key));
		writer.tag(VALUE, WireType.LengthDelimited).bytes(encodeText(value));
		writer.join();
	}
}
