import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { ValueInfo } from '../model.js';
import { encodeText } from '../text.js';

/** Field numbers of the model's operator sets, and of their version. */
const [MODEL_OPSET, OPSET_VERSION] = [8, 2];
/** Field numbers from model to the name of an output. */
const MODEL_GRAPH = 7;
const GRAPH_OUTPUT = 12;
const VALUE_NAME = 1;

/**
 * Returns bytes which, appended to a model file, make tensors of the main graph outputs as well: a few bytes per name.
 * protobuf merges split messages, so the model itself is not rewritten. Runtimes infer the types. Subgraphs and
 * functions cannot be reached this way.
 * @param existing outputs that the graph has already: naming one twice would make the model invalid
 */
export function appendGraphOutputs(names: readonly string[], existing: readonly ValueInfo[] = []): Uint8Array {
	const taken = new Set(existing.map(({ name }) => name));
	const added = [...new Set(names)].filter((name) => name !== '' && !taken.has(name));
	const writer = new BinaryWriter();
	if (added.length > 0) {
		writer.tag(MODEL_GRAPH, WireType.LengthDelimited).fork();
		for (const name of added) {
			writer.tag(GRAPH_OUTPUT, WireType.LengthDelimited).fork();
			writer.tag(VALUE_NAME, WireType.LengthDelimited).bytes(encodeText(name)).join();
		}
		writer.join();
	}
	return writer.finish();
}

/**
 * Returns bytes which, appended to a model file, give its nodes another version of ONNX's operators. The file then states two
 * versions, of which runtimes take the last.
 */
export function appendOpset(version: number): Uint8Array {
	const writer = new BinaryWriter();
	writer.tag(MODEL_OPSET, WireType.LengthDelimited).fork().tag(OPSET_VERSION, WireType.Varint).int64(version).join();
	return writer.finish();
}
