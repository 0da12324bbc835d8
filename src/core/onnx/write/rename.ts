import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { OnnxError } from '../errors.js';
import { scanField } from '../read/field-scan.js';
import { decodeText, encodeText } from '../text.js';
import { WireReader } from '../wire.js';

/** Fields and messages that hold names of tensors. */
type NamesOf = () => Readonly<Record<number, 'name' | NamesOf>>;

const NODE: NamesOf = () => ({ 1: 'name', 2: 'name', 5: ATTRIBUTE });
const ATTRIBUTE: NamesOf = () => ({ 6: GRAPH, 11: GRAPH });
const GRAPH: NamesOf = () => ({ 1: NODE, 5: TENSOR, 11: VALUE, 12: VALUE, 13: VALUE, 15: SPARSE });
const TENSOR: NamesOf = () => ({ 8: 'name' });
const VALUE: NamesOf = () => ({ 1: 'name' });
const SPARSE: NamesOf = () => ({ 1: TENSOR });

/**
 * Returns a NodeProto with renamed tensors, including tensors in its bodies. Every other byte stays.
 * @param message the node's message, without tag and length
 * @throws {OnnxError} `malformed`
 */
export function renameTensors(message: Uint8Array, rename: (name: string) => string): Uint8Array {
	const wire = new WireReader(
		{ bytes: message, start: 0 },
		(what) => new OnnxError('malformed', `In a node, ${what}.`),
	);
	const renamed = (start: number, end: number, names: NamesOf): Uint8Array => {
		const writer = new BinaryWriter();
		const fields = names();
		for (let position = start; position < end; ) {
			const field = scanField(wire, position, end);
			const kind = field.delimited ? fields[field.number] : undefined;
			const { offset, length } = field.payload;
			if (kind === undefined) {
				writer.raw(message.subarray(position, field.end));
			} else {
				const content =
					kind === 'name'
						? encodeText(rename(decodeText(message, offset, offset + length)))
						: renamed(offset, offset + length, kind);
				writer.tag(field.number, WireType.LengthDelimited).bytes(content);
			}
			position = field.end;
		}
		return writer.finish();
	};
	return renamed(0, message.length, NODE);
}
