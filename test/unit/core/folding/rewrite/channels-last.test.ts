import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findLayers } from '../../../../../src/core/batchnorm/find.js';
import { compareModels } from '../../../../../src/core/folding/compare/compare.js';
import { foldability } from '../../../../../src/core/folding/targets/foldability.js';
import { loadRuntime } from '../../../../../src/engine/child/runtime/runtime.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import type { RuntimeTensor } from '../../../../../src/engine/child/tensors/tensor.js';
import { foldedModel } from '../../../support/folded.js';
import { buildModel, type NodeSpec, type TensorSpec } from '../../../support/model-builder.js';
import { openBytes } from '../../../support/open.js';

const runtime = loadRuntime();
const FLOAT = 1;
const HALF = 10;
const IN = 3;
const C = 5;
/** Order of axes from NHWC to NCHW, and back. */
const TO_NCHW = [0, 3, 1, 2];
const TO_NHWC = [0, 2, 3, 1];

function tensor(seed: number, name: string, dims: readonly number[]): TensorSpec {
	const random = seededRandom(seed);
	const length = dims.reduce((product, dim) => product * dim, 1);
	return { name, dims, values: Array.from({ length }, () => random.normal()) };
}

interface Variant {
	/** Type that the data is cast to between the convolution and the layer. */
	readonly cast?: number;
	/** Adds the bias behind the Transpose, as Keras' exporter does. */
	readonly isBiasBehind?: boolean;
	/** Operator between the convolution and the layer. */
	readonly between?: 'Relu';
	/** Gives the bias a shape with its last dimension from the data, in a form of an exporter. */
	readonly biasShape?: 'Gather' | 'Slice';
	/** Cuts the image, as the border of Keras' Conv2DTranspose; with `isChannels` the channels instead. */
	readonly cut?: 'image' | 'channels';
	/** Leaves out x - mean, so that the layer is a Mul and an Add. */
	readonly isPlain?: boolean;
}

/** Builds a convolution on channels-last data with a layer of Sub, Mul and Add, as Keras exports it. */
function channelsLast(variant: Variant = {}): Uint8Array {
	const { cast = FLOAT, isBiasBehind = true, between, biasShape, cut, isPlain = false } = variant;
	const nodes: NodeSpec[] = [];
	let at = 'x';
	const step = (op: string, inputs: readonly string[] = [], attributes: NodeSpec['attributes'] = {}) => {
		const output = `t${nodes.length}`;
		nodes.push({ op, name: `${op}_${nodes.length}`, inputs: [at, ...inputs], outputs: [output], attributes });
		at = output;
	};
	step('Transpose', [], { perm: { ints: TO_NCHW } });
	step('Conv', isBiasBehind ? ['w'] : ['w', 'bias']);
	if (cut) {
		step('Slice', ['zero', 'last', cut === 'image' ? 'rows' : 'channels']);
	}
	step('Transpose', [], { perm: { ints: TO_NHWC } });
	step('Cast', [], { to: { i: cast } });
	if (cast !== FLOAT) {
		step('Cast', [], { to: { i: FLOAT } });
	}
	if (isBiasBehind) {
		step('Add', [biasShape ? 'shaped_bias' : 'bias_last']);
		step('Cast', [], { to: { i: FLOAT } });
	}
	if (between) {
		step(between);
	}
	if (!isPlain) {
		step('Sub', ['mean']);
	}
	step('Mul', ['scale']);
	step('Add', ['shift']);
	step('Cast', [], { to: { i: FLOAT } });
	step('Relu');
	step('Transpose', [], { perm: { ints: TO_NCHW } });
	const last = nodes[nodes.length - 1];
	nodes[nodes.length - 1] = { ...last, outputs: ['y'] };
	const perChannel = (name: string, seed: number) => tensor(seed, name, [1, 1, 1, C]);
	const initializers = [
		tensor(1, 'w', [C, IN, 3, 3]),
		...(isBiasBehind ? [perChannel('bias_last', 2)] : [tensor(2, 'bias', [C])]),
		...(isPlain ? [] : [perChannel('mean', 3)]),
		perChannel('scale', 4),
		perChannel('shift', 5),
		...constants(variant),
	];
	const inputs = [{ name: 'x', shape: [2, 6, 7, IN] }];
	const graph = { nodes: [...shapeOfBias(variant), ...nodes], initializers, inputs, outputs: ['y'] };
	return buildModel({ opset: 20, graph });
}

function integers(name: string, values: readonly number[], dims = [values.length]): TensorSpec {
	return { name, dtype: 'int64', dims, values };
}

function constants({ biasShape, cut }: Variant): TensorSpec[] {
	return [
		...(biasShape ? [integers('one', [1]), integers('axis', [0]), tensor(6, 'mixing', [IN, C])] : []),
		...(biasShape === 'Gather' ? [integers('position', [3], [])] : []),
		...(biasShape === 'Slice' ? [integers('from', [3]), integers('to', [4])] : []),
		...(cut ? [integers('zero', [0]), integers('last', [-1]), integers('rows', [2]), integers('channels', [1])] : []),
	];
}

/** Nodes of Reshape(bias, Concat(1, 1, 1, Shape(sizes)[3])), with the sizes of a tensor that depends on x. */
function shapeOfBias({ biasShape }: Variant): NodeSpec[] {
	if (!biasShape) {
		return [];
	}
	const node = (op: string, inputs: readonly string[], output: string, attributes: NodeSpec['attributes'] = {}) => {
		return { op, inputs, outputs: [output], attributes };
	};
	const pick =
		biasShape === 'Gather'
			? [node('Gather', ['sizes', 'position'], 'size')]
			: [node('Slice', ['sizes', 'from', 'to'], 'part'), node('Squeeze', ['part', 'axis'], 'size')];
	return [
		node('MatMul', ['x', 'mixing'], 'other'),
		node('Relu', ['other'], 'relu'),
		node('Shape', ['relu'], 'sizes'),
		...pick,
		node('Unsqueeze', ['size', 'axis'], 'dimension'),
		node('Concat', ['one', 'one', 'one', 'dimension'], 'dims', { axis: { i: 0 } }),
		node('Reshape', ['bias_last', 'dims'], 'shaped_bias'),
	];
}

async function run(bytes: Uint8Array): Promise<Float32Array> {
	const random = seededRandom(9);
	const dims = [2, 6, 7, IN];
	const data = Float32Array.from({ length: 2 * 6 * 7 * IN }, () => random.normal());
	const x: RuntimeTensor = { type: 'float32', dims, data };
	const session = await runtime.createSession(bytes, { levels: ['disabled'] });
	const y = (await session.run(new Map([['x', x]]), ['y'])).get('y');
	await session.release();
	assert.ok(y && y.data instanceof Float32Array);
	return y.data;
}

async function reasonsOf(bytes: Uint8Array) {
	const { model, source } = await openBytes(bytes);
	const layers = await findLayers(model, { source });
	return foldability({ model, layers, access: { source } });
}

test("a layer of Keras' exports folds through Transpose and casts without effect, with the bias behind them", async () => {
	const variants: Variant[] = [
		{},
		{ isBiasBehind: false },
		{ biasShape: 'Gather' },
		{ biasShape: 'Slice' },
		{ cut: 'image' },
		{ isPlain: true },
		{ isBiasBehind: false, isPlain: true },
	];
	for (const variant of variants) {
		const bytes = channelsLast(variant);
		const folded = await foldedModel(bytes);
		const { model } = await openBytes(folded);
		const operators = model.graph.nodes.map(({ opType }) => opType);
		assert.ok(!operators.some((op) => ['Sub', 'Mul', 'Add', 'Concat'].includes(op)), operators.join());
		const [a, b] = [await run(bytes), await run(folded)];
		const largest = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
		// 27 products a value, and a scale: 64 roundings of the largest sum are ample.
		assert.ok(a.every((value, index) => Math.abs(value - b[index]) <= 64 * 2 ** -24 * 8 * largest));
		const [original, deployed] = await Promise.all([openBytes(bytes), openBytes(folded)]);
		const { layers } = await compareModels(
			{ model: original.model, access: { source: original.source } },
			{ model: deployed.model, access: { source: deployed.source } },
		);
		assert.deepEqual(
			layers.map(({ status, cause }) => [status, cause]),
			[['match', null]],
		);
	}
});

test('a cast that rounds, an activation between, or a cut through the channels keeps the layer', async () => {
	for (const variant of [{ cast: HALF }, { between: 'Relu' }, { cut: 'channels' }] as const) {
		const [{ reasons, into }] = await reasonsOf(channelsLast(variant));
		assert.ok(reasons.includes('operator-between'), `${reasons.join()} ${into}`);
	}
});
