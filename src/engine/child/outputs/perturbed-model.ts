import { linearOperator, recordOf } from '../../../core/folding/operators/linear.js';
import { toHalf, widen } from '../../../core/numbers/small-floats.js';
import { nodesInOrder } from '../../../core/onnx/graph/traverse.js';
import type { ByteSpan, Model, TensorRecord } from '../../../core/onnx/model.js';
import { typeName } from '../../../core/onnx/types.js';
import { readWithTail } from '../model/model-bytes.js';
import type { OpenedModel } from '../model/opened-model.js';
import { seededRandom } from '../tensors/random.js';

/**
 * Returns a model's bytes with every constant of its linear operators and BatchNormalization layers changed at random,
 * by at most `amount`, relative. A fold rounds these constants once more, so such models show how far that moves the
 * outputs. Constants in other files stay as they are.
 * @throws {OnnxError} `io`
 */
export async function perturbedBytes(
	{ model, source }: OpenedModel,
	amount: number,
	seed: number,
): Promise<Uint8Array> {
	const bytes = await readWithTail(source);
	const random = seededRandom(seed);
	const factor = () => 1 + amount * (2 * random.uniform() - 1);
	for (const { dataType, storage } of foldedConstants(model)) {
		const type = typeName(dataType);
		for (const span of contiguousSpans(storage)) {
			if (type === 'float32') {
				const view = new DataView(bytes.buffer, bytes.byteOffset + span.offset, span.length);
				for (let at = 0; at + 4 <= span.length; at += 4) {
					view.setFloat32(at, view.getFloat32(at, true) * factor(), true);
				}
			} else if (type === 'float16' && storage.kind === 'raw') {
				const elements = new Uint16Array(bytes.slice(span.offset, span.offset + span.length).buffer);
				const values = widen(elements, type, { start: 0, stride: 1, length: elements.length });
				const view = new DataView(bytes.buffer, bytes.byteOffset + span.offset, span.length);
				values.forEach((value, index) => {
					view.setUint16(2 * index, toHalf(value * factor(), type), true);
				});
			}
		}
	}
	return bytes;
}

/** Lists the stored constants that a fold combines: inputs behind the first of each operator and layer. */
function foldedConstants(model: Model): ReadonlySet<TensorRecord> {
	const records = new Set<TensorRecord>();
	for (const place of nodesInOrder(model)) {
		const { node, scope } = place;
		const isFolded = node.domain === '' && (node.opType === 'BatchNormalization' || linearOperator(place, 0));
		for (const name of isFolded ? node.inputs.slice(1) : []) {
			const record = recordOf(scope, name);
			if (record) {
				records.add(record);
			}
		}
	}
	return records;
}

/** Returns the spans of the file that hold only elements. */
function contiguousSpans(storage: TensorRecord['storage']): readonly ByteSpan[] {
	if (storage.kind === 'raw') {
		return [storage.span];
	}
	return storage.kind === 'typed' ? storage.chunks.filter(({ packed }) => packed).map(({ span }) => span) : [];
}
