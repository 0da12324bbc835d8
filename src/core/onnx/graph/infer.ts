import type { DataTypeCode, Dimension, Node, ValueInfo } from '../model.js';
import { typeCode } from '../types.js';
import { LINEAR_TYPES } from './linear-types.js';
import { isStandard } from './quantization.js';
import type { Definition, Scope } from './scope.js';
import { sizeOrUnknown, slideWindows, spreadWindows } from './windows.js';

/** Facts about a tensor that are known without a run. */
export interface InferredValue {
	/** 0: unknown. */
	readonly dataType: DataTypeCode;
	/** undefined: rank unknown. Unknown dimensions are undefined inside. */
	readonly shape: readonly Dimension[] | undefined;
}

/**
 * Trusted declarations of shapes: all in the file, or only the main graph's inputs. The runtime refuses an input of
 * another shape. Declarations of intermediate tensors may be stale after a tool has changed the graph.
 */
export type Declarations = 'file' | 'inputs';

interface Known {
	readonly value: InferredValue;
	/**
	 * Length of chain at which the search stopped, because a longer chain might show more; Infinity if it was complete.
	 */
	readonly chain: number;
}

/**
 * Maximum length of the chain of nodes followed at once. A declared type or a convolution is rarely more than a block
 * away.
 */
const MAX_CHAIN = 64;

/** Maximum rank of inferred shapes, because the declared shape of a list of dimensions can be any number. */
const MAX_RANK = 64;

const NOTHING: InferredValue = { dataType: 0, shape: undefined };
/** Changes no shape that it is broadcast with. */
const SCALAR: InferredValue = { dataType: 0, shape: [] };

/** Operators with the same type and shape in their first output as in their first input. */
const UNCHANGED: ReadonlySet<string> = new Set([
	...['BatchNormalization', 'InstanceNormalization', 'LRN', 'Dropout', 'Identity', 'Softmax', 'LogSoftmax'],
	...['Relu', 'LeakyRelu', 'PRelu', 'Elu', 'Selu', 'Celu', 'Gelu', 'Sigmoid', 'HardSigmoid', 'HardSwish', 'Mish'],
	...[
		'Tanh',
		'Softplus',
		'Softsign',
		'ThresholdedRelu',
		'Clip',
		'Abs',
		'Neg',
		'Exp',
		'Log',
		'Sqrt',
		'Erf',
		'Floor',
		'Reciprocal',
	],
]);
/** Operators that keep type and rank, and the first two dimensions. */
const POOLING: ReadonlySet<string> = new Set(['MaxPool', 'AveragePool', 'LpPool']);
const GLOBAL_POOLING: ReadonlySet<string> = new Set(['GlobalAveragePool', 'GlobalMaxPool', 'GlobalLpPool']);
/** Operators that keep type and rank of their first input. */
const SAME_RANK: ReadonlySet<string> = new Set(['Pad', 'Slice', 'Upsample', 'Resize']);
/** Operators of known rank, from the number of axes or dimensions in an input. */
const RESHAPING: ReadonlySet<string> = new Set(['Reshape', 'Unsqueeze', 'Squeeze']);
/** Operators that reduce axes: an attribute, or since opset 18 (ReduceSum: 13) an input. */
const REDUCING: ReadonlySet<string> = new Set([
	...['ReduceMean', 'ReduceSum', 'ReduceMax', 'ReduceMin', 'ReduceProd', 'ReduceSumSquare'],
	...['ReduceL1', 'ReduceL2', 'ReduceLogSum', 'ReduceLogSumExp'],
]);
/** Operators on integers: the operator with the same shapes, and the position of the weight. */
const INTEGER_LINEAR: ReadonlyMap<string, { readonly opType: string; readonly weight: number }> = new Map([
	['ConvInteger', { opType: 'Conv', weight: 1 }],
	['MatMulInteger', { opType: 'MatMul', weight: 1 }],
	['QLinearConv', { opType: 'Conv', weight: 3 }],
	['QLinearMatMul', { opType: 'MatMul', weight: 3 }],
	['QGemm', { opType: 'Gemm', weight: 3 }],
]);
/** Linear operators of the runtime itself. */
const OWN_LINEAR: ReadonlySet<string> = new Set(['QGemm', 'MatMulNBits']);
/** Element-wise operators of two inputs that broadcast. */
const BROADCAST: ReadonlySet<string> = new Set(['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Max', 'Min', 'Sum', 'Mean']);

/**
 * Infers types and shapes of tensors: from the declaration, which exporters often leave out for intermediate tensors,
 * else from the operator that writes the tensor. Not a full shape inference. It finds the rank, the channels and the
 * element type in front of a normalization, and the spatial sizes in a convolutional network. An instance serves a
 * single model and caches, because in a residual network the number of paths doubles at every addition.
 */
export class ShapeInference {
	readonly #known = new Map<Scope, Map<string, Known>>();
	/** True if the search reached the maximum length of chain. */
	#isCut = false;
	readonly #fed: ReadonlyMap<string, { readonly dims: readonly number[] }>;
	readonly #declaredBy: Declarations;

	/**
	 * @param fed what inputs of the model's main graph are given, where that is known: their shape, by name
	 * @param declaredBy declarations to believe
	 */
	constructor(
		fed: ReadonlyMap<string, { readonly dims: readonly number[] }> = new Map(),
		declaredBy: Declarations = 'file',
	) {
		this.#fed = fed;
		this.#declaredBy = declaredBy;
	}

	of(scope: Scope, name: string): InferredValue {
		return this.#value(scope, name, MAX_CHAIN);
	}

	#value(scope: Scope, name: string, chain: number): InferredValue {
		const values = this.#known.get(scope) ?? new Map<string, Known>();
		this.#known.set(scope, values);
		const known = values.get(name);
		if (chain === 0 || (known && chain <= known.chain)) {
			this.#isCut ||= known?.chain !== Number.POSITIVE_INFINITY;
			return known?.value ?? NOTHING;
		}
		// Stands in for the value while it is inferred, which ends the search in a graph with a cycle.
		values.set(name, { value: NOTHING, chain: Number.POSITIVE_INFINITY });
		const before = this.#isCut;
		this.#isCut = false;
		const value = this.#infer(scope, name, chain);
		values.set(name, { value, chain: this.#isCut ? chain : Number.POSITIVE_INFINITY });
		this.#isCut ||= before;
		return value;
	}

	#infer(scope: Scope, name: string, chain: number): InferredValue {
		const definition = scope.lookup(name);
		const declared = this.#declaredBy === 'file' ? scope.declared(name) : enforced(definition);
		const fed = scope.depth === 0 ? this.#fed.get(name) : undefined;
		if (fed) {
			return { dataType: declared?.dataType ?? 0, shape: fed.dims };
		}
		// Exporters give every open dimension a symbol of its own; the fed sizes may resolve it.
		const isOpen = this.#fed.size > 0 && declared?.shape?.some((dimension) => typeof dimension !== 'number');
		if (declared?.shape && declared.dataType !== 0 && !isOpen) {
			return declared;
		}
		let inferred = NOTHING;
		if (definition.kind === 'initializer') {
			inferred = { dataType: definition.record.dataType, shape: definition.record.dims };
		} else if (definition.kind === 'node' && isKnown(definition.node)) {
			const { scope: own, node } = definition;
			inferred = node.outputs[0] === name ? this.#output(own, node, chain - 1) : furtherOutput(node);
		}
		const dataType = declared?.dataType || inferred.dataType;
		return { dataType, shape: filledUp(declared?.shape, inferred.shape) };
	}

	/** First output of a node. */
	#output(scope: Scope, node: Node, chain: number): InferredValue {
		const input = (index: number) => this.#value(scope, node.inputs[index] ?? '', chain);
		const { opType } = node;
		if (UNCHANGED.has(opType)) {
			return input(0);
		}
		if (opType === 'Cast') {
			return { dataType: scope.attribute(node, 'to')?.i ?? 0, shape: input(0).shape };
		}
		if (opType === 'DequantizeLinear') {
			return { dataType: input(1).dataType, shape: input(0).shape };
		}
		if (opType === 'QuantizeLinear') {
			return { dataType: input(2).dataType, shape: input(0).shape };
		}
		if (opType === 'Constant') {
			const value = scope.attribute(node, 'value')?.t;
			return value ? { dataType: value.dataType, shape: value.dims } : NOTHING;
		}
		if (opType === 'Transpose') {
			const { dataType, shape } = input(0);
			const order = scope.attribute(node, 'perm')?.ints ?? shape?.map((_, axis) => shape.length - 1 - axis);
			return { dataType, shape: shape && order?.map((axis) => shape[axis]) };
		}
		if (opType === 'Shape') {
			return { dataType: typeCode('int64'), shape: [rangeOfShape(scope, node, input(0).shape)] };
		}
		if (opType === 'Gather') {
			return { dataType: input(0).dataType, shape: gathered(scope, node, input(0).shape, input(1).shape) };
		}
		if (RESHAPING.has(opType)) {
			return { dataType: input(0).dataType, shape: reshaped(scope, node, input(0), input(1)) };
		}
		if (REDUCING.has(opType)) {
			return { dataType: input(0).dataType, shape: reduced(scope, node, input(0).shape, input(1).shape) };
		}
		if (opType === 'Flatten') {
			return { dataType: input(0).dataType, shape: flatten(scope, node, input(0).shape) };
		}
		if (opType === 'Concat') {
			return concatenate(
				scope,
				node,
				node.inputs.map((_, index) => input(index)),
			);
		}
		if (POOLING.has(opType)) {
			const { dataType, shape } = input(0);
			return { dataType, shape: shape && [...shape.slice(0, 2), ...slideWindows(scope, node, shape.slice(2), [])] };
		}
		if (GLOBAL_POOLING.has(opType)) {
			const { dataType, shape } = input(0);
			return { dataType, shape: shape?.map((dimension, axis) => (axis < 2 ? dimension : 1)) };
		}
		if (SAME_RANK.has(opType)) {
			const { dataType, shape } = input(0);
			return { dataType, shape: shape?.map(() => undefined) };
		}
		if (BROADCAST.has(opType)) {
			// Up to opset 6 only the second input broadcasts, along an axis of its own.
			return scope.opset() < 7 ? input(0) : node.inputs.map((_, index) => input(index)).reduce(broadcast, SCALAR);
		}
		return LINEAR_TYPES.has(opType) ? inferLinear(scope, node, input(0), input(1)) : inferQuantized(scope, node, input);
	}
}

/** Returns the scale or zero point of DynamicQuantizeLinear, which are scalars; nothing for other outputs than the first. */
function furtherOutput({ opType }: Node): InferredValue {
	return opType === 'DynamicQuantizeLinear' ? SCALAR : NOTHING;
}

/** Returns the output of an operator on integers, or with packed weights. */
function inferQuantized(scope: Scope, node: Node, input: (index: number) => InferredValue): InferredValue {
	if (node.opType === 'DynamicQuantizeLinear') {
		return { dataType: typeCode('uint8'), shape: input(0).shape };
	}
	if (node.opType === 'MatMulNBits') {
		const { dataType, shape } = input(0);
		return { dataType, shape: shape && [...shape.slice(0, -1), scope.attribute(node, 'N')?.i] };
	}
	const linear = INTEGER_LINEAR.get(node.opType);
	if (!linear) {
		return NOTHING;
	}
	// The type is that of the zero point, or int32. Only the shape is of use.
	const { shape } = inferLinear(scope, { ...node, opType: linear.opType }, input(0), input(linear.weight));
	return { dataType: 0, shape };
}

/** True for nodes with outputs of known shape. */
function isKnown(node: Node): boolean {
	return isStandard(node) || (node.domain === 'com.microsoft' && OWN_LINEAR.has(node.opType));
}

/** Returns the declaration that the runtime enforces: that of an input of the main graph. */
function enforced(definition: Definition): ValueInfo | undefined {
	return definition.kind === 'input' && definition.owner === undefined ? definition.declared : undefined;
}

/** Fills the open dimensions of a declared shape from another. */
function filledUp(declared: InferredValue['shape'], other: InferredValue['shape']): InferredValue['shape'] {
	if (!declared || declared.length !== other?.length) {
		return declared ?? other;
	}
	return declared.map((dimension, axis) => {
		const found = other[axis];
		return typeof dimension !== 'number' && typeof found === 'number' ? found : (dimension ?? found);
	});
}

function unknownDimensions(rank: number | undefined): Dimension[] | undefined {
	return rank === undefined || rank < 0 || rank > MAX_RANK ? undefined : new Array<Dimension>(rank).fill(undefined);
}

/** Returns dimensions of unknown size behind a reshaping operator; an Unsqueeze of a scalar has sizes of 1. */
function reshaped(scope: Scope, node: Node, x: InferredValue, list: InferredValue): Dimension[] | undefined {
	const dimensions = unknownDimensions(rankAfter(scope, node, x, list));
	return node.opType === 'Unsqueeze' && x.shape?.length === 0 ? dimensions?.map(() => 1) : dimensions;
}

/**
 * Returns the rank behind a reshaping operator. `list` is the tensor of axes or dimensions, an input since opset 13
 * (Reshape: 5); its length counts, not its values.
 */
function rankAfter(scope: Scope, node: Node, x: InferredValue, list: InferredValue): number | undefined {
	const given = scope.attribute(node, node.opType === 'Reshape' ? 'shape' : 'axes')?.ints?.length ?? list.shape?.[0];
	if (typeof given !== 'number' || (node.opType !== 'Reshape' && !x.shape)) {
		return undefined;
	}
	const rank = x.shape?.length ?? 0;
	return node.opType === 'Reshape' ? given : node.opType === 'Unsqueeze' ? rank + given : rank - given;
}

/**
 * Returns the shape behind a reduction. Only the attribute gives the reduced axes; of an input with axes only the
 * number is known, and so only the rank.
 * @param list shape of the input with axes
 */
function reduced(
	scope: Scope,
	node: Node,
	shape: InferredValue['shape'],
	list: InferredValue['shape'],
): Dimension[] | undefined {
	const axes = scope.attribute(node, 'axes')?.ints;
	const keepsAxes = (scope.attribute(node, 'keepdims')?.i ?? 1) !== 0;
	if (!shape) {
		return undefined;
	}
	if (axes) {
		const removed = new Set(axes.map((axis) => (axis < 0 ? axis + shape.length : axis)));
		return keepsAxes
			? shape.map((dimension, axis) => (removed.has(axis) ? 1 : dimension))
			: shape.filter((_, axis) => !removed.has(axis));
	}
	const isAll = (node.inputs[1] ?? '') === '';
	if (keepsAxes) {
		return shape.map(() => (isAll ? 1 : undefined));
	}
	const count = isAll ? shape.length : list?.[0];
	return typeof count === 'number' ? unknownDimensions(shape.length - count) : undefined;
}

/** Returns the number of dimensions that a Shape lists; since opset 15 it may be a part of them. */
function rangeOfShape(scope: Scope, node: Node, shape: InferredValue['shape']): Dimension {
	const isPart = ['start', 'end'].some((name) => scope.attribute(node, name) !== undefined);
	return isPart ? undefined : shape?.length;
}

/** Returns the shape behind a Gather: the indices' dimensions in place of the axis. */
function gathered(
	scope: Scope,
	node: Node,
	shape: InferredValue['shape'],
	indices: InferredValue['shape'],
): Dimension[] | undefined {
	const at = scope.attribute(node, 'axis')?.i ?? 0;
	const axis = at < 0 ? at + (shape?.length ?? 0) : at;
	const isInside = shape !== undefined && indices !== undefined && axis in shape;
	return isInside && shape.length + indices.length <= MAX_RANK
		? [...shape.slice(0, axis), ...indices, ...shape.slice(axis + 1)]
		: undefined;
}

function flatten(scope: Scope, node: Node, shape: InferredValue['shape']): Dimension[] {
	const at = scope.attribute(node, 'axis')?.i ?? 1;
	const axis = at < 0 ? at + (shape?.length ?? 0) : at;
	return shape && axis >= 0 && axis <= shape.length
		? [product(shape.slice(0, axis)), product(shape.slice(axis))]
		: [undefined, undefined];
}

/** A single dimension may be a symbol, such as the batch. */
function product(dimensions: readonly Dimension[]): Dimension {
	const all = dimensions.reduce<Dimension>(
		(total, size) => (typeof total === 'number' && typeof size === 'number' ? sizeOrUnknown(total * size) : undefined),
		1,
	);
	return dimensions.length === 1 ? dimensions[0] : all;
}

function concatenate(scope: Scope, node: Node, parts: readonly InferredValue[]): InferredValue {
	const { dataType, shape } = parts.find((part) => part.shape) ?? parts[0] ?? NOTHING;
	const at = scope.attribute(node, 'axis')?.i ?? (scope.opset() < 4 ? 1 : undefined);
	const axis = at !== undefined && shape && at < 0 ? at + shape.length : at;
	if (!shape || axis === undefined || !(axis in shape)) {
		return { dataType, shape: shape?.map(() => undefined) };
	}
	const along = parts.map((part) => part.shape?.[axis]);
	const total = along.reduce<Dimension>(
		(sum, size) => (typeof sum === 'number' && typeof size === 'number' ? sizeOrUnknown(sum + size) : undefined),
		0,
	);
	return { dataType, shape: shape.map((dimension, index) => (index === axis ? total : dimension)) };
}

function inferLinear(scope: Scope, node: Node, x: InferredValue, weight: InferredValue): InferredValue {
	const dataType = x.dataType || weight.dataType;
	const { shape } = weight;
	if (!shape) {
		return { dataType: 0, shape: undefined };
	}
	const group = scope.attribute(node, 'group')?.i ?? 1;
	const kernel = shape.slice(2);
	// A shape of another rank cannot be the operator's input.
	const sizes = x.shape?.length === shape.length ? x.shape.slice(2) : kernel.map(() => undefined);
	switch (node.opType) {
		case 'Conv':
			return { dataType, shape: [x.shape?.[0], shape[0], ...slideWindows(scope, node, sizes, kernel)] };
		case 'ConvTranspose': {
			const perGroup = shape[1];
			return {
				dataType,
				shape: [
					x.shape?.[0],
					typeof perGroup === 'number' ? perGroup * group : undefined,
					...spreadWindows(scope, node, sizes, kernel),
				],
			};
		}
		case 'Gemm':
			return { dataType, shape: [x.shape?.[0], shape[scope.attribute(node, 'transB')?.i ? 0 : 1]] };
		case 'MatMul':
			return { dataType, shape: x.shape && shape.length > 1 ? multiplied(x.shape, shape) : undefined };
		default:
			return NOTHING;
	}
}

/** Returns the shape of a matrix product. Dimensions in front of the last two broadcast, as in numpy's matmul. */
function multiplied(a: readonly Dimension[], b: readonly Dimension[]): readonly Dimension[] {
	const stack = (shape: readonly Dimension[]) => ({ dataType: 0, shape: shape.slice(0, -2) });
	const stacked = broadcast(stack(a), stack(b)).shape ?? [];
	// A vector counts as a matrix with a single row, and the row is removed again.
	return [...stacked, ...a.slice(-2, -1), b.at(-1)];
}

function broadcast(a: InferredValue, b: InferredValue): InferredValue {
	const dataType = a.dataType || b.dataType;
	if (!(a.shape && b.shape)) {
		return { dataType, shape: undefined };
	}
	const [long, short] = a.shape.length >= b.shape.length ? [a.shape, b.shape] : [b.shape, a.shape];
	const offset = long.length - short.length;
	const shape = long.map((dimension, axis) => {
		const other = axis < offset ? 1 : short[axis - offset];
		return dimension === 1 ? other : other === 1 || other === dimension ? dimension : (dimension ?? other);
	});
	return { dataType, shape };
}
