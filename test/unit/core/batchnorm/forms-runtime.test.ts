import assert from 'node:assert/strict';
import { test } from 'node:test';
import { affine } from '../../../../src/core/batchnorm/affine.js';
import { inferenceBound } from '../../../../src/core/batchnorm/bound.js';
import { findLayers } from '../../../../src/core/batchnorm/find.js';
import { parameterValues } from '../../../../src/core/batchnorm/parameters.js';
import { loadRuntime } from '../../../../src/engine/child/runtime/runtime.js';
import { seededRandom } from '../../../../src/engine/child/tensors/random.js';
import type { RuntimeTensor } from '../../../../src/engine/child/tensors/tensor.js';
import { rawElements } from '../../support/elements.js';
import {
	buildModel,
	type ModelSpec,
	type NodeSpec,
	type TensorForm,
	type TensorSpec,
} from '../../support/model-builder.js';
import { open } from '../../support/open.js';

const runtime = loadRuntime();
const C = 5;

/** One model with one layer that reads x and writes y, both of this type and shape. */
interface Form {
	readonly shape: readonly number[];
	readonly dtype?: 'float32' | 'float64' | 'float16';
	readonly opset?: number;
	readonly nodes: readonly NodeSpec[];
	readonly initializers: readonly TensorSpec[];
}

function random(seed: number, length: number, scale = 1): number[] {
	const generator = seededRandom(seed);
	return Array.from({ length }, () => generator.normal() * scale);
}

function parameters(changes: Partial<TensorSpec> = {}, length = C): TensorSpec[] {
	const common = { dims: [length], ...changes };
	return [
		{ name: 'g', values: random(1, length), ...common },
		{ name: 'b', values: random(2, length), ...common },
		{ name: 'm', values: random(3, length, 4), ...common },
		{ name: 'v', values: random(4, length).map((value) => value * value + 1e-3), ...common },
	];
}

function operator(changes: Partial<NodeSpec> = {}): NodeSpec {
	return { op: 'BatchNormalization', inputs: ['x', 'g', 'b', 'm', 'v'], outputs: ['y'], ...changes };
}

/** x as the runtime takes it, and its values. */
function input({ shape, dtype = 'float32' }: Form): RuntimeTensor {
	const length = shape.reduce((product, dim) => product * dim, 1);
	const bytes = rawElements(dtype, random(5, length, 10));
	const buffer = bytes.buffer as ArrayBuffer;
	return { type: dtype, dims: shape, data: view(dtype, buffer) };
}

function view(dtype: NonNullable<Form['dtype']>, buffer: ArrayBuffer): RuntimeTensor['data'] {
	switch (dtype) {
		case 'float32':
			return new Float32Array(buffer);
		case 'float64':
			return new Float64Array(buffer);
		case 'float16':
			return new Uint16Array(buffer);
	}
}

function numbers({ type, data }: RuntimeTensor): number[] {
	const values = Array.from<number | bigint, number>(data, Number);
	return type === 'float16' ? values.map(fromHalf) : values;
}

function fromHalf(bits: number): number {
	const exponent = (bits >> 10) & 31;
	const fraction = bits & 1023;
	const magnitude = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
	return bits & 0x8000 ? -magnitude : magnitude;
}

function specOf({ shape, dtype = 'float32', opset = 15, nodes, initializers }: Form): ModelSpec {
	const [x, y] = ['x', 'y'].map((name) => ({ name, dtype, shape }));
	return { opset, graph: { nodes, initializers, inputs: [x], outputs: [y] } };
}

/**
 * Finds the layer, computes its map, and holds the runtime's output to the bound: the worst ratio of the two.
 * @param run what the runtime is given in place of the same model
 */
async function agreement(form: Form, run = form): Promise<number> {
	const { shape, dtype = 'float32' } = form;
	const { model, source } = await open(specOf(form));
	const [layer, ...others] = await findLayers(model, { source });
	assert.ok(layer && others.length === 0);
	const bytes = buildModel(specOf(run));
	const x = input(form);
	const session = await runtime.createSession(bytes, { levels: ['disabled', 'all'] });
	const y = (await session.run(new Map([['x', x]]), ['y'])).get('y');
	await session.release();
	const resolved = parameterValues(layer);
	assert.ok(y && resolved.ok);
	const { gamma, beta, mean, variance } = resolved.value;
	const { scale, shift } = affine(gamma, beta, mean, variance, layer.epsilon);
	const own = layer.kind === 'decomposed' ? 'own' : 'runtime';
	const bound = inferenceBound({ ...resolved.value, epsilon: layer.epsilon }, dtype, own);
	const inner = shape.slice(2).reduce((product, dim) => product * dim, 1);
	const theirs = numbers(y);
	const ratios = numbers(x).map((value, index) => {
		const c = layer.axes === 'activation' ? index % (C * inner) : Math.floor(index / inner) % C;
		const error = Math.abs(theirs[index] - (value * scale[c] + shift[c]));
		return error / (bound.slope[c] * Math.abs(value) + bound.offset[c]);
	});
	return Math.max(...ratios);
}

async function assertAgrees(form: Form): Promise<void> {
	const ratio = await agreement(form);
	assert.ok(ratio <= 1, `error is ${ratio} of its bound`);
}

test('every rank', async () => {
	for (const shape of [
		[3, C],
		[2, C, 7],
		[2, C, 3, 4],
		[1, C, 2, 3, 4],
	]) {
		await assertAgrees({ shape, nodes: [operator()], initializers: parameters() });
	}
});

test('every opset that the runtime has a kernel for', async () => {
	for (const opset of [7, 8, 9, 13, 14, 15, 17]) {
		await assertAgrees({ shape: [2, C, 4], opset, nodes: [operator()], initializers: parameters() });
	}
});

test('every element type that the runtime has a kernel for', async () => {
	for (const dtype of ['float32', 'float64', 'float16'] as const) {
		await assertAgrees({ shape: [2, C, 9], dtype, nodes: [operator()], initializers: parameters({ dtype }) });
	}
});

test('every storage form', async () => {
	for (const form of ['raw', 'packed', 'unpacked', 'chunked'] satisfies TensorForm[]) {
		for (const dtype of ['float32', 'float64', 'float16'] as const) {
			const initializers = parameters({ dtype, form });
			await assertAgrees({ shape: [2, C, 3], dtype, nodes: [operator()], initializers });
		}
	}
});

test('per activation, with parameters of shape (C, D1)', async () => {
	const initializers = parameters({ dims: [C, 3] }, C * 3);
	const attributes = { spatial: { i: 0 } };
	await assertAgrees({ shape: [4, C, 3], opset: 7, nodes: [operator({ attributes })], initializers });
});

test('epsilon of 0, small and large', async () => {
	for (const epsilon of [0, 1e-9, 1e-3, 0.8]) {
		const attributes = { epsilon: epsilon === 0 ? { zero: 1 } : { f: epsilon } };
		await assertAgrees({ shape: [2, C, 4], nodes: [operator({ attributes })], initializers: parameters() });
	}
});

test('denormal variances with epsilon 0: a huge scale, still within its bound', async () => {
	const initializers = parameters().map((tensor) =>
		tensor.name === 'v' ? { ...tensor, values: [5.6e-45, 1e-40, 1e-38, 1e-30, 1] } : tensor,
	);
	await assertAgrees({ shape: [2, C, 4], nodes: [operator({ attributes: { epsilon: { zero: 1 } } })], initializers });
});

test('parameters as Constant nodes, through Identity and as expressions', async () => {
	const [g, b, m, v] = parameters();
	const nodes = [
		{ op: 'Constant', outputs: ['gc'], attributes: { value: { t: g } } },
		{ op: 'Constant', outputs: ['bc'], attributes: { value_floats: { floats: (b.values ?? []).map(Number) } } },
		{ op: 'Identity', inputs: ['m'], outputs: ['mc'] },
		{ op: 'Mul', inputs: ['v', 'two'], outputs: ['v2'] },
		operator({ inputs: ['x', 'gc', 'bc', 'mc', 'v2'] }),
	];
	await assertAgrees({ shape: [2, C, 4], nodes, initializers: [m, v, { name: 'two', dims: [], values: [2] }] });
});

test('decomposed: the textbook chain, in both types that it is written in', async () => {
	for (const dtype of ['float32', 'float16'] as const) {
		const initializers = [...parameters({ dtype, dims: [C, 1] }), { name: 'e', dtype, dims: [], values: [1e-3] }];
		const nodes = [
			{ op: 'Sub', inputs: ['x', 'm'], outputs: ['a'] },
			{ op: 'Add', inputs: ['v', 'e'], outputs: ['w'] },
			{ op: 'Sqrt', inputs: ['w'], outputs: ['d'] },
			{ op: 'Div', inputs: ['a', 'd'], outputs: ['n'] },
			{ op: 'Mul', inputs: ['n', 'g'], outputs: ['s'] },
			{ op: 'Add', inputs: ['s', 'b'], outputs: ['y'] },
		];
		await assertAgrees({ shape: [2, C, 6], dtype, nodes, initializers });
	}
});

test('the check can fail: a mean that differs in its last bits leaves the bound', async () => {
	const form = { shape: [2, C, 4], nodes: [operator()], initializers: parameters() };
	const off = form.initializers.map(({ name = '', values = [] }) => ({
		name,
		values: name === 'm' ? values.map((value) => Number(value) * (1 + 2 ** -17)) : values,
	}));
	const ratio = await agreement(form, { ...form, initializers: off });
	assert.ok(ratio > 1, `error is ${ratio} of its bound`);
});
