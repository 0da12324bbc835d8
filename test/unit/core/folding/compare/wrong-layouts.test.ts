import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareModels } from '../../../../../src/core/folding/compare/compare.js';
import { roundTo } from '../../../../../src/core/numbers/float-formats.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import type { NodeSpec, TensorSpec } from '../../../support/model-builder.js';
import { open } from '../../../support/open.js';

const EPSILON = Math.fround(1e-5);
const PARAMETERS = ['g', 't', 'u', 'v'];
const BN: NodeSpec = { op: 'BatchNormalization', name: 'bn', inputs: ['h', ...PARAMETERS], outputs: ['y'] };

interface Layer {
	readonly g: number[];
	readonly t: number[];
	readonly u: number[];
	readonly v: number[];
	readonly scale: number[];
	readonly shift: number[];
}

function drawLayer(channels: number, seed: number): Layer {
	const random = seededRandom(seed);
	const draw = (value: () => number) => Array.from({ length: channels }, () => Math.fround(value()));
	const [g, t, u] = [draw(() => 0.5 + random.uniform()), draw(random.normal), draw(random.normal)];
	const v = draw(() => 0.2 + random.uniform());
	const scale = g.map((gamma, c) => gamma / Math.sqrt(v[c] + EPSILON));
	return { g, t, u, v, scale, shift: t.map((beta, c) => beta - u[c] * scale[c]) };
}

const draw = (length: number, seed: number): number[] => {
	const { normal } = seededRandom(seed);
	return Array.from({ length }, () => Math.fround(normal()));
};

const tensor = (name: string, dims: readonly number[], values: readonly number[]): TensorSpec => {
	return { name, dims, values: values.map(Math.fround) };
};

const parametersOf = (layer: Pick<Layer, 'g' | 't' | 'u' | 'v'>): TensorSpec[] =>
	(['g', 't', 'u', 'v'] as const).map((name) => tensor(name, [layer[name].length], layer[name]));

function model(shape: readonly number[], nodes: readonly NodeSpec[], initializers: readonly TensorSpec[]) {
	return open({ opset: 15, graph: { inputs: [{ name: 'x', shape }], outputs: ['y'], nodes, initializers } });
}

async function verdict(original: ReturnType<typeof model>, deployed: ReturnType<typeof model>) {
	const [a, b] = [await original, await deployed].map(({ model, source }) => ({ model, access: { source } }));
	const { layers } = await compareModels(a, b);
	assert.equal(layers.length, 1);
	return layers[0];
}

const operator = (op: string, inputs: readonly string[], output: string, attributes: NodeSpec['attributes'] = {}) => {
	return { op, name: 'operator', inputs, outputs: [output], attributes };
};

test('a scale applied in memory order is named, for transposed convolutions of other sizes', async () => {
	for (const [seed, [from, to, kernel]] of [
		[4, 6, 3],
		[6, 4, 2],
		[10, 5, 3],
	].entries()) {
		const layer = drawLayer(to, seed + 1);
		const dims = [from, to, kernel, kernel];
		const weight = draw(from * to * kernel * kernel, seed + 50);
		const chunk = weight.length / to;
		const scaled = weight.map((value, index) => value * layer.scale[Math.floor(index / chunk)]);
		const shape = [1, from, 5, 5];
		const found = await verdict(
			model(
				shape,
				[operator('ConvTranspose', ['x', 'w'], 'h'), BN],
				[tensor('w', dims, weight), ...parametersOf(layer)],
			),
			model(
				shape,
				[operator('ConvTranspose', ['x', 'w', 'b'], 'y')],
				[tensor('w', dims, scaled), tensor('b', [to], layer.shift)],
			),
		);
		assert.deepEqual([found.status, found.cause], ['mismatch', 'wrong-axis'], dims.join());
		assert.ok(found.confidence > 0.9);
		assert.match(found.evidence, new RegExp(`memory, in a view of \\(${to}, -1\\)`));
	}
});

test('a scale broadcast along an axis of size 1 is named although the shape changed', async () => {
	const layer = drawLayer(4, 3);
	const weight = draw(4 * 9, 4);
	const wide = Array.from({ length: 4 * 4 * 9 }, (_, index) => {
		return weight[Math.floor(index / 36) * 9 + (index % 9)] * layer.scale[Math.floor(index / 9) % 4];
	});
	const group = { group: { i: 4 } };
	const original = model(
		[1, 4, 5, 5],
		[operator('ConvTranspose', ['x', 'w'], 'h', group), BN],
		[tensor('w', [4, 1, 3, 3], weight), ...parametersOf(layer)],
	);
	const deployedWith = (values: readonly number[]) =>
		model(
			[1, 4, 5, 5],
			[operator('ConvTranspose', ['x', 'w', 'b'], 'y', group)],
			[tensor('w', [4, 4, 3, 3], values), tensor('b', [4], layer.shift)],
		);
	const found = await verdict(original, deployedWith(wide));
	assert.deepEqual([found.status, found.cause, found.into?.name], ['mismatch', 'wrong-axis', 'operator']);
	assert.match(found.evidence, /\[4, 4, 3, 3\] where \[4, 1, 3, 3\] belongs: .* broadcast along axis 1/);
	// Another weight of that shape is no broadcast scale.
	assert.equal((await verdict(original, deployedWith(draw(wide.length, 9)))).status, 'unmatched');
});

test("a Gemm's beta that the fold left out and the Gemm applies is named", async () => {
	for (const beta of [2, 0.5, 3]) {
		const layer = drawLayer(6, 11);
		const [weight, bias] = [draw(24, 12), draw(6, 13)];
		const attributes = { transB: { i: 1 }, beta: { f: beta } };
		const inputs = ['x', 'w', 'b'];
		const scaled = weight.map((value, index) => value * layer.scale[Math.floor(index / 4)]);
		const folded = bias.map((value, c) => (value - layer.u[c]) * layer.scale[c] + layer.t[c]);
		const found = await verdict(
			model(
				[3, 4],
				[operator('Gemm', inputs, 'h', attributes), BN],
				[tensor('w', [6, 4], weight), tensor('b', [6], bias), ...parametersOf(layer)],
			),
			model(
				[3, 4],
				[operator('Gemm', inputs, 'y', attributes)],
				[tensor('w', [6, 4], scaled), tensor('b', [6], folded)],
			),
		);
		assert.deepEqual(found.causes, ['gemm-beta-reapplied'], String(beta));
		assert.match(found.evidence, /the fold left it out, and the Gemm applies it/);
	}
});

const CONV = operator('Conv', ['x', 'w'], 'h');
const CONV_WEIGHT = tensor('w', [5, 3, 1, 1], draw(15, 21));

async function keptWith(change: (layer: Layer) => Pick<Layer, 'g' | 't' | 'u' | 'v'>, large: (layer: Layer) => Layer) {
	const layer = large(drawLayer(5, 22));
	return verdict(
		model([1, 3, 4, 4], [CONV, BN], [CONV_WEIGHT, ...parametersOf(layer)]),
		model([1, 3, 4, 4], [CONV, BN], [CONV_WEIGHT, ...parametersOf(change(layer))]),
	);
}

const half = (values: readonly number[]) => values.map((value) => roundTo(value, 'float16'));

test('statistics clipped by a converter to float16 are named with their limit and channels', async () => {
	const large = (layer: Layer): Layer => ({ ...layer, v: [1, 2e5, 3e-9, 4, 3e5], u: [0.5, -2e4, 1, 1, 1] });
	const clip = (limits: readonly [number, number]) => (values: readonly number[]) =>
		half(values.map((value) => Math.sign(value) * Math.min(Math.max(Math.abs(value), limits[0]), limits[1])));
	for (const limits of [
		[1e-7, 1e4],
		[2 ** -24, 65504],
	] as const) {
		const clipped = clip(limits);
		const change = ({ g, t, u, v }: Layer) => ({ g: half(g), t: half(t), u: clipped(u), v: clipped(v) });
		const found = await keptWith(change, large);
		assert.deepEqual([found.status, found.cause, found.confidence], ['mismatch', 'statistics-clipped', 0.99]);
		assert.match(found.evidence, new RegExp(`the variance of channels 1 and 4 is exactly ${limits[1]}`));
		assert.match(found.evidence, new RegExp(`the variance of channel 2 is exactly ${String(limits[0]).slice(0, 4)}`));
	}
	// One more change is no work of the converter.
	const other = await keptWith(({ g, t, u, v }) => ({ g, t, u, v: [2, 65504, v[2], v[3], 65504] }), large);
	assert.notEqual(other.cause, 'statistics-clipped');
});

test('a fold through a Pad node is wrong at the border', async () => {
	const layer = drawLayer(3, 31);
	const weight = draw(5 * 3 * 9, 32);
	const pads: TensorSpec = { name: 'pads', dtype: 'int64', dims: [8], values: [0, 0, 1, 1, 0, 0, 1, 1].map(BigInt) };
	const scaled = weight.map((value, index) => value * layer.scale[Math.floor(index / 9) % 3]);
	const bias = Array.from({ length: 5 }, (_, row) =>
		weight.slice(row * 27, row * 27 + 27).reduce((sum, value, at) => sum + value * layer.shift[Math.floor(at / 9)], 0),
	);
	const pad = (input: string): NodeSpec => ({ op: 'Pad', inputs: [input, 'pads'], outputs: ['p'] });
	const found = await verdict(
		model(
			[1, 3, 5, 5],
			[{ ...BN, inputs: ['x', ...PARAMETERS], outputs: ['n'] }, pad('n'), operator('Conv', ['p', 'w'], 'y')],
			[tensor('w', [5, 3, 3, 3], weight), pads, ...parametersOf(layer)],
		),
		model(
			[1, 3, 5, 5],
			[pad('x'), operator('Conv', ['p', 'w', 'b'], 'y')],
			[tensor('w', [5, 3, 3, 3], scaled), pads, tensor('b', [5], bias)],
		),
	);
	assert.deepEqual([found.status, found.cause], ['mismatch', 'forward-fold-padding']);
});

test('a layer that is gone says which normalization replaced it, and which axis a product has', async () => {
	const layer = drawLayer(3, 41);
	const alone: NodeSpec = { ...BN, inputs: ['x', ...PARAMETERS] };
	const replaced = await verdict(
		model([2, 3, 5], [alone], parametersOf(layer)),
		model([2, 3, 5], [operator('InstanceNormalization', ['x', 'g', 't'], 'y')], parametersOf(layer)),
	);
	assert.match(replaced.evidence, /InstanceNormalization that the original lacks: .* running statistics are lost/);
	const weight = draw(12, 42);
	const turned = await verdict(
		model([2, 3, 4], [operator('MatMul', ['x', 'w'], 'h'), BN], [tensor('w', [4, 3], weight), ...parametersOf(layer)]),
		model([2, 3, 4], [operator('MatMul', ['x', 'w'], 'y')], [tensor('w', [4, 3], weight)]),
	);
	assert.match(turned.evidence, /last axis, and the layer has its channels on axis 1 of rank 3/);
});
