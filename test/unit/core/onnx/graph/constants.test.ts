import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OnnxError } from '../../../../../src/core/onnx/errors.js';
import { type Constant, ConstantResolver, isConstant } from '../../../../../src/core/onnx/graph/constants.js';
import { Scope } from '../../../../../src/core/onnx/graph/scope.js';
import { typeName } from '../../../../../src/core/onnx/types.js';
import type { GraphSpec, ModelSpec, NodeSpec, TensorSpec } from '../../../support/model-builder.js';
import { open } from '../../../support/open.js';

async function resolve(spec: ModelSpec, name = 'y'): Promise<Constant> {
	const { model, source } = await open(spec);
	return new ConstantResolver({ source }).resolve(Scope.ofModel(model), name);
}

function graph(nodes: readonly NodeSpec[], initializers: readonly TensorSpec[] = [], rest: GraphSpec = {}): ModelSpec {
	return { graph: { nodes, initializers, inputs: ['x'], outputs: ['y'], ...rest } };
}

/** The result of one operator on initializers. */
async function evaluate(
	op: string,
	inputs: readonly TensorSpec[],
	{ attributes = {}, opset = 17 }: { attributes?: NodeSpec['attributes']; opset?: number } = {},
) {
	const initializers = inputs.map((tensor, index) => ({ ...tensor, name: `i${index}` }));
	const names = initializers.map(({ name }) => name);
	const spec = graph([{ op, inputs: names, outputs: ['y'], attributes }], initializers);
	const { tensor, problem } = await resolve({ ...spec, opset });
	return tensor ? { dims: tensor.dims, values: [...tensor.data], dtype: typeName(tensor.dataType) } : problem;
}

const ints = (...values: number[]): TensorSpec => ({ dtype: 'int64', values });

test('an initializer is itself; IR 3 lists it as an input too', async () => {
	const initializers = [{ name: 'y', values: [1, 2] }];
	const plain = await resolve(graph([], initializers));
	assert.deepEqual(plain.origin, { kind: 'initializer', name: 'y', alsoInput: false, through: [] });
	assert.deepEqual([...(plain.tensor?.data ?? [])], [1, 2]);
	const listed = await resolve(graph([], initializers, { inputs: ['x', 'y'] }));
	assert.ok(listed.origin.kind === 'initializer' && listed.origin.alsoInput);
});

test('every form of Constant that holds numbers', async () => {
	const form = async (attributes: NodeSpec['attributes']) => {
		const { tensor, origin } = await resolve(graph([{ op: 'Constant', name: 'k', outputs: ['y'], attributes }]));
		assert.deepEqual(origin, { kind: 'constant', node: 'k', through: [] });
		return tensor && [typeName(tensor.dataType), tensor.dims, [...tensor.data]];
	};
	assert.deepEqual(await form({ value: { t: { dims: [2, 1], values: [3, 4] } } }), ['float32', [2, 1], [3, 4]]);
	assert.deepEqual(await form({ value_float: { f: 0.5 } }), ['float32', [], [0.5]]);
	assert.deepEqual(await form({ value_floats: { floats: [0.5, 2] } }), ['float32', [2], [0.5, 2]]);
	assert.deepEqual(await form({ value_int: { i: -7 } }), ['int64', [], [-7]]);
	assert.deepEqual(await form({ value_ints: { ints: [7, 8] } }), ['int64', [2], [7, 8]]);
});

test('a Constant of strings is named as such, and sparse constants are read', async () => {
	const text = await resolve(graph([{ op: 'Constant', outputs: ['y'], attributes: { value_string: { s: 'a' } } }]));
	assert.match(text.problem ?? '', /The Constant node "y" holds strings, which/);
	const sparse = { values: { name: 'y', values: [1] }, indices: { dtype: 'int64', values: [0] }, dims: [4] } as const;
	const { origin, tensor } = await resolve(graph([], [], { sparseInitializers: [sparse] }));
	assert.deepEqual(origin, { kind: 'initializer', name: 'y', alsoInput: false, through: [] });
	assert.deepEqual(tensor && [tensor.dims, [...tensor.data]], [[4], [1, 0, 0, 0]]);
	const node = { op: 'Constant', outputs: ['y'], attributes: { sparse_value: { sparse } } };
	assert.deepEqual([...((await resolve(graph([node]))).tensor?.data ?? [])], [1, 0, 0, 0]);
});

test('Identity and Cast are passed through, outermost first', async () => {
	const nodes = [
		{ op: 'Identity', inputs: ['a'], outputs: ['b'] },
		{ op: 'Cast', inputs: ['b'], outputs: ['y'], attributes: { to: { i: 10 } } },
	];
	const { origin, tensor } = await resolve(graph(nodes, [{ name: 'a', values: [0.1] }]));
	assert.deepEqual(origin, { kind: 'initializer', name: 'a', alsoInput: false, through: ['Cast', 'Identity'] });
	// 0.1 in float16 is 1638.5 / 2^14 rounded to even: 1638 * 2^-14.
	assert.deepEqual(tensor && [...tensor.data], [1638 / 16384]);
});

test('run-time values are distinguished from broken constants', async () => {
	const relu = [{ op: 'Relu', name: 'r', inputs: ['x'], outputs: ['y'] }];
	assert.deepEqual((await resolve(graph(relu))).origin, { kind: 'runtime', node: 'r', operator: 'Relu' });
	const identity = [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }];
	assert.deepEqual((await resolve(graph(identity))).origin, { kind: 'graph-input', name: 'x' });
	assert.deepEqual((await resolve(graph([]), 'nowhere')).origin, { kind: 'missing' });
	const random = [{ op: 'RandomNormal', inputs: [], outputs: ['y'] }];
	const { origin, problem } = await resolve(graph(random));
	assert.deepEqual([origin.kind, problem], ['runtime', undefined]);
});

test('a declared type and shape come with a run-time value', async () => {
	const inputs = [{ name: 'x', dtype: 'float16', shape: [3] } as const];
	const { dims, dataType } = await resolve(graph([], [], { inputs }), 'x');
	assert.deepEqual([dims, typeName(dataType)], [[3], 'float16']);
});

test('the expression that optimizers leave of gamma / sqrt(variance + epsilon), in float32 at every step', async () => {
	const f = Math.fround;
	const nodes = [
		{ op: 'Add', inputs: ['variance', 'epsilon'], outputs: ['v'] },
		{ op: 'Sqrt', inputs: ['v'], outputs: ['d'] },
		{ op: 'Div', inputs: ['gamma', 'd'], outputs: ['y'] },
	];
	const initializers = [
		{ name: 'variance', values: [0.3, 7] },
		{ name: 'epsilon', dims: [], values: [1e-5] },
		{ name: 'gamma', values: [1.1, -2] },
	];
	const { tensor, origin } = await resolve(graph(nodes, initializers));
	const scale = (gamma: number, variance: number) => f(f(gamma) / f(Math.sqrt(f(f(variance) + f(1e-5)))));
	assert.deepEqual(tensor && [...tensor.data], [scale(1.1, 0.3), scale(-2, 7)]);
	assert.deepEqual(origin, { kind: 'computed', operators: ['Div', 'Sqrt', 'Add'] });
});

test('element-wise operators broadcast and keep their type', async () => {
	const column = { dims: [2, 1], values: [1, 2] };
	const row = { values: [10, 20, 30] };
	assert.deepEqual(await evaluate('Add', [column, row]), {
		dims: [2, 3],
		values: [11, 21, 31, 12, 22, 32],
		dtype: 'float32',
	});
	const values = async (op: string, ...inputs: TensorSpec[]) => {
		const result = await evaluate(op, inputs);
		return typeof result === 'object' ? result.values : result;
	};
	assert.deepEqual(await values('Sub', row, { values: [1, 2, 3] }), [9, 18, 27]);
	assert.deepEqual(await values('Mul', row, { dims: [], values: [0.5] }), [5, 10, 15]);
	assert.deepEqual(await values('Div', ints(7, -7), ints(2)), [3, -3]);
	assert.deepEqual(await values('Pow', { values: [4, 9] }, { values: [-0.5] }), [0.5, Math.fround(1 / 3)]);
	assert.deepEqual(await values('Neg', { values: [4, -9] }), [-4, 9]);
	assert.deepEqual(await values('Reciprocal', { values: [4, 0] }), [0.25, Number.POSITIVE_INFINITY]);
	assert.deepEqual(await values('Abs', { values: [4, -9] }), [4, 9]);
	assert.deepEqual(await values('Relu', { values: [4, -9] }), [4, 0]);
	assert.deepEqual(await values('Max', row, { values: [15] }, { values: [1, 2, 50] }), [15, 20, 50]);
	assert.deepEqual(await values('Min', row, { values: [15] }), [10, 15, 15]);
	assert.deepEqual(await values('Max', row), [10, 20, 30]);
	assert.deepEqual(await values('Clip', row, { dims: [], values: [12] }, { dims: [], values: [25] }), [12, 20, 25]);
	const bool = (...list: number[]): TensorSpec => ({ dtype: 'bool', values: list });
	assert.deepEqual(await values('Where', bool(1, 0, 1), row, { values: [7] }), [10, 7, 30]);
	assert.match(String(await values('Add', row, ints(1, 2))), /\[3\] and \[2\] cannot be broadcast together/);
	const bfloat16 = { dtype: 'bfloat16', values: [1] } as const;
	assert.deepEqual(await evaluate('Add', [bfloat16, { dtype: 'bfloat16', values: [2 ** -8] }]), {
		dims: [1],
		values: [1],
		dtype: 'bfloat16',
	});
});

test('limits of Clip are attributes before opset 11', async () => {
	const options = { attributes: { min: { f: 2 } }, opset: 6 };
	assert.deepEqual(await evaluate('Clip', [{ values: [1, 2, 3] }], options), {
		...{ dims: [3], values: [2, 2, 3], dtype: 'float32' },
	});
});

test('Tile repeats along each axis', async () => {
	const tiled = await evaluate('Tile', [{ dims: [2, 1], values: [1, 2] }, ints(2, 3)]);
	assert.deepEqual(tiled, { dims: [4, 3], values: [1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2], dtype: 'float32' });
	assert.match(String(await evaluate('Tile', [{ values: [1] }, ints(2, 3)])), /2 repeats for 1 dimensions/);
	assert.match(String(await evaluate('Tile', [{ values: [1] }, ints(2 ** 40)])), /elements; at most/);
	assert.match(String(await evaluate('Tile', [{ values: [1] }, ints(-1)])), /impossible shape/);
});

test('before opset 7 an axis attribute gives the place of the second operand', async () => {
	const a = { dims: [1, 2, 2], values: [1, 2, 3, 4] };
	const options = { attributes: { broadcast: { i: 1 }, axis: { i: 1 } }, opset: 6 };
	const result = await evaluate('Mul', [a, { values: [10, 100] }], options);
	assert.deepEqual(result, { dims: [1, 2, 2], values: [10, 20, 300, 400], dtype: 'float32' });
});

test('DequantizeLinear per tensor and per axis', async () => {
	const x = { dtype: 'int8', dims: [2, 2], values: [-128, 127, 3, 4] } as const;
	const zero = { dtype: 'int8', dims: [], values: [-128] } as const;
	const whole = await evaluate('DequantizeLinear', [x, { dims: [], values: [0.5] }, zero]);
	assert.deepEqual(whole, { dims: [2, 2], values: [0, 127.5, 65.5, 66], dtype: 'float32' });
	const rows = await evaluate('DequantizeLinear', [x, { values: [1, 0.5] }], { attributes: { axis: { i: 0 } } });
	assert.deepEqual(rows, { dims: [2, 2], values: [-128, 127, 1.5, 2], dtype: 'float32' });
	const wrong = await evaluate('DequantizeLinear', [x, { values: [1, 2, 3] }]);
	assert.match(String(wrong), /shape \[3\] along axis 1 of \[2, 2\]/);
});

test('DequantizeLinear by blocks along an axis', async () => {
	const x = { dtype: 'int4', dims: [2, 4], values: [-8, 7, 1, 2, 3, 4, 5, 6] } as const;
	const attributes = { axis: { i: 1 }, block_size: { i: 2 } };
	const scale = { dims: [2, 2], values: [1, 10, 100, 1000] };
	const blocks = await evaluate('DequantizeLinear', [x, scale], { attributes });
	assert.deepEqual(blocks, { dims: [2, 4], values: [-8, 7, 10, 20, 300, 400, 5000, 6000], dtype: 'float32' });
	const wrong = await evaluate('DequantizeLinear', [x, { dims: [2, 1], values: [1, 2] }], { attributes });
	assert.match(String(wrong), /scale or zero point of shape \[2, 1\]/);
});

test('QuantizeLinear rounds to even and clips to the type of its zero point', async () => {
	const x = { dims: [2, 3], values: [0.5, 1.5, -300, 2.6, 1e9, -0.5] };
	const scale = { dims: [], values: [1] };
	const whole = await evaluate('QuantizeLinear', [x, scale, { dtype: 'int8', dims: [], values: [1] }]);
	assert.deepEqual(whole, { dims: [2, 3], values: [1, 3, -128, 4, 127, 1], dtype: 'int8' });
	const rows = await evaluate('QuantizeLinear', [x, { values: [1, 10] }], { attributes: { axis: { i: 0 } } });
	assert.deepEqual(rows, { dims: [2, 3], values: [0, 2, 0, 0, 255, 0], dtype: 'uint8' });
});

test('operators that only rearrange', async () => {
	const x = { dims: [2, 3], values: [1, 2, 3, 4, 5, 6] };
	const shaped = async (op: string, inputs: TensorSpec[], attributes?: NodeSpec['attributes'], opset?: number) => {
		const result = await evaluate(op, inputs, { attributes, opset });
		return typeof result === 'object' ? [result.dims, result.values] : result;
	};
	const straight = [1, 2, 3, 4, 5, 6];
	assert.deepEqual(await shaped('Reshape', [x, ints(0, -1, 1)]), [[2, 3, 1], straight]);
	assert.match(String(await shaped('Reshape', [x, ints(4)])), /reshapes \[2, 3\] into \[4\]/);
	assert.deepEqual(await shaped('Flatten', [x], { axis: { i: 0 } }), [[1, 6], straight]);
	assert.deepEqual(await shaped('Unsqueeze', [x, ints(-1, 0)]), [[1, 2, 3, 1], straight]);
	assert.deepEqual(await shaped('Unsqueeze', [x], { axes: { ints: [1] } }, 11), [[2, 1, 3], straight]);
	assert.deepEqual(await shaped('Squeeze', [{ ...x, dims: [1, 2, 1, 3] }, ints(2)]), [[1, 2, 3], straight]);
	assert.deepEqual(await shaped('Squeeze', [{ ...x, dims: [1, 6, 1] }]), [[6], straight]);
	assert.deepEqual(await shaped('Transpose', [x]), [
		[3, 2],
		[1, 4, 2, 5, 3, 6],
	]);
	assert.deepEqual(await shaped('Expand', [{ dims: [2, 1], values: [7, 8] }, ints(1, 2, 2)]), [
		[1, 2, 2],
		[7, 7, 8, 8],
	]);
	const tail = { dims: [2, 1], values: [9, 0] };
	assert.deepEqual(await shaped('Concat', [x, tail], { axis: { i: 1 } }), [
		[2, 4],
		[1, 2, 3, 9, 4, 5, 6, 0],
	]);
	assert.match(
		String(await shaped('Concat', [x, { dims: [1, 3], values: [1, 2, 3] }], { axis: { i: 1 } })),
		/differ beyond axis 1/,
	);
	assert.deepEqual(await shaped('Gather', [x, ints(2, -3)], { axis: { i: 1 } }), [
		[2, 2],
		[3, 1, 6, 4],
	]);
	assert.match(String(await shaped('Gather', [x, ints(5)])), /Axis 5 does not exist|index/i);
	assert.deepEqual(await shaped('Shape', [x]), [[2], [2, 3]]);
});

test('Slice clamps, counts from the end and steps backwards', async () => {
	const x = { values: [0, 1, 2, 3, 4] };
	const slice = async (start: number, end: number, step: number) => {
		const result = await evaluate('Slice', [x, ints(start), ints(end), ints(0), ints(step)]);
		return typeof result === 'object' ? result.values : result;
	};
	assert.deepEqual(await slice(1, 3, 1), [1, 2]);
	assert.deepEqual(await slice(-2, 2 ** 40, 1), [3, 4]);
	assert.deepEqual(await slice(-1, -(2 ** 40), -2), [4, 2, 0]);
	assert.deepEqual(await slice(3, 1, 1), []);
	assert.match(String(await slice(0, 1, 0)), /step 0/);
	const legacy = await evaluate('Slice', [x], { attributes: { starts: { ints: [3] }, ends: { ints: [9] } }, opset: 9 });
	assert.deepEqual(legacy, { dims: [2], values: [3, 4], dtype: 'float32' });
});

test('ConstantOfShape fills with its value, 0 by default', async () => {
	const value = { value: { t: { values: [2.5] } } };
	const filled = await evaluate('ConstantOfShape', [ints(2, 2)], { attributes: value });
	assert.deepEqual(filled, { dims: [2, 2], values: [2.5, 2.5, 2.5, 2.5], dtype: 'float32' });
	assert.deepEqual(await evaluate('ConstantOfShape', [ints(1)]), { dims: [1], values: [0], dtype: 'float32' });
});

test('CastLike takes the type of a run-time value where it is declared', async () => {
	const nodes = [{ op: 'CastLike', inputs: ['a', 'x'], outputs: ['y'] }];
	const inputs = [{ name: 'x', dtype: 'float64', shape: [3] } as const];
	const { tensor } = await resolve(graph(nodes, [{ name: 'a', values: [0.1] }], { inputs }));
	assert.deepEqual(tensor && [typeName(tensor.dataType), [...tensor.data]], ['float64', [Math.fround(0.1)]]);
});

test('an operator that is not evaluated is named', async () => {
	const { problem, tensor } = await resolve(
		graph([{ op: 'Erf', inputs: ['a'], outputs: ['y'] }], [{ name: 'a', values: [1] }]),
	);
	assert.equal(tensor, null);
	assert.equal(problem, '"y" is computed by Erf from constants, which is not evaluated here.');
});

test('cycles, long chains and huge shapes end in a sentence', async () => {
	const cycle = [
		{ op: 'Neg', inputs: ['b'], outputs: ['y'] },
		{ op: 'Neg', inputs: ['y'], outputs: ['b'] },
	];
	assert.match((await resolve(graph(cycle))).problem ?? '', /computed by a cycle, or by more than 100 nodes deep/);
	const shape = { dtype: 'int64', values: [2 ** 40] } as const;
	assert.match(String(await evaluate('ConstantOfShape', [shape])), /1099511627776 elements; at most 4194304/);
	assert.match(String(await evaluate('ConstantOfShape', [ints(-1)])), /impossible shape \[-1\]/);
	assert.match(String(await evaluate('ConstantOfShape', [ints(...Array(70).fill(1))])), /70 dimensions; at most 64/);
});

test('a value used twice is evaluated once: doubling chains stay linear', async () => {
	const nodes = Array.from({ length: 60 }, (_, index) => ({
		op: 'Add',
		inputs: [index === 0 ? 'a' : `n${index}`, index === 0 ? 'a' : `n${index}`],
		outputs: [index === 59 ? 'y' : `n${index + 1}`],
	}));
	const { tensor } = await resolve(graph(nodes, [{ name: 'a', values: [1] }]));
	assert.deepEqual(tensor && [...tensor.data], [2 ** 60]);
});

test('the elements that a model makes of a few bytes are limited together', async () => {
	const scalar = { name: 'one', dims: [], values: [1] };
	const shape = { name: 's', dtype: 'int64', values: [1 << 18] } as const;
	const thirds = { name: 'r', dtype: 'int64', values: [3] } as const;
	const value = { value: { t: { values: [2] } } };
	const makers: readonly Omit<NodeSpec, 'outputs'>[] = [
		{ op: 'ConstantOfShape', inputs: ['s'], attributes: value },
		{ op: 'Expand', inputs: ['one', 's'] },
		{ op: 'Tile', inputs: ['big', 'r'] },
		{ op: 'Concat', inputs: ['big', 'big', 'big'], attributes: { axis: { i: 0 } } },
		{ op: 'Add', inputs: ['big', 'one'] },
		{ op: 'Cast', inputs: ['big'], attributes: { to: { i: 11 } } },
		{ op: 'Neg', inputs: ['big'] },
		{ op: 'Clip', inputs: ['big'] },
		{ op: 'Where', inputs: ['big', 'one', 'one'] },
		{ op: 'QuantizeLinear', inputs: ['big', 'one'] },
		{ op: 'Gather', inputs: ['one1', 'zeros'] },
	];
	for (const maker of makers) {
		const first = { op: 'Expand', inputs: ['one', 's'], outputs: ['big'] };
		const zeros = { op: 'ConstantOfShape', inputs: ['s'], outputs: ['zeros'] };
		const nodes = [first, zeros, ...Array.from({ length: 5 }, (_, at) => ({ ...maker, outputs: [`y${at}`] }))];
		const { model, source } = await open(graph(nodes, [scalar, shape, thirds, { name: 'one1', values: [1] }]));
		const resolver = new ConstantResolver({ source });
		const found: Constant[] = [];
		for (let at = 0; at < 5; at++) {
			found.push(await resolver.resolve(Scope.ofModel(model), `y${at}`));
		}
		const elements = found.reduce((total, { tensor }) => total + (tensor?.data.length ?? 0), 0);
		assert.ok(elements <= 2 ** 20 + 16 * 64, `${maker.op} made ${elements}`);
		assert.match(found[4].problem ?? '', /too many to evaluate: the limit is 10\d{5} for the constant expr/, maker.op);
	}
});

test('a large weight of the file passes casts, transpositions and reshapes', async () => {
	const count = 2 ** 21;
	const raw = new Uint8Array(2 * count);
	raw[raw.length - 1] = 0x3c;
	const nodes = [
		{ op: 'Cast', inputs: ['w'], outputs: ['cast'], attributes: { to: { i: 1 } } },
		{ op: 'Transpose', inputs: ['cast'], outputs: ['turned'] },
		{ op: 'Reshape', inputs: ['turned', 's'], outputs: ['y'] },
	];
	const initializers: TensorSpec[] = [
		{ name: 'w', dtype: 'float16', dims: [2 ** 10, 2 ** 11], raw },
		{ name: 's', dtype: 'int64', values: [2 ** 11, 2 ** 10, 1, 1] },
	];
	const { tensor, problem } = await resolve(graph(nodes, initializers));
	assert.deepEqual([problem, tensor?.dims, tensor?.data.at(-1)], [undefined, [2 ** 11, 2 ** 10, 1, 1], 1]);
	assert.ok(tensor?.data instanceof Float32Array, 'float32 takes 4 bytes an element');
});

test('values of float32 and narrower take 4 bytes an element', async () => {
	const inputs = [{ name: 'a', values: [1, 2] }, { name: 'i', dtype: 'int64', values: [2] } as const];
	const operators: readonly Omit<NodeSpec, 'outputs'>[] = [
		{ op: 'Add', inputs: ['a', 'a'] },
		{ op: 'Sqrt', inputs: ['a'] },
		{ op: 'Max', inputs: ['a', 'a'] },
		{ op: 'Where', inputs: ['a', 'a', 'a'] },
		{ op: 'Expand', inputs: ['a', 'i'] },
		{ op: 'Tile', inputs: ['a', 'i'] },
		{ op: 'Concat', inputs: ['a', 'a'], attributes: { axis: { i: 0 } } },
		{ op: 'Cast', inputs: ['i'], attributes: { to: { i: 16 } } },
		{ op: 'ConstantOfShape', inputs: ['i'] },
	];
	for (const operator of operators) {
		const { tensor } = await resolve(graph([{ ...operator, outputs: ['y'] }], inputs));
		assert.ok(tensor?.data instanceof Float32Array, operator.op);
	}
	const wide = [{ op: 'Cast', inputs: ['a'], outputs: ['y'], attributes: { to: { i: 11 } } }];
	assert.ok((await resolve(graph(wide, inputs))).tensor?.data instanceof Float64Array);
});

test('a Constant in a function is read once for all calls', async () => {
	const nodes = Array.from({ length: 3 }, (_, at) => ({ op: 'F', domain: 'own', outputs: [`y${at}`] }));
	const constant = { op: 'Constant', outputs: ['k'], attributes: { value: { t: { values: [1, 2] } } } };
	const functions = [{ domain: 'own', name: 'F', inputs: [], outputs: ['k'], nodes: [constant] }];
	const { model, source } = await open({ ...graph(nodes), functions });
	const resolver = new ConstantResolver({ source });
	const found: Constant['tensor'][] = [];
	for (let at = 0; at < 3; at++) {
		found.push((await resolver.resolve(Scope.ofModel(model), `y${at}`)).tensor);
	}
	assert.ok(found[0] && found.every((tensor) => tensor === found[0]));
});

test('a broken tensor is an answer, a file that cannot be read is an error', async () => {
	const short = { name: 'y', dims: [4], raw: new Uint8Array(8) };
	assert.match((await resolve(graph([], [short]))).problem ?? '', /y/);
	const { model } = await open(graph([], [{ name: 'y', values: [1, 2] }]));
	const gone = { name: 'm.onnx', size: 9, read: () => Promise.reject(new OnnxError('io', 'm.onnx has vanished.')) };
	await assert.rejects(new ConstantResolver({ source: gone }).resolve(Scope.ofModel(model), 'y'), /has vanished/);
});

test('the question whether a value is constant reads no tensor', async () => {
	const nodes = [
		{ op: 'Transpose', inputs: ['a'], outputs: ['t'] },
		{ op: 'Mul', inputs: ['t', 'x'], outputs: ['y'] },
	];
	const { model } = await open(graph(nodes, [{ name: 'a', dims: [1, 2], values: [1, 2] }]));
	const scope = Scope.ofModel(model);
	assert.deepEqual(
		['a', 't', 'y', 'x', ''].map((name) => isConstant(scope, name)),
		[true, true, false, false, false],
	);
});

test('integer arithmetic that leaves the range of its type is not evaluated', async () => {
	const cases: readonly (readonly [string, TensorSpec, TensorSpec])[] = [
		['Add', { dtype: 'int32', values: [2 ** 31 - 1] }, { dtype: 'int32', values: [1] }],
		['Sub', { dtype: 'uint8', values: [1] }, { dtype: 'uint8', values: [2] }],
		['Mul', { dtype: 'int8', values: [100] }, { dtype: 'int8', values: [2] }],
		['Mul', { dtype: 'int64', values: [2n ** 40n] }, { dtype: 'int64', values: [2n ** 30n] }],
		['Div', { dtype: 'int32', values: [1] }, { dtype: 'int32', values: [0] }],
		['Pow', { dtype: 'uint16', values: [256] }, { dtype: 'uint16', values: [2] }],
	];
	for (const [op, a, b] of cases) {
		assert.match(String(await evaluate(op, [a, b])), /beyond the range of its type/, `${op} of ${a.dtype}`);
	}
	const within = await evaluate('Add', [
		{ dtype: 'int32', values: [2 ** 31 - 2] },
		{ dtype: 'int32', values: [1] },
	]);
	assert.deepEqual(within, { dims: [1], values: [2 ** 31 - 1], dtype: 'int32' });
});
