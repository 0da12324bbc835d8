import { recordOf } from '../../../core/folding/operators/linear.js';
import { OnnxError } from '../../../core/onnx/errors.js';
import { cellsOf, integerRange } from '../../../core/onnx/graph/quantization.js';
import { Scope } from '../../../core/onnx/graph/scope.js';
import type { DataTypeName, Model, Node, TensorRecord } from '../../../core/onnx/model.js';
import { readRawTensor, readTensor, type TensorAccess } from '../../../core/onnx/tensor/tensor.js';
import { typeName } from '../../../core/onnx/types.js';
import { type Edit, editedBytes, planEdits, replaceMessage } from '../../../core/onnx/write/edit.js';
import { encodeTensor } from '../../../core/onnx/write/encode.js';
import { encodeElements } from '../../../core/onnx/write/encode-elements.js';
import { type Random, seededRandom } from '../tensors/random.js';
import type { UnroundedModel } from './unrounded-model.js';

/**
 * Share of the codes that move up or down by a step. Rounding errs by up to half a step, evenly distributed, with a variance
 * of 1/12 of the squared step. Whole steps at this rate have the same variance, and stay on the grid.
 */
const MOVED = 1 / 12;

/**
 * Returns a quantized model whose constants were rounded by another accident: codes move by a step at random, as far as
 * rounding moves them in the root mean square.
 * @throws {OnnxError} if a constant cannot be read
 */
export async function noisyBytes({ file, codes, quantizers }: UnroundedModel, seed: number): Promise<Uint8Array> {
	const { model, access, source } = file;
	const scope = Scope.ofModel(model);
	const variances = varianceCodes(model, scope);
	const records = new Set([...codes].flatMap((name) => recordOf(scope, name) ?? []));
	const random = seededRandom(seed);
	const edits: Edit[] = [];
	for (const record of records) {
		const raw = await readRawTensor(record, access);
		if (moveCodes(raw.bytes, { type: codeType(record, model), random, onlyUp: variances.has(record) })) {
			edits.push(replaceMessage(record, encodeTensor(record.name, raw)));
		}
	}
	for (const node of quantizers) {
		const edit = await movedWeight(node, { scope, access, random });
		if (!edit) {
			throw new OnnxError('unsupported', `The weight "${node.inputs[0]}" is not quantized to a grid that it fits.`);
		}
		edits.push(edit);
	}
	return editedBytes(await planEdits(source, edits), source);
}

interface WeightContext {
	readonly scope: Scope;
	readonly access: TensorAccess;
	readonly random: Random;
}

/** Moves values of a float weight by whole steps, as codes move. @returns undefined if its steps are not known */
async function movedWeight(node: Node, { scope, access, random }: WeightContext): Promise<Edit | undefined> {
	const [record, scaleRecord] = [0, 1].map((input) => recordOf(scope, node.inputs[input] ?? ''));
	if (!record || !scaleRecord) {
		return undefined;
	}
	const [{ dims, dataType, data }, scale] = [await readTensor(record, access), await readTensor(scaleRecord, access)];
	const cellOf = cellsOf(dims, scale.dims, {
		axis: scope.attribute(node, 'axis')?.i ?? 1,
		blockSize: scope.attribute(node, 'block_size')?.i ?? 0,
	});
	const values = Float64Array.from(data);
	for (let index = 0; cellOf && index < values.length; index++) {
		const chance = random.uniform();
		values[index] += chance < MOVED ? (chance < MOVED / 2 ? 1 : -1) * scale.data[cellOf(index)] : 0;
	}
	const bytes = cellOf && encodeElements(dataType, values);
	return bytes && replaceMessage(record, encodeTensor(record.name, { dataType, dims, bytes }));
}

/** Returns the codes of variances of BatchNormalization, which stay positive. */
function varianceCodes(model: Model, scope: Scope): ReadonlySet<TensorRecord> {
	const records = new Set<TensorRecord>();
	for (const { inputs } of model.graph.nodes.filter(({ opType }) => opType === 'BatchNormalization')) {
		const [codes = ''] = scope.producer(inputs[4] ?? '')?.inputs ?? [];
		const record = recordOf(scope, codes);
		if (record) {
			records.add(record);
		}
	}
	return records;
}

/** MatMulNBits keeps two codes of 4 bits in a byte. */
function codeType({ name, dataType }: TensorRecord, { graph }: Model): DataTypeName {
	const isPacked = graph.nodes.some(({ opType, inputs }) => opType === 'MatMulNBits' && inputs[1] === name);
	return isPacked ? 'uint4' : typeName(dataType);
}

interface Moves {
	readonly type: DataTypeName;
	readonly random: Random;
	/** True if no code may become smaller. */
	readonly onlyUp: boolean;
}

/** Moves codes in place. Codes at the end of their type's range stay. @returns false for types without a range */
function moveCodes(bytes: Uint8Array<ArrayBuffer>, { type, random, onlyUp }: Moves): boolean {
	const range = integerRange(type);
	const codes = range && codesIn(bytes, type);
	if (!range || !codes) {
		return false;
	}
	const [least, most] = range;
	// Distances between moved codes are geometrically distributed.
	const next = () => 1 + Math.floor(Math.log(1 - random.uniform()) / Math.log(1 - MOVED));
	for (let index = next() - 1; index < codes.length; index += next()) {
		const code = codes.at(index) + (onlyUp || random.uniform() < 0.5 ? 1 : -1);
		if (code >= least && code <= most) {
			codes.set(index, code);
		}
	}
	return true;
}

interface Codes {
	readonly length: number;
	at(index: number): number;
	set(index: number, code: number): void;
}

/** Gives access to codes in the layout of raw_data; undefined for floats. */
function codesIn(bytes: Uint8Array<ArrayBuffer>, type: DataTypeName): Codes | undefined {
	const { buffer, byteOffset, byteLength } = bytes;
	switch (type) {
		case 'int8':
			return elementsOf(new Int8Array(buffer, byteOffset, byteLength));
		case 'uint8':
			return elementsOf(bytes);
		case 'int16':
			return elementsOf(new Int16Array(buffer, byteOffset, byteLength / 2));
		case 'uint16':
			return elementsOf(new Uint16Array(buffer, byteOffset, byteLength / 2));
		case 'int32':
			return elementsOf(new Int32Array(buffer, byteOffset, byteLength / 4));
		case 'int4':
		case 'uint4':
			return nibblesOf(bytes, type === 'int4');
		default:
			return undefined;
	}
}

function elementsOf(array: Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array): Codes {
	return {
		length: array.length,
		at: (index) => array[index],
		set: (index, code) => {
			array[index] = code;
		},
	};
}

function nibblesOf(bytes: Uint8Array, isSigned: boolean): Codes {
	return {
		length: 2 * bytes.length,
		at: (index) => {
			const code = (bytes[index >> 1] >> (4 * (index % 2))) & 15;
			return isSigned && code > 7 ? code - 16 : code;
		},
		set: (index, code) => {
			const shift = 4 * (index % 2);
			bytes[index >> 1] = (bytes[index >> 1] & ~(15 << shift)) | ((code & 15) << shift);
		},
	};
}
