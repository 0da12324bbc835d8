import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { encodeText } from '../text.js';
import type { MessageBytes } from './encode.js';

/** A small model made of messages that exist already. */
export interface ModelParts {
	readonly irVersion: number;
	/** Versions of the operator sets, by domain. */
	readonly opsets: ReadonlyMap<string, number>;
	/** NodeProto messages, in an order in which they can run. */
	readonly nodes: readonly Uint8Array[];
	/** TensorProto messages. */
	readonly initializers: readonly Uint8Array[];
	/** ValueInfoProto messages. */
	readonly inputs: readonly MessageBytes[];
	/** Names of the outputs; the runtime infers their types. */
	readonly outputs: readonly string[];
}

/** Returns the bytes of a ModelProto. */
export function encodeModel({ irVersion, opsets, nodes, initializers, inputs, outputs }: ModelParts): Uint8Array {
	const writer = new BinaryWriter();
	writer.tag(1, WireType.Varint).int64(irVersion);
	for (const [domain, version] of opsets) {
		writer.tag(8, WireType.LengthDelimited).fork();
		writer.tag(1, WireType.LengthDelimited).bytes(encodeText(domain));
		writer.tag(2, WireType.Varint).int64(version).join();
	}
	writer.tag(7, WireType.LengthDelimited).fork();
	for (const node of nodes) {
		writer.tag(1, WireType.LengthDelimited).bytes(node);
	}
	writer.tag(2, WireType.LengthDelimited).bytes(encodeText('part'));
	for (const tensor of initializers) {
		writer.tag(5, WireType.LengthDelimited).bytes(tensor);
	}
	for (const input of inputs) {
		writer.tag(11, WireType.LengthDelimited).fork();
		for (const piece of input) {
			writer.raw(piece);
		}
		writer.join();
	}
	for (const name of outputs) {
		writer.tag(12, WireType.LengthDelimited).fork();
		writer.tag(1, WireType.LengthDelimited).bytes(encodeText(name)).join();
	}
	return writer.join().finish();
}
