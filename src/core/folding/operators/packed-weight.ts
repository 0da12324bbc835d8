import { mapInto } from '../../numbers/arrays.js';
import { OnnxError } from '../../onnx/errors.js';
import type { Scope } from '../../onnx/graph/scope.js';
import type { Node, Tensor } from '../../onnx/model.js';
import { typeName } from '../../onnx/types.js';
import { withClipping } from './quantization-grid.js';

/**
 * Weight of the runtime's MatMulNBits: codes of a few bits in bytes, the lowest bits first, with a scale for each block of a
 * row. Shape of the unpacked weight: (rows, columns), a row per output channel.
 */
export interface PackedWeight {
	readonly rows: number;
	readonly columns: number;
	readonly bits: number;
	/** Number of codes that share a scale. */
	readonly blockSize: number;
	readonly scale: string;
	/** '': the middle of the range. */
	readonly zeroPoint: string;
}

/** Widths that divide a byte. */
const WIDTHS: readonly number[] = [2, 4, 8];

/** Reads the attributes of a MatMulNBits; undefined if they are missing, or columns are reordered (g_idx). */
export function packedWeight(scope: Scope, node: Node): PackedWeight | undefined {
	const attribute = (name: string) => scope.attribute(node, name)?.i ?? 0;
	const [, , scale = '', zeroPoint = '', order = ''] = node.inputs;
	const packed = { rows: attribute('N'), columns: attribute('K'), blockSize: attribute('block_size') };
	const bits = scope.attribute(node, 'bits')?.i ?? 4;
	const isValid = Object.values(packed).every((value) => Number.isSafeInteger(value) && value > 0);
	return isValid && WIDTHS.includes(bits) && scale !== '' && order === ''
		? { ...packed, bits, scale, zeroPoint }
		: undefined;
}

/** Constants of a MatMulNBits as the file holds them. */
export interface PackedTensors {
	readonly codes: Tensor;
	readonly scales: Tensor;
	readonly zeroPoints: Tensor | undefined;
}

/** A packed weight in the terms of its grid: value = (code - zero) * scale, with a scale and a zero point for each cell. */
export interface PackedGrid {
	/** Shape (rows, columns). */
	readonly codes: Float64Array;
	/** Zero point of each cell, shape (cells). A cell is a block of a row. */
	readonly zero: Float64Array;
	/** Returns the cell of an element. */
	readonly cellOf: (index: number) => number;
}

/** Positions of the codes of a packed weight, in bytes. */
function places({ columns, bits, blockSize }: PackedWeight) {
	const blocks = Math.ceil(columns / blockSize);
	const perByte = 8 / bits;
	const blobSize = Math.ceil(blockSize / perByte);
	const cellOf = (index: number) => Math.floor(index / columns) * blocks + Math.floor((index % columns) / blockSize);
	/** Position of an element's code: its byte, and its lowest bit. */
	const placeOf = (index: number) => {
		const inBlock = (index % columns) % blockSize;
		const byte = cellOf(index) * blobSize + Math.floor(inBlock / perByte);
		return { byte, bit: bits * (inBlock % perByte) };
	};
	return { blocks, perByte, blobSize, cellOf, placeOf };
}

/**
 * Returns codes and zero points of a packed weight.
 * @throws {OnnxError} `bad-tensor` where a constant has another size than the attributes say
 */
export function packedGrid(packed: PackedWeight, { codes, scales, zeroPoints }: PackedTensors): PackedGrid {
	const { rows, columns, bits, blockSize } = packed;
	const { blocks, perByte, blobSize, cellOf, placeOf } = places(packed);
	const isPackedZero = zeroPoints !== undefined && isPacked(zeroPoints);
	const zeroRow = isPackedZero ? Math.ceil(blocks / perByte) : blocks;
	const isFitting =
		codes.data.length === rows * blocks * blobSize &&
		scales.data.length === rows * blocks &&
		(!zeroPoints || zeroPoints.data.length === rows * zeroRow);
	if (!isFitting) {
		throw new OnnxError(
			'bad-tensor',
			`A MatMulNBits of ${rows} x ${columns} weights in blocks of ${blockSize} has constants of other sizes.`,
		);
	}
	const mask = 2 ** bits - 1;
	const zero = mapInto(new Float64Array(scales.data.length), scales.data, (_, cell) => {
		if (!zeroPoints) {
			return 2 ** (bits - 1);
		}
		const [row, block] = [Math.floor(cell / blocks), cell % blocks];
		return isPackedZero
			? (zeroPoints.data[row * zeroRow + Math.floor(block / perByte)] >> (bits * (block % perByte))) & mask
			: zeroPoints.data[cell];
	});
	const unpacked = new Float64Array(rows * columns);
	for (let index = 0; index < unpacked.length; index++) {
		const { byte, bit } = placeOf(index);
		unpacked[index] = (codes.data[byte] >> bit) & mask;
	}
	return { codes: unpacked, zero, cellOf };
}

/** True for zero points as codes in bytes; they may also be numbers of the type of the scales. */
const isPacked = ({ dataType }: Tensor): boolean => typeName(dataType) === 'uint8';

/**
 * Returns the weight in row-major order, and the largest step of each row, shape (rows).
 * @throws {OnnxError} as {@link packedGrid}
 */
export function unpack(
	packed: PackedWeight,
	tensors: PackedTensors,
): { readonly weight: Float32Array; readonly steps: Float64Array } {
	const { codes, zero, cellOf } = packedGrid(packed, tensors);
	const { data: scales } = tensors.scales;
	const { blocks } = places(packed);
	const range = [0, 2 ** packed.bits - 1] as const;
	const stated = Float64Array.from(scales, Math.abs);
	const ofCells = tensors.zeroPoints ? stated : withClipping(stated, { data: codes, range }, cellOf);
	const steps = new Float64Array(packed.rows);
	for (const [cell, step] of ofCells.entries()) {
		const row = Math.floor(cell / blocks);
		steps[row] = Math.max(steps[row], step);
	}
	const weight = mapInto(new Float32Array(codes.length), codes, (code, index) => {
		const cell = cellOf(index);
		return (code - zero[cell]) * scales[cell];
	});
	return { weight, steps };
}

/** Returns the bytes of a packed weight with other codes, shape (rows, columns). Bits that fill a block stay. */
export function repack(packed: PackedWeight, bytes: ArrayLike<number>, codes: ArrayLike<number>): Float64Array {
	const { placeOf } = places(packed);
	const mask = 2 ** packed.bits - 1;
	const result = Float64Array.from(bytes);
	for (let index = 0; index < codes.length; index++) {
		const { byte, bit } = placeOf(index);
		result[byte] = (result[byte] & ~(mask << bit)) | (codes[index] << bit);
	}
	return result;
}

/** Returns the data of the zero points with other values, shape (cells). Bits that fill a row stay. */
export function repackZeroPoints(packed: PackedWeight, zeroPoints: Tensor, zero: Float64Array): Float64Array {
	if (!isPacked(zeroPoints)) {
		return zero;
	}
	const { bits } = packed;
	const { blocks, perByte } = places(packed);
	const mask = 2 ** bits - 1;
	const result = Float64Array.from(zeroPoints.data);
	for (const [cell, value] of zero.entries()) {
		const [row, block] = [Math.floor(cell / blocks), cell % blocks];
		const byte = row * Math.ceil(blocks / perByte) + Math.floor(block / perByte);
		const bit = bits * (block % perByte);
		result[byte] = (result[byte] & ~(mask << bit)) | (value << bit);
	}
	return result;
}
