import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConstantResolver } from '../../../../../src/core/onnx/graph/constants.js';
import { Scope } from '../../../../../src/core/onnx/graph/scope.js';
import { typeName } from '../../../../../src/core/onnx/types.js';
import { loadRuntime } from '../../../../../src/engine/child/runtime/runtime.js';
import { type Random, seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import type { NodeSpec, TensorSpec } from '../../../support/model-builder.js';
import { open } from '../../../support/open.js';

const runtime = loadRuntime();

/** A random constant expression as it grows; `dims` follows its last tensor, so that most steps are legal. */
interface Growing {
	readonly random: Random;
	readonly nodes: NodeSpec[];
	readonly initializers: TensorSpec[];
	last: string;
	dims: number[];
}

function pick<T>({ random }: Growing, choices: readonly T[]): T {
	return choices[Math.floor(random.uniform() * choices.length)];
}

function integers(growing: Growing, values: readonly number[]): string {
	const name = `c${growing.initializers.length}`;
	growing.initializers.push({ name, dtype: 'int64', values });
	return name;
}

function floats(growing: Growing, dims: readonly number[]): string {
	const name = `c${growing.initializers.length}`;
	const values = Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => growing.random.normal() * 3);
	growing.initializers.push({ name, dims: [...dims], values });
	return name;
}

function append(
	growing: Growing,
	op: string,
	inputs: readonly string[],
	attributes: NodeSpec['attributes'] = {},
): void {
	const output = `t${growing.nodes.length}`;
	growing.nodes.push({ op, inputs, outputs: [output], attributes });
	growing.last = output;
}

/** Each step appends one operator and keeps `dims` right. */
const STEPS: readonly ((g: Growing) => void)[] = [
	(g) => append(g, pick(g, ['Neg', 'Sqrt', 'Reciprocal', 'Identity', 'Abs', 'Relu', 'Clip']), [g.last]),
	(g) => {
		const other = floats(
			g,
			g.dims.map((dim) => (g.random.uniform() < 0.5 ? 1 : dim)),
		);
		append(
			g,
			pick(g, ['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min']),
			g.random.uniform() < 0.5 ? [g.last, other] : [other, g.last],
		);
	},
	(g) => {
		const order = g.dims.map((_, axis) => axis).sort(() => g.random.uniform() - 0.5);
		append(g, 'Transpose', [g.last], { perm: { ints: order } });
		g.dims = order.map((axis) => g.dims[axis]);
	},
	(g) => {
		const axis = Math.floor(g.random.uniform() * (g.dims.length + 1));
		append(g, 'Unsqueeze', [g.last, integers(g, [axis])]);
		g.dims.splice(axis, 0, 1);
	},
	(g) => {
		append(g, 'Squeeze', [g.last]);
		g.dims = g.dims.filter((dim) => dim !== 1);
	},
	(g) => {
		append(g, 'Flatten', [g.last], { axis: { i: 1 } });
		g.dims = [g.dims[0] ?? 1, g.dims.slice(1).reduce((a, b) => a * b, 1)];
	},
	(g) => {
		append(g, 'Reshape', [g.last, integers(g, [-1, 1])]);
		g.dims = [g.dims.reduce((a, b) => a * b, 1), 1];
	},
	(g) => {
		const axis = Math.floor(g.random.uniform() * g.dims.length);
		append(g, 'Concat', [g.last, floats(g, g.dims), g.last], { axis: { i: axis } });
		g.dims[axis] *= 3;
	},
	(g) => {
		const axis = Math.floor(g.random.uniform() * g.dims.length);
		const [start, end, step] = [pick(g, [0, 1, -1, 9]), pick(g, [-9, -1, 1, 2, 9]), pick(g, [1, 2, -1, -2])];
		append(g, 'Slice', [g.last, ...[start, end, axis, step].map((value) => integers(g, [value]))]);
		const indices = Array.from({ length: g.dims[axis] }, (_, index) => index);
		const sliced = step > 0 ? indices.slice(start, end).filter((_, i) => i % step === 0) : undefined;
		// Backwards only the resolver and the runtime know how many: the expression ends here.
		g.dims = sliced && sliced.length > 0 ? g.dims.with(axis, sliced.length) : [];
	},
	(g) => {
		const axis = Math.floor(g.random.uniform() * g.dims.length);
		append(g, 'Gather', [g.last, integers(g, [g.dims[axis] - 1, -1, 0])], { axis: { i: axis } });
		g.dims[axis] = 3;
	},
	(g) => {
		append(g, 'Expand', [g.last, integers(g, [2, ...g.dims])]);
		g.dims = [2, ...g.dims];
	},
];

function grow(seed: number): Growing {
	const random = seededRandom(seed);
	const dims = [1 + Math.floor(random.uniform() * 3), 1 + Math.floor(random.uniform() * 3)];
	const growing: Growing = { random, nodes: [], initializers: [], last: '', dims };
	growing.last = floats(growing, dims);
	for (let step = 0; step < 5 && growing.dims.length > 0 && growing.dims.length < 6; step++) {
		pick(growing, STEPS)(growing);
	}
	return growing;
}

test('random constant expressions have the value that the runtime computes, bit for bit', async () => {
	let compared = 0;
	for (let seed = 1; seed <= 250; seed++) {
		const { nodes, initializers, last } = grow(seed);
		const { model, source, bytes } = await open({ graph: { nodes, initializers, outputs: [last] } });
		const mine = await new ConstantResolver({ source }).resolve(Scope.ofModel(model), last);
		const session = await runtime.createSession(bytes, { levels: ['disabled'] });
		const theirs = (await session.run(new Map(), [last])).get(last);
		await session.release();
		const what = `seed ${seed}: ${nodes.map(({ op }) => op).join(', ')}`;
		assert.ok(mine.tensor && theirs, `${what}: ${mine.problem}`);
		assert.deepEqual(mine.tensor.dims, theirs.dims, what);
		assert.equal(typeName(mine.tensor.dataType), theirs.type, what);
		assert.deepEqual(Array.from(mine.tensor.data), Array.from(theirs.data, Number), what);
		compared += theirs.data.length;
	}
	assert.ok(compared > 1000, `${compared} values compared`);
});
