import type { Checkpoint } from '../../formats/checkpoint.js';
import { readTensorValues } from '../../formats/tensor.js';
import { product } from '../../numbers/arrays.js';
import { FLOAT_FORMATS } from '../../numbers/float-formats.js';
import type { Model, Node, TensorRecord } from '../../onnx/model.js';
import { readRawTensor, type TensorAccess } from '../../onnx/tensor/raw-tensor.js';
import { readTensor } from '../../onnx/tensor/tensor.js';
import { elementBits } from '../../onnx/types.js';
import { channelCount, forEachRun } from '../operators/layout.js';
import type { LinearOperator } from '../operators/linear.js';
import { weightLayout } from '../operators/weight-layout.js';
import { inputLayout } from '../targets/forward.js';
import type { HiddenOrders, MovedOperator } from './hidden-order.js';
import { type ChannelOrder, columnOrder } from './row-order.js';

/** Index in the stored tensor of each element of the arranged tensor. */
type ElementOrder = (record: TensorRecord) => Int32Array | undefined;

/**
 * Returns a model with the hidden channels in the checkpoint's order: constants of operators and of layers are
 * rearranged as they are read. It has no places in the file, so it cannot be edited.
 * @returns undefined if a constant is computed, shared between orders, or of a shape without channels
 */
export function arrangeModel(model: Model, orders: HiddenOrders, access: TensorAccess): Model | undefined {
	const changes = new Map<string, TensorRecord>();
	let isPossible = true;
	const change = (name: string, order: ElementOrder) => {
		const record = model.graph.initializers.get(name);
		const elements = record && order(record);
		isPossible &&= elements !== undefined && !changes.has(name);
		if (record && elements) {
			changes.set(name, arranged(record, elements, access));
		}
	};
	for (const [operator, moved] of orders.operators) {
		const { name, form } = storedWeight(operator, model);
		change(name, (record) => weightOrder(form, moved, record.dims));
		const { output } = moved;
		if (output && operator.bias) {
			change(operator.bias, (record) => channelOrder(record, output));
		}
	}
	for (const { node, order } of besideOperators(model, orders)) {
		for (const name of node.inputs.filter((input) => model.graph.initializers.has(input))) {
			const record = model.graph.initializers.get(name);
			if (record && product(record.dims) > 1) {
				change(name, () => channelOrder(record, order));
			}
		}
	}
	if (!isPossible || changes.size === 0) {
		return undefined;
	}
	const { spans: _, ...graph } = model.graph;
	return { ...model, graph: { ...graph, initializers: new Map([...model.graph.initializers, ...changes]) } };
}

/** Difference of a slope, relative to its size, that rounding to float16 leaves. */
const SAME_SLOPE = FLOAT_FORMATS.float16.unitRoundoff;

/** True if the slopes of each PRelu that was rearranged are slopes of the checkpoint, in its order. */
export async function haveSlopesArrived(
	{ graph }: Model,
	{ tensors }: Checkpoint,
	access: TensorAccess,
): Promise<boolean> {
	for (const { opType, inputs } of graph.nodes) {
		const record = opType === 'PRelu' ? graph.initializers.get(inputs[1] ?? '') : undefined;
		if (record?.storage.kind === 'deferred') {
			const { data } = await readTensor(record, access);
			const candidates = tensors.filter(({ dims }) => product(dims) === data.length);
			const slopes = await Promise.all(candidates.map((tensor) => readTensorValues(tensor)));
			const isSame = (slope: ArrayLike<number>) =>
				Array.from(data).every((value, at) => Math.abs(Number(value) - slope[at]) <= SAME_SLOPE * Math.abs(slope[at]));
			if (!slopes.some((slope) => isSame(slope.data))) {
				return false;
			}
		}
	}
	return true;
}

/** Nodes with constants that have a value for each channel. */
const PER_CHANNEL: ReadonlySet<string> = new Set([
	...['BatchNormalization', 'InstanceNormalization', 'PRelu'],
	...['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min'],
]);

/** Returns the nodes besides linear operators whose constants follow the order of their input. */
function besideOperators({ graph }: Model, { tensors }: HiddenOrders) {
	return graph.nodes.flatMap((node: Node) => {
		const order = PER_CHANNEL.has(node.opType) ? node.inputs.flatMap((name) => tensors.get(name) ?? [])[0] : undefined;
		return order ? [{ node, order }] : [];
	});
}

/** Arrangement of a weight as the file stores it. */
type WeightForm = Pick<LinearOperator, 'kind' | 'transB' | 'group'>;

/** Returns the initializer of a weight, which a Transpose node may turn over. */
function storedWeight(
	operator: LinearOperator,
	{ graph }: Model,
): { readonly name: string; readonly form: WeightForm } {
	const { weight, kind, transB } = operator;
	const turn = graph.nodes.find(({ opType, outputs }) => opType === 'Transpose' && outputs[0] === weight);
	const isDense = kind === 'Gemm' || kind === 'MatMul';
	return turn && isDense
		? { name: turn.inputs[0] ?? '', form: { kind: 'Gemm', transB: !transB, group: 1 } }
		: { name: weight, form: operator };
}

function weightOrder(
	operator: WeightForm,
	{ input, output }: MovedOperator,
	dims: readonly number[],
): Int32Array | undefined {
	const [rowsOf, columnsOf] = [weightLayout(operator, dims), inputLayout(operator, dims)];
	if (!rowsOf || !columnsOf || (operator.kind === 'ConvTranspose' && operator.group > 1)) {
		return undefined;
	}
	const [rows, columns] = [channelCount(rowsOf), columnsOf.perGroup];
	const length = product(dims) / rows;
	const group = operator.kind === 'Conv' ? operator.group : 1;
	const shape = { values: new Float64Array(0), rows, columns, inner: length / columns };
	const moved = columnOrder(shape, group, input);
	// Index of an element in row order -> index in the file.
	const stored = new Int32Array(product(dims));
	forEachRun(rowsOf, (row, start, position) => {
		for (let k = 0; k < rowsOf.inner; k++) {
			stored[row * length + position + k] = start + k;
		}
	});
	const result = new Int32Array(stored.length);
	for (let row = 0; row < rows; row++) {
		const target = output?.[row] ?? row;
		for (let at = 0; at < length; at++) {
			const from = moved?.elements[row * length + at];
			if (from === undefined) {
				return undefined;
			}
			result[stored[target * length + at]] = stored[from];
		}
	}
	return result;
}

/** Returns the order of a constant with a value for each channel. */
function channelOrder({ dims }: TensorRecord, order: ChannelOrder): Int32Array | undefined {
	if (product(dims) !== order.length) {
		return undefined;
	}
	const result = new Int32Array(order.length);
	order.forEach((source, at) => {
		result[source] = at;
	});
	return result;
}

function arranged(record: TensorRecord, elements: Int32Array, access: TensorAccess): TensorRecord {
	const width = elementBits(record.dataType) / 8;
	const read = async (count: number) => {
		const { bytes } = await readRawTensor(record, access);
		const result = new Uint8Array(count * width);
		for (let at = 0; at < count; at++) {
			result.set(bytes.subarray(elements[at] * width, (elements[at] + 1) * width), at * width);
		}
		return result;
	};
	return { ...record, storage: { kind: 'deferred', read } };
}
