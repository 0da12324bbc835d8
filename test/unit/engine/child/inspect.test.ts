import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import type { Report } from '../../../../src/core/report/types.js';
import { inspect } from '../../../../src/engine/child/inspect.js';
import { type Runtime, RuntimeError } from '../../../../src/engine/child/runtime/runtime.js';
import { encodeNpy, parseNpy } from '../../../../src/engine/child/tensors/npy.js';
import type { RuntimeTensor } from '../../../../src/engine/child/tensors/tensor.js';
import type { Kernel } from '../../../../src/kernel/types.js';
import { inspectBytes, runtime, sharedKernel } from '../../support/inspect.js';
import { buildModel, type GraphSpec, type NodeSpec } from '../../support/model-builder.js';

const CHANNELS = 5;
let folder: string;
let kernel: Kernel;

before(async () => {
	folder = await mkdtemp(path.join(tmpdir(), 'bnl-inspect-'));
	kernel = await sharedKernel();
});
after(() => rm(folder, { recursive: true }));

function parameters(prefix = ''): NonNullable<GraphSpec['initializers']> {
	return [
		{ name: `${prefix}gamma`, values: [1, -2, 0.5, 1e-3, 30] },
		{ name: `${prefix}beta`, values: [0, 1, -1, 0.25, 3] },
		{ name: `${prefix}mean`, values: [0.1, -5, 100, 0, 1e-4] },
		{ name: `${prefix}var`, values: [1, 0.01, 25, 1e-6, 4] },
	];
}

function batchNorm(attributes: NodeSpec['attributes'] = {}, outputs = ['y']): NodeSpec {
	return { op: 'BatchNormalization', name: 'bn', inputs: ['x', 'gamma', 'beta', 'mean', 'var'], outputs, attributes };
}

function model(
	node: NodeSpec,
	{ shape = [2, CHANNELS, 4, 3] as (number | string)[], opset = 15, graph = {} as Partial<GraphSpec> } = {},
) {
	return buildModel({
		opset,
		graph: {
			inputs: [{ name: 'x', shape }],
			outputs: [{ name: 'y', shape: shape.map(() => null) }],
			initializers: parameters(),
			nodes: [node],
			...graph,
		},
	});
}

/** The real runtime with something done to what a run returns. */
function tampered(change: (name: string, tensor: RuntimeTensor) => void): Runtime {
	return {
		version: runtime.version,
		async createSession(bytes, sessionOptions) {
			const session = await runtime.createSession(bytes, sessionOptions);
			return {
				...session,
				async run(feeds, fetch) {
					const outputs = await session.run(feeds, fetch);
					for (const [name, tensor] of outputs) {
						change(name, tensor);
					}
					return outputs;
				},
			};
		},
	};
}

test('a right result matches, with its numbers, at every rank', async () => {
	for (const shape of [
		[3, CHANNELS],
		[2, CHANNELS, 7],
		[2, CHANNELS, 4, 3],
		[1, CHANNELS, 2, 3, 2],
	]) {
		const { report } = await inspectBytes(model(batchNorm(), { shape }));
		const [layer] = report.layers;
		assert.equal(report.run.status, 'ok');
		assert.equal(layer.recompute.status, 'match', `${shape}: ${layer.recompute.reason}`);
		assert.deepEqual(layer.inputShape, shape);
		assert.equal(layer.batch?.count, shape.reduce((a, b) => a * b) / CHANNELS);
		assert.ok((layer.recompute.maxAbs ?? Number.NaN) <= (layer.recompute.bound ?? Number.NaN));
		assert.equal(layer.recompute.perChannel?.maxAbs.length, CHANNELS);
	}
});

test('events come in order: structure, layers, comparison of levels, run', async () => {
	const { events } = await inspectBytes(model(batchNorm()));
	const types = events.map(({ type }) => type).filter((type, i, all) => type !== all[i - 1]);
	assert.deepEqual(types, ['progress', 'structure', 'progress', 'layer', 'progress', 'run']);
	const structure = events.find((event) => event.type === 'structure');
	assert.ok(structure?.type === 'structure' && structure.report.run.status === 'pending');
});

test('a runtime output that is off in one channel by slightly more than rounding is caught there', async () => {
	const plane = 12;
	const wrong = tampered((name, tensor) => {
		if (name === 'y') {
			(tensor.data as Float32Array)[3 * plane + 4] += 2e-5;
		}
	});
	const { report } = await inspectBytes(model(batchNorm()), { ports: { runtime: () => wrong } });
	const [layer] = report.layers;
	assert.equal(layer.recompute.status, 'mismatch');
	assert.match(layer.recompute.reason ?? '', /1 of 5 channels; worst in channel 3/);
	assert.deepEqual(
		layer.findings
			.map(({ code, severity, channels }) => ({ code, severity, channels }))
			.filter(({ code }) => code === 'recompute-mismatch'),
		[{ code: 'recompute-mismatch', severity: 'error', channels: [3] }],
	);
});

test('NaN from the runtime is a mismatch, as is an output of the wrong size', async () => {
	for (const change of [
		(tensor: RuntimeTensor) => {
			(tensor.data as Float32Array)[0] = Number.NaN;
		},
		(tensor: RuntimeTensor) => {
			Object.assign(tensor, { data: (tensor.data as Float32Array).subarray(1) });
		},
	]) {
		const wrong = tampered((name, tensor) => (name === 'y' ? change(tensor) : undefined));
		const { report } = await inspectBytes(model(batchNorm()), { ports: { runtime: () => wrong } });
		assert.equal(report.layers[0].recompute.status, 'mismatch');
	}
});

test('a kernel that computes wrongly is caught: the check can fail on our side too', async () => {
	const wrongKernel: Kernel = {
		kind: kernel.kind,
		verify: (request) => kernel.verify({ ...request, shift: request.shift.map((shift) => shift + 1e-3) }),
		apply: (request) => kernel.apply(request),
		moments: (...args) => kernel.moments(...args),
		allocate: (...args) => kernel.allocate(...args),
		reserve: (bytes) => kernel.reserve(bytes),
		reset: () => kernel.reset(),
		borrow: (bytes) => kernel.borrow(bytes),
	};
	const { report } = await inspectBytes(model(batchNorm()), { ports: { kernel: async () => wrongKernel } });
	assert.equal(report.layers[0].recompute.status, 'mismatch');
});

test('float64 and float16 are judged by their own rounding', async () => {
	for (const dtype of ['float64', 'float16'] as const) {
		const bytes = buildModel({
			opset: 15,
			graph: {
				inputs: [{ name: 'x', dtype, shape: [2, CHANNELS, 6] }],
				outputs: [{ name: 'y', dtype, shape: [2, CHANNELS, 6] }],
				initializers: parameters().map((tensor) => ({ ...tensor, dtype })),
				nodes: [batchNorm()],
			},
		});
		const { report } = await inspectBytes(bytes);
		const [layer] = report.layers;
		assert.equal(layer.recompute.status, 'match', `${dtype}: ${layer.recompute.reason ?? report.run.reason}`);
		assert.equal(layer.dtype, dtype);
	}
});

test('training mode is recomputed from the batch by algorithm 1', async () => {
	const graph = { outputs: ['y', 'running_mean', 'running_var'].map((name) => ({ name, shape: [null] })) };
	const node = batchNorm({ training_mode: { i: 1 } }, ['y', 'running_mean', 'running_var']);
	const { report } = await inspectBytes(model(node, { shape: [8, CHANNELS, 5, 5], graph }));
	const [layer] = report.layers;
	assert.equal(report.run.status, 'ok', report.run.reason);
	assert.equal(layer.mode, 'training');
	assert.equal(layer.recompute.status, 'match', layer.recompute.reason);
});

test('parameters that only a run knows are captured and used', async () => {
	const graph: Partial<GraphSpec> = {
		inputs: [
			{ name: 'x', shape: [2, CHANNELS, 4] },
			{ name: 'gamma', shape: [CHANNELS] },
		],
		initializers: [...parameters().slice(1), { name: 'half', values: [0.5] }],
		nodes: [
			{ op: 'Mul', inputs: ['gamma', 'half'], outputs: ['halved'] },
			{ ...batchNorm(), inputs: ['x', 'halved', 'beta', 'mean', 'var'] },
		],
	};
	const { report } = await inspectBytes(model(batchNorm(), { shape: [2, CHANNELS, 4], graph }));
	const [layer] = report.layers;
	assert.equal(layer.recompute.status, 'match', layer.recompute.reason ?? report.run.reason);
	assert.equal(layer.parameters?.gamma.length, CHANNELS);
});

test('recomputed outputs are written where asked, in layer order, with the shape of the layer', async () => {
	const saveOutputs = path.join(folder, 'new', 'outputs');
	await inspectBytes(model(batchNorm()), { saveOutputs });
	const array = parseNpy(await readFile(path.join(saveOutputs, '0.npy')), '0.npy');
	assert.deepEqual([array.type, array.shape], ['float32', [2, CHANNELS, 4, 3]]);
});

test('a model that the runtime refuses keeps its structure and gives the reason', async () => {
	const node: NodeSpec = { op: 'FromTheFuture', inputs: ['x'], outputs: ['z'] };
	const { report } = await inspectBytes(
		model(batchNorm(), { graph: { nodes: [node, { ...batchNorm(), inputs: ['z', 'gamma', 'beta', 'mean', 'var'] }] } }),
	);
	assert.equal(report.run.status, 'failed');
	assert.match(report.run.reason ?? '', /onnxruntime cannot load this model: .*FromTheFuture/);
	assert.deepEqual(
		report.layers.map(({ recompute }) => recompute.status),
		['skipped'],
	);
	assert.equal(report.layers[0].parameters?.gamma[1], -2);
});

test('without a run, without layers, or without a runtime there is still a report', async () => {
	const dry = await inspectBytes(model(batchNorm()), { run: false });
	assert.equal(dry.report.run.status, 'skipped');
	const none = await inspectBytes(model({ op: 'Relu', inputs: ['x'], outputs: ['y'] }));
	assert.deepEqual([none.report.layers.length, none.report.run.status], [0, 'skipped']);
	const missing = () => {
		throw new RuntimeError('onnxruntime-node has no library for this platform.');
	};
	const { report } = await inspectBytes(model(batchNorm()), { ports: { runtime: missing } });
	assert.deepEqual([report.run.status, report.layers.length], ['failed', 1]);
});

test('files that are no model are refused with the file named', async () => {
	const file = path.join(folder, 'text.onnx');
	await writeFile(file, 'this is not a model');
	const options = { run: true, inputs: [], batch: 1, seed: 0 };
	const ports = { runtime: () => runtime, kernel: async () => kernel, emit: () => {} };
	await assert.rejects(inspect({ path: file }, options, ports), (error: Error) => error.message.includes('text.onnx'));
	await assert.rejects(inspect({ path: path.join(folder, 'missing.onnx') }, options, ports), /missing\.onnx/);
	await assert.rejects(inspect({ path: folder }, options, ports), (error: Error) => error.message.includes(folder));
});

test("statistics-drift is judged on the user's data, never on made-up data", async () => {
	const shifted = path.join(folder, 'shifted.npy');
	const data = Float32Array.from({ length: 64 * CHANNELS * 4 }, (_, i) => 1000 + (i % 7));
	await writeFile(shifted, encodeNpy({ type: 'float32', shape: [64, CHANNELS, 4], data }));
	const bytes = model(batchNorm(), { shape: ['N', CHANNELS, 4] });
	const codes = ({ report }: { report: Report }) => report.layers[0].findings.map(({ code }) => code);
	assert.ok(codes(await inspectBytes(bytes, { inputs: [{ input: 'x', path: shifted }] })).includes('statistics-drift'));
	assert.ok(!codes(await inspectBytes(bytes, { batch: 64 })).includes('statistics-drift'));
});

test('values of the input that are not finite are counted, and are no mean of 0', async () => {
	const file = path.join(folder, 'holes.npy');
	// Channel 0 has nothing finite, channel 1 one value that is not.
	const data = Float32Array.from({ length: 2 * CHANNELS * 4 }, (_, i) => (i % 20 < 4 ? Number.NEGATIVE_INFINITY : i));
	data[4] = Number.NaN;
	await writeFile(file, encodeNpy({ type: 'float32', shape: [2, CHANNELS, 4], data }));
	const bytes = model(batchNorm(), { shape: ['N', CHANNELS, 4] });
	const { report } = await inspectBytes(bytes, { inputs: [{ input: 'x', path: file }] });
	const [{ batch, findings }] = report.layers;
	assert.deepEqual(batch?.nonFinite, Float64Array.of(8, 1, 0, 0, 0));
	assert.deepEqual([batch?.mean[0], batch?.variance[0]], [Number.NaN, Number.NaN]);
	const [finding] = findings.filter(({ code }) => code === 'non-finite');
	assert.deepEqual([finding?.severity, finding?.channels], ['warning', [0, 1]]);
	assert.match(finding.message, /^9 of 40 values of the layer's input are NaN or infinite, in channels 0 and 1: /);
});

test('an epsilon that is NaN is an error, and the layer no match', async () => {
	const { report } = await inspectBytes(model(batchNorm({ epsilon: { f: Number.NaN } })));
	const [{ recompute, findings }] = report.layers;
	assert.deepEqual([recompute.status, recompute.bound], ['skipped', undefined]);
	assert.match(recompute.reason ?? '', /epsilon is NaN/);
	assert.deepEqual([findings[0]?.code, findings[0]?.severity], ['non-finite', 'error']);
});

test('several files run one batch after another and are judged together', async () => {
	const bytes = model(batchNorm(), { shape: ['N', CHANNELS, 4] });
	const values = Array.from({ length: 5 * CHANNELS * 4 }, (_, i) => Math.sin(i * i) + (i % 3));
	const save = async (name: string, numbers: readonly number[]) => {
		const file = path.join(folder, name);
		const shape = [numbers.length / CHANNELS / 4, CHANNELS, 4];
		await writeFile(file, encodeNpy({ type: 'float32', shape, data: Float32Array.from(numbers) }));
		return { input: 'x', path: file };
	};
	const size = CHANNELS * 4;
	const files = [];
	for (let n = 0; n < 5; n++) {
		files.push(await save(`image${n}.npy`, values.slice(n * size, (n + 1) * size)));
	}
	const saveOutputs = path.join(folder, 'runs');
	const { report, events } = await inspectBytes(bytes, { inputs: files, batch: 2, saveOutputs });
	const [layer] = report.layers;
	const [whole] = (await inspectBytes(bytes, { inputs: [await save('all.npy', values)] })).report.layers;
	assert.deepEqual([layer.recompute.status, layer.inputShape], ['match', [5, CHANNELS, 4]]);
	assert.deepEqual([layer.batch?.count, layer.batch?.images], [20, 5]);
	for (let c = 0; c < CHANNELS; c++) {
		for (const key of ['mean', 'variance'] as const) {
			const [a, b] = [layer.batch?.[key][c] ?? Number.NaN, whole.batch?.[key][c] ?? 0];
			assert.ok(Math.abs(a - b) <= 1e-12 * Math.abs(b), `${key} of channel ${c}: ${a}, ${b}`);
		}
	}
	assert.equal(layer.recompute.maxAbs, whole.recompute.maxAbs);
	assert.match(report.run.inputs[0].from, /^5 files of [^:]*: image0\.npy to image4\.npy, in 3 runs$/);
	const running = events.filter((event) => event.type === 'progress' && event.stage === 'running');
	assert.deepEqual(
		running.map((event) => event.type === 'progress' && [event.done, event.total]),
		[
			[0, 3],
			[1, 3],
			[2, 3],
		],
	);
	const stages = events.flatMap((event) => (event.type === 'progress' ? [event.stage] : []));
	const changes = stages.filter((stage, at) => stage !== stages[at - 1]);
	assert.deepEqual(changes, ['opening', 'loading', 'running', 'verifying', 'comparing'], 'one stage after the other');
	const last = parseNpy(await readFile(path.join(saveOutputs, '2', '0.npy')), '0.npy');
	assert.deepEqual(last.shape, [1, CHANNELS, 4]);
});

const FIXTURES = path.resolve('test/fixtures/models');
const elsewhere =
	process.arch === 'x64' ? false : 'The runtime may fuse multiplication and addition on this processor.';

test('the output of every layer is predicted to the last bit', { skip: elsewhere }, async () => {
	const files = (await readdir(FIXTURES)).filter((file) => file.endsWith('.onnx'));
	const checked = [];
	for (const file of files) {
		const { report } = await inspectBytes(await readFile(path.join(FIXTURES, file)));
		checked.push(...report.layers.map(({ recompute }) => recompute));
	}
	assert.ok(checked.length >= 15);
	for (const { status, bitExact, maxAbs = Number.NaN, bound = 0 } of checked) {
		assert.equal(status, 'match');
		assert.equal(bitExact, true);
		// Half of what is allowed: a limit, but not a loose one.
		assert.ok(maxAbs > 0 && maxAbs < bound / 2, `${maxAbs} of ${bound}`);
	}
});

test('a folder that cannot take outputs is named at once, without an internal error', async () => {
	const file = path.join(folder, 'not-a-folder');
	await writeFile(file, '');
	const reasons: (string | undefined)[] = [];
	// Node's recursive mkdir does not come back from the second one.
	for (const saveOutputs of [file, '/proc/bnl/outputs'].slice(0, process.platform === 'linux' ? 2 : 1)) {
		const { report } = await inspectBytes(model(batchNorm()), { saveOutputs });
		assert.deepEqual([report.run.status, report.run.failedAt], ['failed', 'input']);
		reasons.push(report.run.reason);
	}
	assert.equal(reasons[0], `${file} is a file: outputs are saved in a folder.`);
	assert.match(reasons[1] ?? '/proc takes no folders', /\/proc/);
});

test('a model that hands out a sequence runs whole: the sequence alone is not looked at', async () => {
	const nodes = [batchNorm(), { op: 'SequenceConstruct', inputs: ['y'], outputs: ['list'] }];
	const { report } = await inspectBytes(model(batchNorm(), { graph: { nodes, outputs: ['y', 'list'] } }));
	assert.equal(report.layers[0].recompute.status, 'match');
	assert.equal(report.run.reason, undefined);
});

test('shapes that the file fixes are known without a run, and a run finds the same', async () => {
	const behindConv = (batch: number | string) =>
		buildModel({
			opset: 15,
			graph: {
				inputs: [{ name: 'image', shape: [batch, 3, 9, 8] }],
				outputs: [{ name: 'y' }],
				initializers: [...parameters(), { name: 'w', dims: [CHANNELS, 3, 3, 3], values: Array(135).fill(0.1) }],
				nodes: [
					{ op: 'Conv', inputs: ['image', 'w'], outputs: ['x'], attributes: { strides: { ints: [2, 2] } } },
					batchNorm(),
				],
			},
		});
	const shapeOf = async (batch: number | string, run: boolean) =>
		(await inspectBytes(behindConv(batch), { run })).report.layers[0].inputShape;
	for (const run of [false, true]) {
		assert.deepEqual(await shapeOf(2, run), [2, CHANNELS, 4, 3]);
	}
	assert.equal(await shapeOf('N', false), undefined);
	assert.deepEqual(await shapeOf('N', true), [1, CHANNELS, 4, 3]);
});

test('a channel without a finite scale is never within rounding', async () => {
	const variance = [1, 0.5, 2, 5, 1];
	const initializers = parameters().map((tensor) => (tensor.name === 'var' ? { ...tensor, values: variance } : tensor));
	const { report } = await inspectBytes(model(batchNorm({ epsilon: { f: -1 } }), { graph: { initializers } }));
	const [{ recompute, findings }] = report.layers;
	assert.equal(recompute.status, 'skipped');
	assert.match(
		recompute.reason ?? '',
		/^Not judged in channels 0, 1 and 4: .* The other channels agree to within rounding\.$/,
	);
	assert.ok(Number.isFinite(recompute.bound), 'the bound of the channels that were judged');
	const error = findings.find(({ severity }) => severity === 'error');
	assert.deepEqual(error?.channels, [0, 1, 4]);
	// The finite channels are still judged.
	const wrong = tampered((name, { data }) => {
		if (name === 'y') {
			data[2 * 12] = 1e6;
		}
	});
	const second = await inspectBytes(model(batchNorm({ epsilon: { f: -1 } }), { graph: { initializers } }), {
		ports: { runtime: () => wrong },
	});
	assert.equal(second.report.layers[0].recompute.status, 'mismatch');
});
