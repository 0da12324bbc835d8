/** Sizes that are told before a model is loaded, held against what onnxruntime makes of the same model. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ShapeInference } from '../../../../../src/core/onnx/graph/infer.js';
import { Scope } from '../../../../../src/core/onnx/graph/scope.js';
import { appendGraphOutputs } from '../../../../../src/core/onnx/write/outputs.js';
import { openModel } from '../../../../../src/engine/child/model/opened-model.js';
import { borrowRoom, expectedBytes } from '../../../../../src/engine/child/run/memory-plan.js';
import { checkedTensors } from '../../../../../src/engine/child/run/tensors-wanted.js';
import { makePages } from '../../../../../src/engine/child/runtime/prefault.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import { createKernel } from '../../../../../src/kernel/index.js';
import { runtime, sharedKernel } from '../../../support/inspect.js';
import { buildModel, type NodeSpec } from '../../../support/model-builder.js';
import { mobileNetV2 } from '../../../support/networks.js';
import { openBytes } from '../../../support/open.js';

/** Runs a model of one input, x, and resolves to the shapes of these tensors. */
async function shapesByRuntime(bytes: Uint8Array, names: readonly string[], dims: readonly number[]) {
	const tail = appendGraphOutputs(names, (await openBytes(bytes)).model.graph.outputs);
	const session = await runtime.createSession(Buffer.concat([bytes, tail]), { levels: ['disabled'] });
	const size = dims.reduce((product, dimension) => product * dimension, 1);
	const [{ name }] = session.inputs;
	try {
		const results = await session.run(
			new Map([[name, { type: 'float32', dims, data: new Float32Array(size).fill(0.5) }]]),
			names,
		);
		return new Map([...results].map(([output, tensor]) => [output, tensor.dims]));
	} finally {
		await session.release();
	}
}

test('all that a network of convolutions captures is expected, to the byte', async () => {
	for (const bytes of [
		mobileNetV2(64),
		...['preact', 'generator', 'plain_cnn', 'conv3d'].map((name) => readFileSync(`test/fixtures/models/${name}.onnx`)),
	]) {
		const { model, layers } = await openModel({ path: 'model.onnx', bytes });
		const [input] = model.graph.inputs;
		const dims = (input.shape ?? []).map((size) => (typeof size === 'number' ? size : 2));
		const names = [...new Set(layers.flatMap(checkedTensors))];
		const shapes = await shapesByRuntime(bytes, names, dims);
		const total = names.reduce((sum, name) => sum + 4 * (shapes.get(name) ?? []).reduce((a, b) => a * b, 1), 0);
		const fed = {
			tensors: new Map([[input.name, { type: 'float32', dims, data: new Float32Array() }]]),
		};
		const expected = expectedBytes(model, names, { ...fed, symbols: new Map() });
		// What a Resize makes of its input is not worked out.
		const some = model.graph.nodes.some(({ opType }) => opType === 'Resize');
		assert.ok(
			some ? expected > 0 && expected < total : expected === total,
			`${expected} of ${total}: ${model.graph.nodes.map(({ opType }) => opType)}`,
		);
	}
});

test('spatial sizes are those of the runtime, or unknown', async () => {
	const random = seededRandom(7);
	const below = (count: number) => Math.floor(random.uniform() * count);
	const WINDOWED = ['Conv', 'ConvTranspose', 'MaxPool', 'AveragePool'];
	const known = { right: 0, unknown: 0, refused: 0 };
	for (let number = 0; number < 400; number++) {
		const op = WINDOWED[number % WINDOWED.length];
		const dims = [1 + below(2), 2, 8 + below(9), 8 + below(9)];
		const kernel = [1 + below(4), 1 + below(4)];
		const pools = op.endsWith('Pool');
		const automatic = ['NOTSET', 'SAME_UPPER', 'SAME_LOWER', 'VALID'][below(8)];
		const roundsUp = pools ? below(2) : 0;
		const explicit = automatic === undefined || automatic === 'NOTSET';
		const attributes: NodeSpec['attributes'] = {
			kernel_shape: { ints: kernel },
			strides: { ints: [1 + below(3), 1 + below(3)] },
			...(op !== 'AveragePool' && { dilations: { ints: [1 + below(2), 1 + below(2)] } }),
			...(explicit && { pads: { ints: [0, 1, 2, 3].map((side) => below(pools ? kernel[side % 2] : 3)) } }),
			...(automatic !== undefined && { auto_pad: { s: automatic } }),
			...(pools && { ceil_mode: { i: roundsUp } }),
			...(op === 'ConvTranspose' && explicit && below(4) === 0 && { output_padding: { ints: [0, 0] } }),
		};
		const weight = op === 'Conv' ? [3, 2, ...kernel] : [2, 3, ...kernel];
		const count = weight.reduce((product, dimension) => product * dimension, 1);
		const bytes = buildModel({
			opset: 13,
			graph: {
				nodes: [{ op, inputs: pools ? ['x'] : ['x', 'w'], outputs: ['y'], attributes }],
				inputs: [{ name: 'x', dtype: 'float32', shape: dims }],
				outputs: [{ name: 'y', dtype: 'float32' }],
				initializers: pools ? [] : [{ name: 'w', dims: weight, values: Array(count).fill(1) }],
			},
		});
		const { model } = await openBytes(bytes);
		const { shape } = new ShapeInference().of(Scope.ofModel(model), 'y');
		const actual = await shapesByRuntime(bytes, ['y'], dims).catch(() => undefined);
		const context = JSON.stringify({ op, dims, attributes, shape, actual: actual?.get('y') });
		if (!actual) {
			known.refused += 1;
		} else if (shape?.includes(undefined)) {
			known.unknown += 1;
			assert.ok(roundsUp === 1 || !explicit, context);
		} else {
			known.right += 1;
			assert.deepEqual(shape, actual.get('y'), context);
		}
	}
	assert.ok(known.right > 200 && known.unknown > 5, JSON.stringify(known));
});

test('a model gets room in the memory of the kernel where its tensors will need it, or where it is small', async () => {
	const kernel = await sharedKernel();
	const room = (model: number, tensors: number, budget: number) => borrowRoom({ model, tensors }, { kernel, budget });
	const sizes = ({ model, ahead }: ReturnType<typeof room>) => [model?.length, ahead.length];
	assert.deepEqual(sizes(room(1000, 3000, 1e6)), [1000, 2000]);
	assert.deepEqual(sizes(room(3000, 1000, 1e6)), [3000, 0], 'small beside the budget');
	assert.deepEqual(sizes(room(3000, 1000, 4000)), [undefined, 1000], 'neither');
	assert.deepEqual(sizes(room(3000, 4000, 4000)), [undefined, 0], 'too many tensors to capture at once');
	assert.deepEqual(sizes(room(2 ** 33, 2 ** 33, 2 ** 40)), [undefined, 0], 'more than there is');
	const scalar = await createKernel({ simd: false });
	assert.deepEqual(sizes(borrowRoom({ model: 10, tensors: 10 }, { kernel: scalar, budget: 1e6 })), [undefined, 0]);
	const { model, ahead } = room(1000, 3000, 1e6);
	assert.equal(model?.buffer, ahead.buffer);
	assert.equal(ahead.byteOffset, (model?.byteOffset ?? 0) + 1000);
});

test('pages that were made ahead are not made again by who writes', {
	skip: process.platform !== 'linux',
}, async () => {
	const faults = () => process.resourceUsage().minorPageFault;
	const pages = 8192;
	const write = (memory: Uint8Array) => {
		const before = faults();
		for (let at = 0; at < memory.length; at += 4096) {
			memory[at] = 1;
		}
		return faults() - before;
	};
	const fresh = async () => (await createKernel()).borrow(pages * 4096);
	assert.ok(write(await fresh()) > pages / 2, 'the system makes pages when they are written to');
	const made = await fresh();
	await makePages(made);
	assert.ok(write(made) < pages / 20);
	await makePages(new Uint8Array(0));
});
