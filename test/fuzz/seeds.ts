import {
	buildModel,
	type GraphSpec,
	type ModelSpec,
	type NodeSpec,
	type TensorForm,
	type TensorSpec,
} from '../unit/support/model-builder.js';

/** Valid models that together use every part of the format that the reader supports. */
export function seedModels(): readonly [Uint8Array, ...Uint8Array[]] {
	return [
		buildModel({ producer: 'pytorch', graph: conv('raw', 'float32'), metadata: { author: 'x' } }),
		buildModel({ graph: conv('unpacked', 'float16'), graphPieces: 3 }),
		buildModel({ irVersion: 3, opset: 6, graph: conv('packed', 'float64', { is_test: { i: 0 }, spatial: { i: 0 } }) }),
		buildModel({ graph: conv('chunked', 'bfloat16', { training_mode: { i: 1 } }) }),
		buildModel(constants()),
		buildModel(branches()),
		buildModel(functions()),
		buildModel(decomposed()),
		buildModel(oddities()),
		buildModel(residual()),
		buildModel(trained()),
		buildModel(quantized()),
		buildModel(handBuilt()),
	];
}

const NAMES = ['gamma', 'beta', 'mean', 'variance'];
const VALUES = [1, 2, 0.5, 1.5];

function batchNorm(input: string, output: string, attributes: NodeSpec['attributes'] = {}): NodeSpec {
	const inputs = [input, ...NAMES];
	return {
		op: 'BatchNormalization',
		name: `bn_${output}`,
		inputs,
		outputs: [output],
		attributes: { epsilon: { f: 1e-3 }, ...attributes },
	};
}

function parameters(form: TensorForm, dtype: TensorSpec['dtype']): TensorSpec[] {
	return NAMES.map((name) => ({ name, dtype, form, values: VALUES }));
}

function conv(form: TensorForm, dtype: TensorSpec['dtype'], attributes: NodeSpec['attributes'] = {}): GraphSpec {
	const weight = { name: 'w', dtype, dims: [4, 2, 1, 1], values: [1, 2, 3, 4, 5, 6, 7, 8], form };
	return {
		nodes: [
			{
				op: 'Conv',
				inputs: ['x', 'w'],
				outputs: ['c'],
				attributes: { kernel_shape: { ints: [1, 1] }, auto_pad: { s: 'VALID' } },
			},
			batchNorm('c', 'y', attributes),
			{ op: 'Relu', inputs: ['y'], outputs: ['z'] },
		],
		initializers: [weight, ...parameters(form, dtype)],
		inputs: [{ name: 'x', shape: ['N', 2, 8, null] }, ...NAMES],
		outputs: [{ name: 'z', shape: ['N', 4, 8, null] }],
		valueInfo: [{ name: 'c', shape: [1, 4, 8, 8] }],
	};
}

/** Parameters as constant expressions of every kind. */
function constants(): ModelSpec {
	const constant = (output: string, attributes: NodeSpec['attributes']): NodeSpec => ({
		op: 'Constant',
		outputs: [output],
		attributes,
	});
	const apply = (op: string, inputs: string[], output: string, attributes = {}): NodeSpec => ({
		op,
		inputs,
		outputs: [output],
		attributes,
	});
	return {
		graph: {
			nodes: [
				constant('a', { value: { t: { values: VALUES } } }),
				constant('two', { value_float: { f: 2 } }),
				constant('list', { value_floats: { floats: VALUES } }),
				constant('shape', { value_ints: { ints: [4] } }),
				constant('starts', { value_int: { i: 0 } }),
				constant('sparse', {
					sparse_value: { sparse: { values: { values: [1] }, indices: { dtype: 'int64', values: [0] }, dims: [4] } },
				}),
				apply('Identity', ['a'], 'id'),
				apply('Cast', ['id'], 'cast', { to: { i: 1 } }),
				apply('Mul', ['cast', 'two'], 'mul'),
				apply('Div', ['mul', 'two'], 'div'),
				apply('Sqrt', ['div'], 'sqrt'),
				apply('Reciprocal', ['sqrt'], 'reciprocal'),
				apply('Unsqueeze', ['reciprocal', 'starts'], 'unsqueezed'),
				apply('Squeeze', ['unsqueezed'], 'gamma'),
				apply('Reshape', ['list', 'shape'], 'reshaped'),
				apply('Transpose', ['reshaped'], 'beta'),
				apply('ConstantOfShape', ['shape'], 'filled', { value: { t: { values: [0.25] } } }),
				apply('Concat', ['filled', 'filled'], 'twice', { axis: { i: 0 } }),
				apply('Slice', ['twice', 'starts', 'shape'], 'mean'),
				apply('DequantizeLinear', ['q', 'scale', 'zero'], 'variance', { axis: { i: 0 } }),
				batchNorm('x', 'y'),
			],
			initializers: [
				{ name: 'q', dtype: 'int8', values: [1, 2, 3, 4] },
				{ name: 'scale', dims: [], values: [0.5] },
				{ name: 'zero', dtype: 'int8', dims: [], values: [0] },
			],
			inputs: [{ name: 'x', shape: ['N', 4] }],
			outputs: ['y'],
		},
	};
}

function branches(): ModelSpec {
	const inner: GraphSpec = { nodes: [batchNorm('x', 'inner')], outputs: ['inner'] };
	const own: GraphSpec = {
		nodes: [batchNorm('x', 'own')],
		initializers: parameters('raw', 'float32'),
		outputs: ['own'],
	};
	const nested: NodeSpec = {
		op: 'If',
		inputs: ['c'],
		outputs: ['n'],
		attributes: { then_branch: { g: inner }, else_branch: { g: own } },
	};
	const body: GraphSpec = { nodes: [nested], inputs: ['i', 'cond', 'x'], outputs: ['cond', 'n'] };
	return {
		graph: {
			nodes: [nested, { op: 'Loop', inputs: ['m', 'c', 'x'], outputs: ['l'], attributes: { body: { g: body } } }],
			initializers: parameters('raw', 'float32'),
			inputs: ['c', 'x', 'm'],
			outputs: ['n', 'l'],
		},
	};
}

function functions(): ModelSpec {
	const call = (op: string, input: string, output: string): NodeSpec => ({
		op,
		domain: 'local',
		inputs: [input, ...NAMES],
		outputs: [output],
	});
	const norm: NodeSpec = { ...batchNorm('x', 'y'), attributes: { epsilon: { ref: 'eps', type: 1 } } };
	const signature = { domain: 'local', inputs: ['x', ...NAMES], outputs: ['y'] };
	return {
		opsets: { local: 1 },
		graph: {
			nodes: [call('Block', 'x', 'a'), call('Norm', 'a', 'b')],
			initializers: parameters('raw', 'float32'),
			inputs: ['x'],
			outputs: ['b'],
		},
		functions: [
			{ ...signature, name: 'Norm', attributes: ['eps'], attributeDefaults: { eps: { f: 1e-5 } }, nodes: [norm] },
			{ ...signature, name: 'Block', nodes: [call('Norm', 'x', 'h'), call('Norm', 'h', 'y')] },
		],
	};
}

function decomposed(): ModelSpec {
	const apply = (op: string, inputs: string[], output: string): NodeSpec => ({ op, inputs, outputs: [output] });
	const channels = NAMES.map((name): TensorSpec => ({ name, dims: [4, 1, 1], values: VALUES }));
	return {
		graph: {
			nodes: [
				apply('Sub', ['x', 'mean'], 'centred'),
				apply('Add', ['variance', 'epsilon'], 'shifted'),
				apply('Sqrt', ['shifted'], 'deviation'),
				apply('Div', ['centred', 'deviation'], 'normal'),
				apply('Mul', ['normal', 'gamma'], 'scaled'),
				apply('Add', ['scaled', 'beta'], 'y'),
				apply('Mul', ['y', 'gamma'], 'again'),
				apply('Add', ['again', 'beta'], 'z'),
			],
			initializers: [...channels, { name: 'epsilon', dims: [], values: [1e-5] }],
			inputs: [{ name: 'x', shape: ['N', 4, 8, 8] }],
			outputs: ['z'],
		},
	};
}

/** Operators of every kind, two branches, and layers in front of an operator and behind it. */
function residual(): ModelSpec {
	const apply = (op: string, inputs: string[], output: string, attributes: NodeSpec['attributes'] = {}): NodeSpec => ({
		op,
		name: `${op}_${output}`,
		inputs,
		outputs: [output],
		attributes,
	});
	const weight = (name: string, dims: number[]): TensorSpec => ({
		name,
		dims,
		values: Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, index) => Math.sin(index + name.length)),
	});
	return {
		opset: 13,
		graph: {
			nodes: [
				apply('Conv', ['x', 'w0', 'b0'], 'c0', { pads: { ints: [1, 1, 1, 1] } }),
				batchNorm('c0', 'n0'),
				apply('Relu', ['n0'], 'r0'),
				apply('Conv', ['r0', 'w1'], 'c1', { group: { i: 4 }, strides: { ints: [1, 1] } }),
				apply('Add', ['c1', 'added'], 'a1'),
				batchNorm('a1', 'n1'),
				apply('ConvTranspose', ['r0', 'w2'], 'c2'),
				batchNorm('c2', 'n2'),
				apply('Add', ['n1', 'n2'], 's'),
				batchNorm('s', 'n3'),
				apply('Conv', ['n3', 'w3'], 'c3'),
				apply('GlobalAveragePool', ['c3'], 'g'),
				apply('Flatten', ['g'], 'f', { axis: { i: 1 } }),
				apply('Gemm', ['f', 'w4', 'b0'], 'm', { transB: { i: 1 }, alpha: { f: 0.5 } }),
				batchNorm('m', 'n4'),
				apply('MatMul', ['n4', 'w5'], 'p'),
				batchNorm('p', 'y'),
			],
			initializers: [
				...[weight('w0', [4, 2, 3, 3]), weight('w1', [4, 1, 1, 1]), weight('w2', [4, 4, 1, 1]), weight('b0', [4])],
				...[weight('w3', [4, 4, 1, 1]), weight('w4', [4, 4]), weight('w5', [4, 4]), weight('added', [4, 1, 1])],
				...parameters('raw', 'float32'),
			],
			inputs: [{ name: 'x', shape: ['N', 2, 8, 8] }],
			outputs: [{ name: 'y', shape: ['N', 4] }],
		},
	};
}

/** Training mode and Dropout, as an export for training has them. */
function trained(): ModelSpec {
	const norm = batchNorm('x', 'n', { training_mode: { i: 1 } });
	return {
		opset: 15,
		graph: {
			nodes: [
				{ ...norm, outputs: ['n', 'newMean', 'newVariance'] },
				{ op: 'Dropout', inputs: ['n', 'ratio', 'on'], outputs: ['d'] },
				{ op: 'Reshape', inputs: ['d', 'shape'], outputs: ['r'] },
				{ ...batchNorm('r', 'z', { training_mode: { i: 1 } }), outputs: ['z', '', ''] },
			],
			initializers: [
				...parameters('raw', 'float32'),
				{ name: 'ratio', dims: [], values: [0.5] },
				{ name: 'on', dtype: 'bool', dims: [], values: [1] },
				{ name: 'shape', dtype: 'int64', values: [1, 4, -1] },
			],
			inputs: [{ name: 'x', shape: ['N', 4, 8] }],
			outputs: ['z', 'newMean'],
		},
	};
}

/** A convolution with weights in 8 bits in front of a layer. */
function quantized(): ModelSpec {
	const dequantize = (name: string, attributes: NodeSpec['attributes'] = {}): NodeSpec => ({
		op: 'DequantizeLinear',
		inputs: [`${name}_q`, `${name}_s`, `${name}_z`],
		outputs: [name],
		attributes,
	});
	return {
		opset: 13,
		graph: {
			nodes: [
				dequantize('w', { axis: { i: 0 } }),
				dequantize('b'),
				{ op: 'Conv', inputs: ['x', 'w', 'b'], outputs: ['c'] },
				batchNorm('c', 'y'),
			],
			initializers: [
				...parameters('raw', 'float32'),
				{ name: 'w_q', dtype: 'int8', dims: [4, 2, 1, 1], values: [1, 2, 3, 4, 5, -6, 7, -8] },
				{ name: 'w_s', values: [0.5, 0.25, 0.5, 0.25] },
				{ name: 'w_z', dtype: 'int8', values: [0, 0, 0, 0] },
				{ name: 'b_q', dtype: 'int32', values: [1, 2, 3, 4] },
				{ name: 'b_s', dims: [], values: [0.125] },
				{ name: 'b_z', dtype: 'int32', dims: [], values: [0] },
			],
			inputs: [{ name: 'x', shape: ['N', 2, 8, 8] }],
			outputs: ['y'],
		},
	};
}

/** A normalization with the statistics of its own data. */
function handBuilt(): ModelSpec {
	const apply = (op: string, inputs: string[], output: string): NodeSpec => ({
		op,
		inputs,
		outputs: [output],
		attributes: op === 'ReduceMean' ? { axes: { ints: [0, 2, 3] }, keepdims: { i: 1 } } : {},
	});
	return {
		graph: {
			nodes: [
				apply('ReduceMean', ['x'], 'mean'),
				apply('Sub', ['x', 'mean'], 'centered'),
				apply('Mul', ['centered', 'centered'], 'square'),
				apply('ReduceMean', ['square'], 'variance'),
				apply('Add', ['variance', 'epsilon'], 'shifted'),
				apply('Sqrt', ['shifted'], 'deviation'),
				apply('Div', ['centered', 'deviation'], 'y'),
			],
			initializers: [{ name: 'epsilon', dims: [], values: [1e-5] }],
			inputs: [{ name: 'x', shape: ['N', 4, 8, 8] }],
			outputs: ['y'],
		},
	};
}

function oddities(): ModelSpec {
	return {
		graph: {
			nodes: [
				batchNorm('x', 'y'),
				{ op: 'Odd', attributes: { strings: { strings: ['a'] }, graphs: { graphs: [{}] }, zero: { zero: 2 } } },
			],
			initializers: [
				{ name: 'gamma', dtype: 'int4', values: [1, -2, 3] },
				{ name: 'beta', dims: [4], external: { location: 'w.bin', offset: 4, length: 16 } },
				{ name: 'mean', dtype: 'string', values: ['a', 'b'] },
				{ name: 'variance', dtype: 'uint64', form: 'packed', values: [2n ** 60n] },
			],
			sparseInitializers: [{ values: { name: 's', values: [1] }, indices: { dtype: 'int64', values: [0] }, dims: [8] }],
			inputs: [{ name: 'x', dtype: 'float16', shape: [] }],
		},
	};
}
