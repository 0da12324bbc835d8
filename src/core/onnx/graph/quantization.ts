import { mapInto, product } from '../../numbers/arrays.js';
import { OnnxError } from '../errors.js';
import type { DataTypeCode, DataTypeName, Node, Tensor } from '../model.js';
import { typeCode, typeName } from '../types.js';
import { type Allocate, newElements, roundingOf } from './constant-tensors.js';

/** Smallest and largest value of each integer type that quantizers store. */
const RANGES: Partial<Record<DataTypeName, readonly [number, number]>> = {
	int2: [-2, 1],
	uint2: [0, 3],
	int4: [-8, 7],
	uint4: [0, 15],
	int8: [-128, 127],
	uint8: [0, 255],
	int16: [-32768, 32767],
	uint16: [0, 65535],
	int32: [-(2 ** 31), 2 ** 31 - 1],
};

/** Returns the range of an integer type; undefined for types that no constant is quantized to. */
export function integerRange(dtype: DataTypeName): readonly [number, number] | undefined {
	return RANGES[dtype];
}

/**
 * True for an operator of ONNX, and for the runtime's own QuantizeLinear and DequantizeLinear, which take 16 and 4 bits in
 * older opsets.
 */
export function isStandard({ domain, opType }: Pick<Node, 'domain' | 'opType'>): boolean {
	return (
		domain === '' || (domain === 'com.microsoft' && (opType === 'QuantizeLinear' || opType === 'DequantizeLinear'))
	);
}

/** Attributes that say which elements share a scale. */
export interface ScaleLayout {
	readonly axis: number;
	/** 0 without blocks. */
	readonly blockSize: number;
}

/**
 * Returns the cell of each element of a tensor, as DequantizeLinear defines it. The whole tensor, each index of an
 * axis, or each block along the axis is a cell. Undefined if the scales do not fit the tensor.
 * @param scaleDims shape of the scales
 */
export function cellsOf(
	dims: readonly number[],
	scaleDims: readonly number[],
	{ axis, blockSize }: ScaleLayout,
): ((index: number) => number) | undefined {
	const cells = product(scaleDims);
	if (cells === 1) {
		return () => 0;
	}
	const at = axis < 0 ? axis + dims.length : axis;
	const size = dims[at] ?? 0;
	const inner = product(dims.slice(at + 1));
	if (blockSize > 0) {
		const blocks = Math.ceil(size / blockSize);
		const isFitting = scaleDims.length === dims.length && cells === (product(dims) / size) * blocks;
		return isFitting
			? (index) => {
					const outer = Math.floor(index / (inner * size));
					const position = Math.floor(index / inner) % size;
					return (outer * blocks + Math.floor(position / blockSize)) * inner + (index % inner);
				}
			: undefined;
	}
	return cells === size ? (index) => Math.floor(index / inner) % size : undefined;
}

/** Inputs of DequantizeLinear or QuantizeLinear. */
interface Quantized extends ScaleLayout {
	readonly x: Tensor;
	readonly scale: Tensor;
	readonly zeroPoint: Tensor | undefined;
}

/** Returns (x - zero point) * scale. @throws {OnnxError} `bad-tensor` where scale or zero point do not fit */
export function dequantized({ x, scale, zeroPoint, ...layout }: Quantized, allocate: Allocate = newElements): Tensor {
	const round = roundingOf(scale.dataType);
	const cellOf = fittingCells('DequantizeLinear', { x, scale, zeroPoint, ...layout });
	const zeros = zeroPoint && zeroPoint.data.length > 1 ? zeroPoint.data : undefined;
	const zero = zeroPoint?.data[0] ?? 0;
	const values = allocate(scale.dataType, x.data.length);
	for (let index = 0; index < values.length; index++) {
		const cell = cellOf(index);
		values[index] = round(round(x.data[index] - (zeros?.[cell] ?? zero)) * scale.data[cell]);
	}
	return { dataType: scale.dataType, dims: x.dims, data: values };
}

/**
 * Returns x / scale + zero point, rounded to even and clipped to the type of the zero point.
 * @param outputType type without a zero point; 0: uint8
 * @throws {OnnxError} `bad-tensor` where scale or zero point do not fit, `unsupported` for other types than integers
 */
export function quantizedLinear(
	{ x, scale, zeroPoint, ...layout }: Quantized,
	outputType: DataTypeCode,
	allocate: Allocate = newElements,
): Tensor {
	const dataType = zeroPoint?.dataType ?? (outputType || typeCode('uint8'));
	const range = integerRange(typeName(dataType));
	if (!range) {
		throw new OnnxError('unsupported', `A QuantizeLinear to ${typeName(dataType)} is not evaluated.`);
	}
	const round = roundingOf(scale.dataType);
	const cellOf = fittingCells('QuantizeLinear', { x, scale, zeroPoint, ...layout });
	const zeros = zeroPoint && zeroPoint.data.length > 1 ? zeroPoint.data : undefined;
	const zero = zeroPoint?.data[0] ?? 0;
	const data = mapInto(allocate(dataType, x.data.length), x.data, (value, index) => {
		const cell = cellOf(index);
		const steps = roundEven(round(value / scale.data[cell])) + (zeros?.[cell] ?? zero);
		return Math.min(Math.max(steps, range[0]), range[1]);
	});
	return { dataType, dims: x.dims, data };
}

function fittingCells(name: string, { x, scale, zeroPoint, ...layout }: Quantized): (index: number) => number {
	const cellOf = cellsOf(x.dims, scale.dims, layout);
	const isFitting = !zeroPoint || zeroPoint.data.length === 1 || zeroPoint.data.length === scale.data.length;
	const isKnownRank = layout.blockSize > 0 || scale.data.length === 1 || scale.dims.length === 1;
	if (!cellOf || !isFitting || !isKnownRank) {
		const shapes = `[${scale.dims.join(', ')}] along axis ${layout.axis} of [${x.dims.join(', ')}]`;
		throw new OnnxError('bad-tensor', `A ${name} has a scale or zero point of shape ${shapes}.`);
	}
	return cellOf;
}

/** Rounds to the nearest integer, ties to even. */
export function roundEven(value: number): number {
	const rounded = Math.round(value);
	return Math.abs(value - Math.trunc(value)) === 0.5 ? 2 * Math.round(value / 2) : rounded;
}
