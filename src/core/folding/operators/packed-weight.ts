import { OnnxError } from '../../onnx/errors.js';
import type { Scope } from '../../onnx/graph/scope.js';
import type { Node, Tensor } from '../../onnx/model.js';
import { typeName } from '../../onnx/types.js';

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
interface PackedTensors {
	readonly codes: Tensor;
	readonly scales: Tensor;
	readonly zeroPoints: Tensor | undefined;
}

/**
 * Returns the weight in row-major order, and the largest step of each row, shape (rows).
 * @throws {OnnxError} `bad-tensor` where a constant has another size than the attributes say
 */
export function unpack(
	{ rows, columns, bits, blockSize }: PackedWeight,
	{ codes, scales, zeroPoints }: PackedTensors,
): { readonly weight: Float32Array; readonly steps: Float64Array } {
	const blocks = Math.ceil(columns / blockSize);
	const perByte = 8 / bits;
	const blobSize = Math.ceil(blockSize / perByte);
	const isPackedZero = zeroPoints !== undefined && typeName(zeroPoints.dataType) === 'uint8';
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
	const codeAt = ({ data }: Tensor, start: number, index: number) =>
		(data[start + Math.floor(index / perByte)] >> (bits * (index % perByte))) & (2 ** bits - 1);
	const weight = new Float32Array(rows * columns);
	const steps = new Float64Array(rows);
	for (let row = 0; row < rows; row++) {
		for (let block = 0; block < blocks; block++) {
			const cell = row * blocks + block;
			const scale = scales.data[cell];
			const zero = !zeroPoints
				? 2 ** (bits - 1)
				: isPackedZero
					? codeAt(zeroPoints, row * zeroRow, block)
					: zeroPoints.data[cell];
			steps[row] = Math.max(steps[row], Math.abs(scale));
			const first = block * blockSize;
			for (let column = first; column < Math.min(first + blockSize, columns); column++) {
				weight[row * columns + column] = (codeAt(codes, cell * blobSize, column - first) - zero) * scale;
			}
		}
	}
	return { weight, steps };
}
