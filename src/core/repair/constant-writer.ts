import { type LinearOperator, recordOf } from '../folding/operators/linear.js';
import { type PackedWeight, packedGrid, repack, repackZeroPoints } from '../folding/operators/packed-weight.js';
import type { GraphEditor, TensorValues } from '../folding/rewrite/graph-editor.js';
import { product } from '../numbers/arrays.js';
import { type FloatType, isFloatType } from '../numbers/float-formats.js';
import { stridesOf } from '../onnx/graph/constant-tensors.js';
import { ConstantResolver } from '../onnx/graph/constants.js';
import { cellsOf, integerRange } from '../onnx/graph/quantization.js';
import type { NodeInput, Scope } from '../onnx/graph/scope.js';
import { isInFunction, supplyOf } from '../onnx/graph/supply.js';
import type { DataTypeName, Node, Tensor } from '../onnx/model.js';
import { readTensor, type TensorAccess } from '../onnx/tensor/tensor.js';
import { typeName } from '../onnx/types.js';
import { failure, type Result, success } from '../result.js';
import { type Grid, type RequantizeOptions, requantize } from './quantization-grid.js';

/** An input of a node. */
export interface InputPlace {
	readonly node: Node;
	readonly input: number;
}

/** Values for a constant, row-major. */
export interface WantedValues {
	readonly dims: readonly number[];
	readonly values: Float64Array;
	/** Type of the written constant, unless the constant is quantized. */
	readonly dtype: FloatType;
}

/** A quantized constant: the inputs that read its integers, its scale and its zero point. */
interface QuantizedPlace {
	readonly scope: Scope;
	readonly data: InputPlace;
	readonly scale: InputPlace;
	readonly zeroPoint: InputPlace | undefined;
	readonly axis: number;
	readonly blockSize: number;
}

/** Outcome of writing a constant. */
export interface WrittenConstant {
	/** New scale of each cell divided by its old scale, shape (cells); absent for a constant in float. */
	readonly factors?: Float64Array;
	/** Number of cells with a new scale. */
	readonly rescaled: number;
}

/** Maximum number of nodes between an operator and the tensor behind its constant. */
const MAX_STEPS = 32;

/** Type of the codes of a packed weight, by their bits. */
const CODE_TYPES: Readonly<Partial<Record<number, DataTypeName>>> = { 2: 'uint2', 4: 'uint4', 8: 'uint8' };

const AS_STATED: RequantizeOptions = { hasZeroPoints: true };

/** Writes values into constants in the form that the model has them in: float, or quantized on a grid of its own. */
export class ConstantWriter {
	readonly #editor: GraphEditor;
	readonly #access: TensorAccess;

	constructor(editor: GraphEditor, access: TensorAccess) {
		this.#editor = editor;
		this.#access = access;
	}

	/** Writes the weight of an operator. The failure's reason is a clause. */
	writeWeight(
		operator: LinearOperator,
		wanted: WantedValues,
		options: RequantizeOptions = AS_STATED,
	): Promise<Result<WrittenConstant>> {
		const { scope, node, weight, quantization, kind, transB } = operator;
		const place = { node, input: node.inputs.indexOf(weight) };
		if (operator.packed) {
			return this.#repack(operator, operator.packed, wanted.values);
		}
		if (!quantization) {
			return this.write(scope, place, wanted, options);
		}
		const scale = readerOf(scope, quantization.scale, node);
		const zeroPoint = quantization.zeroPoint === '' ? undefined : readerOf(scope, quantization.zeroPoint, node);
		const axis = kind === 'MatMul' || (kind === 'Gemm' && !transB) ? -1 : 0;
		return scale
			? this.#requantize({ scope, data: place, scale, zeroPoint, axis, blockSize: 0 }, wanted, options)
			: Promise.resolve(failure('its scale is in a form that is not rewritten'));
	}

	/**
	 * Writes values behind an input of a node: in place where the file has them, through nodes in between that only move
	 * or convert elements. Another expression is replaced by a constant.
	 */
	async write(
		scope: Scope,
		place: InputPlace,
		wanted: WantedValues,
		options: RequantizeOptions = AS_STATED,
	): Promise<Result<WrittenConstant>> {
		let at: NodeInput = { scope, ...place };
		let { dims, values } = wanted;
		for (let step = 0; step < MAX_STEPS; step++) {
			const name = this.#nameOf(at);
			const before = at.scope.producer(name);
			const supply = before || !isInFunction(at) ? undefined : supplyOf(at);
			if (supply) {
				at = supply;
				continue;
			}
			const isOwn = at.scope.consumers(name).length === 1 && !at.scope.isOutput(name);
			if (before?.opType === 'DequantizeLinear') {
				return isOwn
					? this.#requantize(dequantizeLinear(at.scope, before), { ...wanted, dims, values }, options)
					: failure(`its constant "${name}" is quantized, and other nodes read it, too`);
			}
			const order = before?.opType === 'Transpose' ? permutationOf(at.scope, before, dims.length) : undefined;
			if (!before || !isOwn || before.domain !== '' || !(order || PASSING.has(before.opType))) {
				break;
			}
			if (order) {
				({ dims, values } = transposedBack({ dims, values }, order));
			}
			at = { scope: at.scope, node: before, input: 0 };
		}
		const record = recordOf(at.scope, this.#nameOf(at));
		const stored = record ? typeName(record.dataType) : wanted.dtype;
		const shape = record && product(record.dims) === values.length ? record.dims : dims;
		const dtype = isFloatType(stored) ? stored : wanted.dtype;
		return this.#set([[at, { dims: shape, dtype, values }]]) ? success({ rescaled: 0 }) : failure(IN_FUNCTION);
	}

	#nameOf({ node, input }: InputPlace): string {
		return this.#editor.inputsOf(node)[input] ?? '';
	}

	/** Writes tensors where their inputs come from. @returns false, with no tensor written, for one of a function's own */
	#set(tensors: readonly (readonly [NodeInput, TensorValues])[]): boolean {
		const supplies = tensors.map(([place]) => supplyOf(place));
		if (supplies.includes(undefined)) {
			return false;
		}
		for (const [index, supply] of supplies.entries()) {
			if (supply) {
				this.#editor.setInput(supply.scope, supply.node, supply.input, tensors[index][1]);
			}
		}
		return true;
	}

	async #requantize(
		place: QuantizedPlace,
		wanted: WantedValues,
		options: RequantizeOptions,
	): Promise<Result<WrittenConstant>> {
		const { scope } = place;
		const read = await this.#readGrid(place, wanted.values.length);
		if (!read) {
			return failure('its quantized constant, scale or zero point is in a form that is not rewritten');
		}
		const { grid, data, scale, zero } = read;
		const hasZeroPoints =
			options.hasZeroPoints && grid.dtype.startsWith('u') && zero?.data.length === scale.data.length;
		// The scale of an int32 bias follows from input and weight.
		const isCoupled = options.factors !== undefined && grid.dtype === 'int32';
		const factors = isCoupled ? factorsOf(options.factors, scale.data.length) : undefined;
		const result = requantize(data.data, wanted.values, grid, { ...options, hasZeroPoints, factors });
		if (!result.scale.every(Number.isFinite)) {
			return failure('its zero points leave no room for values of both signs');
		}
		const tensors: (readonly [NodeInput, TensorValues])[] = [];
		const set = (at: InputPlace, dims: readonly number[], dtype: DataTypeName, values: Float64Array) =>
			tensors.push([
				{ scope, ...at },
				{ dims, dtype, values },
			]);
		if (result.changed.length > 0) {
			for (const at of this.#scalesOf(place)) {
				set(at, scale.dims, grid.scaleType, result.scale);
			}
		}
		if (zero && place.zeroPoint && result.zero.some((value, cell) => value !== grid.zero[cell])) {
			set(place.zeroPoint, zero.dims, grid.dtype, result.zero);
		}
		const quantizer = this.#quantizer(place);
		if (!quantizer) {
			set(place.data, data.dims, grid.dtype, result.integers);
		}
		if (!this.#set(tensors)) {
			return failure(IN_FUNCTION);
		}
		if (quantizer) {
			return this.write(scope, { node: quantizer, input: 0 }, wanted);
		}
		const ratio = result.scale.map((value, cell) => value / grid.scale[cell]);
		return success({ factors: ratio, rescaled: result.changed.length });
	}

	/** Writes a weight with several values in a byte. */
	async #repack({ scope, node, weight }: LinearOperator, packed: PackedWeight, values: Float64Array) {
		const dtype = CODE_TYPES[packed.bits];
		const codes = await this.#read(scope, weight);
		const scales = await this.#read(scope, packed.scale);
		const zeroPoints = await this.#read(scope, packed.zeroPoint);
		if (!codes || !scales || !dtype) {
			return failure('its packed weight or its scale is in a form that is not rewritten');
		}
		const scaleType = typeName(scales.dataType);
		if (!isFloatType(scaleType)) {
			return failure(`its scale is of type ${scaleType}`);
		}
		const found = packedGrid(packed, { codes, scales, zeroPoints });
		const grid = { ...found, dtype, scaleType, scale: Float64Array.from(scales.data) };
		const result = requantize(found.codes, values, grid, { hasZeroPoints: zeroPoints !== undefined });
		if (!result.scale.every(Number.isFinite)) {
			return failure('its zero points leave no room for values of both signs');
		}
		const tensors: (readonly [NodeInput, TensorValues])[] = [];
		const set = (name: string, tensor: TensorValues) =>
			tensors.push([{ scope, node, input: node.inputs.indexOf(name) }, tensor]);
		if (result.changed.length > 0) {
			set(packed.scale, { dims: scales.dims, dtype: scaleType, values: result.scale });
		}
		if (zeroPoints && result.zero.some((value, cell) => value !== found.zero[cell])) {
			const stated = { dims: zeroPoints.dims, dtype: typeName(zeroPoints.dataType) };
			set(packed.zeroPoint, { ...stated, values: repackZeroPoints(packed, zeroPoints, result.zero) });
		}
		const bytes = repack(packed, codes.data, result.integers);
		set(weight, { dims: codes.dims, dtype: typeName(codes.dataType), values: bytes });
		return this.#set(tensors) ? success({ rescaled: result.changed.length }) : failure(IN_FUNCTION);
	}

	/** Returns the QuantizeLinear that rounds a constant in float; undefined for integers in the file. */
	#quantizer({ scope, data }: QuantizedPlace): Node | undefined {
		const node = scope.producer(this.#editor.inputsOf(data.node)[data.input] ?? '');
		return node?.opType === 'QuantizeLinear' ? node : undefined;
	}

	#scalesOf(place: QuantizedPlace): readonly InputPlace[] {
		const quantizer = this.#quantizer(place);
		return quantizer ? [place.scale, { node: quantizer, input: 1 }] : [place.scale];
	}

	/** Returns scales and zero points of a quantized constant, and its integers; undefined if a part does not fit. */
	async #readGrid(place: QuantizedPlace, elements: number) {
		const { scope } = place;
		const read = (at: InputPlace | undefined) => this.#read(scope, at?.node.inputs[at.input] ?? '');
		const [data, scale, zero] = [await read(place.data), await read(place.scale), await read(place.zeroPoint)];
		const cellOf = data && scale && cellsOf(data.dims, scale.dims, place);
		const dtype = data && typeName(data.dataType);
		const scaleType = scale && typeName(scale.dataType);
		const isGrid = dtype && integerRange(dtype) && scaleType && isFloatType(scaleType);
		if (!isGrid || !cellOf || data.data.length !== elements) {
			return undefined;
		}
		const zeros = Float64Array.from(scale.data, (_, cell) => zero?.data[zero.data.length === 1 ? 0 : cell] ?? 0);
		const grid: Grid = { dtype, scaleType, scale: Float64Array.from(scale.data), zero: zeros, cellOf };
		return { grid, data, scale, zero };
	}

	async #read(scope: Scope, name: string): Promise<Tensor | undefined> {
		const record = name === '' ? undefined : recordOf(scope, name);
		if (record) {
			return readTensor(record, this.#access);
		}
		const { tensor } = await new ConstantResolver(this.#access).resolve(scope, name);
		return tensor ?? undefined;
	}
}

/** Reason, a clause, to leave a constant as it is. */
export const IN_FUNCTION = 'it belongs to a function, which other calls may share';

/** Returns the factor of each cell; rows with different factors cannot share a cell, which keeps its scale. */
function factorsOf(factors: Float64Array, cells: number): Float64Array {
	const isOne = factors.every((factor) => factor === factors[0]);
	return factors.length === cells ? factors : new Float64Array(cells).fill(isOne ? factors[0] : 1);
}

/** Nodes that keep the order of elements. */
const PASSING: ReadonlySet<string> = new Set(['Identity', 'Cast', 'Reshape', 'Squeeze', 'Unsqueeze', 'Flatten']);

/** Returns the input of a node that reads a name: of the preferred node if it does. */
function readerOf(scope: Scope, name: string, preferred: Node): InputPlace | undefined {
	const readers = scope.consumers(name);
	const node = readers.includes(preferred) ? preferred : readers[0];
	return node && { node, input: node.inputs.indexOf(name) };
}

function dequantizeLinear(scope: Scope, node: Node): QuantizedPlace {
	const at = (input: number) => ({ node, input });
	return {
		scope,
		data: at(0),
		scale: at(1),
		zeroPoint: (node.inputs[2] ?? '') === '' ? undefined : at(2),
		axis: scope.attribute(node, 'axis')?.i ?? 1,
		blockSize: scope.attribute(node, 'block_size')?.i ?? 0,
	};
}

/** Returns the order of axes of a Transpose: axis i of its output is axis order[i] of its input. */
function permutationOf(scope: Scope, node: Node, rank: number): readonly number[] | undefined {
	const order = scope.attribute(node, 'perm')?.ints ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
	return order.length === rank && new Set(order).size === rank ? order : undefined;
}

/** Returns the input that a Transpose turns into these values. */
function transposedBack({ dims, values }: Pick<WantedValues, 'dims' | 'values'>, order: readonly number[]) {
	const before = dims.slice();
	order.forEach((axis, at) => {
		before[axis] = dims[at];
	});
	const to = stridesOf(before);
	const from = stridesOf(dims);
	const result = new Float64Array(values.length);
	for (let index = 0; index < values.length; index++) {
		let position = 0;
		for (let at = 0; at < dims.length; at++) {
			position += (Math.floor(index / from[at]) % dims[at]) * to[order[at]];
		}
		result[position] = values[index];
	}
	return { dims: before, values: result };
}
