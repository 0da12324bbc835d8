import type { Node } from '../../../core/onnx/model.js';

/**
 * Versions of the standard operator set that brought an operator, or changed the meaning of its inputs, attributes or
 * defaults. From the schemas of ONNX 1.23, operator set 28. Versions that only allow more element types are left out.
 */
const CHANGES: Readonly<Record<string, readonly number[]>> = {
	...forAll(['Conv', 'MatMul', 'Softplus', 'Softsign', 'Identity', 'Transpose', 'Not'], []),
	...forAll(['Constant', 'GlobalAveragePool', 'GlobalMaxPool', 'MaxPool', 'Flatten', 'Gather', 'Shape'], []),
	...forAll(['Relu', 'LeakyRelu', 'Sigmoid', 'Tanh', 'HardSigmoid', 'Elu', 'Selu', 'Exp', 'Log', 'Sqrt', 'Neg'], [6]),
	...forAll(['Abs', 'Reciprocal', 'Floor', 'Ceil', 'InstanceNormalization', 'Tile'], [6]),
	...forAll(['Add', 'Sub', 'Mul', 'Div', 'PRelu'], [6, 7]),
	...forAll(['And', 'Or', 'Equal', 'AveragePool'], [7]),
	...forAll(['Sum', 'Mean', 'Max', 'Min'], [6, 8]),
	...forAll(['Squeeze', 'Unsqueeze', 'Softmax', 'LogSoftmax', 'ReduceSum'], [13]),
	...forAll(['ReduceMean', 'ReduceMax', 'Mish'], [18]),
	...forAll(['Where', 'Erf', 'Sign', 'ConstantOfShape'], [9]),
	BatchNormalization: [6, 7, 9],
	Cast: [6, 9],
	CastLike: [15],
	Clip: [6, 11],
	Concat: [4],
	ConvTranspose: [11],
	Dropout: [6, 7, 12],
	Expand: [8],
	Gelu: [20],
	Gemm: [6, 7, 11],
	HardSwish: [14],
	LayerNormalization: [17],
	Pad: [2, 11],
	Pow: [7, 12],
	Reshape: [5],
	Slice: [10],
	Split: [2, 13, 18],
};

/** Version that added an attribute: nodes without it keep their meaning in an older operator set. */
const ADDED_ATTRIBUTES: Readonly<Record<string, Readonly<Record<string, number>>>> = {
	AveragePool: { ceil_mode: 10, dilations: 19 },
	BatchNormalization: { training_mode: 14 },
	Cast: { saturate: 19, round_mode: 24 },
	CastLike: { saturate: 19, round_mode: 24 },
	Constant: {
		...{ sparse_value: 11, value_float: 12, value_floats: 12, value_int: 12 },
		...{ value_ints: 12, value_string: 12, value_strings: 12 },
	},
	MaxPool: { storage_order: 8, ceil_mode: 10, dilations: 10 },
	Reshape: { allowzero: 14 },
	Shape: { start: 15, end: 15 },
};

/** Version that added an optional input behind those that a node had before: inputs -> version. */
const ADDED_INPUTS: Readonly<Record<string, { readonly before: number; readonly version: number }>> = {
	Pad: { before: 3, version: 18 },
};

/** First version in which an axis may be negative. */
const NEGATIVE_AXES = 11;
/** Version that gave an operator other outputs besides its first one. */
const OUTPUT_CHANGES: Readonly<Record<string, readonly number[]>> = {
	// Several outputs meant training up to version 13, and have no effect from 14 on.
	BatchNormalization: [14],
	// The mask became a tensor of bool.
	Dropout: [10],
	MaxPool: [8],
};

function forAll(names: readonly string[], versions: readonly number[]): Record<string, readonly number[]> {
	return Object.fromEntries(names.map((name) => [name, versions]));
}

/**
 * True if a node means the same in another version of its operator set.
 * @param from version that the node was written for
 * @param to version in which it would be read
 */
export function hasSameMeaning(node: Node, from: number, to: number): boolean {
	const { opType, domain, outputs, attributes, inputs } = node;
	if (from === to) {
		return true;
	}
	const changes = domain === '' && Object.hasOwn(CHANGES, opType) ? CHANGES[opType] : undefined;
	const [older, newer] = [Math.min(from, to), Math.max(from, to)];
	const isBetween = (version: number) => older < version && version <= newer;
	const ofOutputs = outputs.length > 1 ? (OUTPUT_CHANGES[opType] ?? []) : [];
	if (changes === undefined || [...changes, ...ofOutputs].some(isBetween)) {
		return false;
	}
	if (to > from) {
		return true;
	}
	const added = Object.entries(ADDED_ATTRIBUTES[opType] ?? {}).some(
		([name, v]) => isBetween(v) && attributes.has(name),
	);
	const more = ADDED_INPUTS[opType];
	const hasMore = more !== undefined && isBetween(more.version) && inputs.length > more.before;
	return !(added || hasMore || (isBetween(NEGATIVE_AXES) && hasNegativeAxis(node)));
}

function hasNegativeAxis({ attributes }: Node): boolean {
	const [axis, axes] = [attributes.get('axis')?.i ?? 0, attributes.get('axes')?.ints ?? []];
	return axis < 0 || axes.some((each) => each < 0);
}
