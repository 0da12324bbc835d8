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
