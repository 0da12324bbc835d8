import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { appendGraphOutputs } from '../../../../../src/core/onnx/write/outputs.js';
import type { Report } from '../../../../../src/core/report/types.js';
import { openModel } from '../../../../../src/engine/child/model/opened-model.js';
import { checkOptimized } from '../../../../../src/engine/child/optimized/check-optimized.js';
import { CaptureMemory } from '../../../../../src/engine/child/run/capture-memory.js';
import type { Runtime, SessionOptions } from '../../../../../src/engine/child/runtime/runtime.js';
import { RuntimeError } from '../../../../../src/engine/child/runtime/runtime.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import type { RuntimeTensor } from '../../../../../src/engine/child/tensors/tensor.js';
import { fixture } from '../../../support/fixtures.js';
import { type InspectChanges, inspectBytes, inspectModel, runtime, sharedKernel } from '../../../support/inspect.js';
import { type LinearBlock, linearNetwork, linearZoo } from '../../../support/linear-zoo.js';
import { buildModel } from '../../../support/model-builder.js';
import { openBytes } from '../../../support/open.js';
import { specOf } from '../../../support/respec.js';

let folder: string;
before(async () => {
	folder = await mkdtemp(path.join(tmpdir(), 'bnl-optimized-'));
});
after(() => rm(folder, { recursive: true }));

/** Inspects with a place for the optimized model, which has to be empty again afterwards. */
async function check(bytes: Uint8Array, changes: InspectChanges = {}): Promise<Report> {
	const { report } = await inspectBytes(bytes, { temporary: path.join(folder, 'optimized.onnx'), ...changes });
	assert.deepEqual(await readdir(folder), []);
	return report;
}

const CODE = 'runtime-fusion-mismatch';
const fusionFindings = (report: Report) =>
	[...report.findings, ...report.layers.flatMap(({ findings }) => findings)].filter(({ code }) => code === CODE);

const TURNED: LinearBlock = { op: 'MatMul', channels: 6, between: 'transpose' };

test('a fold along the wrong axis is found, with its numbers and the way around it', async () => {
	const report = await check(linearNetwork([TURNED], { seed: 1, batch: 6 }));
	const [layer] = report.layers;
	assert.equal(layer.recompute.status, 'match');
	const [finding, ...others] = layer.findings;
	assert.deepEqual(
		[finding.code, finding.severity, finding.channels, others.filter(({ severity }) => severity === 'error')],
		[CODE, 'error', [0, 1, 2, 3, 4, 5], []],
	);
	assert.match(
		finding.message,
		/merges this layer into MatMul "linear0" with wrong values: .* differs by up to [\d.]+ in 6 of 6 channels, where rounding explains [\d.e-]+\. The way around it is to switch off MatMul_BatchNormalization_Fusion \(.*\), with which the outputs agree\.$/,
	);
	assert.ok((report.run.milliseconds.compare ?? 0) > 0);
});

test('of several layers only the wrong layer is blamed', async () => {
	const plain: LinearBlock = { op: 'MatMul', channels: 6 };
	const report = await check(linearNetwork([plain, TURNED, plain], { seed: 2, batch: 6 }));
	assert.deepEqual(
		report.layers.map(({ findings }) => findings.some(({ code }) => code === CODE)),
		[false, true, false],
	);
});

test('behind normalizations written by hand, still the wrong layer is blamed', async () => {
	const plain: LinearBlock = { op: 'MatMul', channels: 6 };
	const spec = await specOf(await openBytes(linearNetwork([plain, TURNED], { seed: 2, batch: 6 })));
	const axes = { axes: { ints: [0] } };
	const normalize = (x: string, y: string) => [
		{ op: 'ReduceMean', inputs: [x], outputs: [`${y}_mean`], attributes: axes },
		{ op: 'Sub', inputs: [x, `${y}_mean`], outputs: [`${y}_centered`] },
		{ op: 'Mul', inputs: [`${y}_centered`, `${y}_centered`], outputs: [`${y}_squares`] },
		{ op: 'ReduceMean', inputs: [`${y}_squares`], outputs: [`${y}_variance`], attributes: axes },
		{ op: 'Sqrt', inputs: [`${y}_variance`], outputs: [`${y}_deviation`] },
		{ op: 'Div', inputs: [`${y}_centered`, `${y}_deviation`], outputs: [y] },
	];
	const { inputs = [], nodes = [] } = spec.graph;
	const [input] = inputs.map((value) => (typeof value === 'string' ? value : value.name));
	const moved = nodes.map((node) => ({
		...node,
		inputs: (node.inputs ?? []).map((name) => (name === input ? 'second' : name)),
	}));
	const front = [...normalize(input, 'first'), ...normalize('first', 'second')];
	const report = await check(buildModel({ ...spec, opset: 13, graph: { ...spec.graph, nodes: [...front, ...moved] } }));
	assert.deepEqual(
		report.layers.map(({ kind, findings }) => [kind, findings.some(({ code }) => code === CODE)]),
		[
			['handbuilt', false],
			['handbuilt', false],
			['batchnorm', false],
			['batchnorm', true],
		],
	);
});

test('over a zoo of linear operators and the nodes behind them, only wrong results are reported', async () => {
	let wrong = 0;
	for (const { bytes, shape, layers, description } of linearZoo(60)) {
		const first = await firstWrongLayer(bytes, shape, layers);
		const report = await check(bytes);
		const blamed = report.layers.findIndex(({ findings }) => findings.some(({ code }) => code === CODE));
		assert.equal(blamed, first, `${description}: ${fusionFindings(report).map(({ message }) => message)}`);
		assert.deepEqual(report.findings, [], description);
		wrong += Number(first >= 0);
	}
	assert.ok(wrong >= 5 && wrong < 30, `${wrong} of 60 are wrong`);
});

test('no network of the fixtures is reported', async () => {
	for (const name of ['plain_cnn', 'depthwise', 'generator', 'preact', 'mlp', 'conv1d', 'conv3d']) {
		const temporary = path.join(folder, 'optimized.onnx');
		const { report } = await inspectModel({ path: fixture(`${name}.onnx`) }, { temporary, batch: 3 });
		assert.deepEqual(fusionFindings(report), [], name);
		// Compared, and nothing remarkable: silence because nothing was looked at would prove nothing.
		assert.equal(report.run.reason, undefined, name);
		assert.ok((report.run.milliseconds.compare ?? 0) > 0, name);
	}
});

/** The first layer whose output differs between the runtime's own levels by more than any rounding could; -1: none. */
async function firstWrongLayer(
	bytes: Uint8Array,
	shape: readonly number[],
	layers: readonly string[],
): Promise<number> {
	const random = seededRandom(9);
	const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, random.normal);
	const exposed = Buffer.concat([bytes, appendGraphOutputs(layers)]);
	const [a, b] = await Promise.all(
		(['disabled', 'all'] as const).map(async (level) => {
			const session = await runtime.createSession(exposed, { levels: [level] });
			const feeds = new Map([['x', { type: 'float32', dims: shape, data }]]);
			return session.run(feeds, layers).finally(() => session.release());
		}),
	);
	return layers.findIndex((name) => {
		const [x, y] = [a, b].map((tensors) => tensors.get(name)?.data as Float32Array);
		const largest = x.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
		return x.some((value, i) => Math.abs(value - y[i]) > 1e-2 * largest);
	});
}

/** The real runtime with something done to the sessions that it makes. */
function altered(change: {
	create?: (options: SessionOptions) => void | Promise<void>;
	output?: (tensor: RuntimeTensor, options: SessionOptions) => void;
}): InspectChanges {
	const double: Runtime = {
		version: runtime.version,
		async createSession(bytes, options) {
			const session = await runtime.createSession(bytes, options);
			await change.create?.(options);
			return {
				...session,
				async run(feeds, fetch, into) {
					const outputs = await session.run(feeds, fetch, into);
					const y = outputs.get('y');
					if (y && !options.levels.includes('disabled')) {
						change.output?.(y, options);
					}
					return outputs;
				},
			};
		},
	};
	return { ports: { runtime: () => double } };
}

const HARMLESS = linearNetwork(
	[
		{ op: 'Conv', channels: 4 },
		{ op: 'Conv', channels: 5 },
	],
	{ seed: 3, batch: 2 },
);

test('a fused weight that is off is found by its values, in the layer that it belongs to', async () => {
	const tamper = async ({ optimizedModelPath }: SessionOptions) => {
		if (optimizedModelPath !== undefined) {
			await writeFile(optimizedModelPath, await withWrongWeight(optimizedModelPath));
		}
	};
	const report = await check(HARMLESS, altered({ create: tamper }));
	assert.deepEqual(
		report.layers.map(({ findings }) => findings.some(({ code }) => code === CODE)),
		[false, true],
	);
	assert.match(fusionFindings(report)[0].message, /into Conv "linear1" .* switch off ConvBNFusion/);
});

/** Doubles the first weights of the second fused convolution: the runtime's names are in the file before their values. */
async function withWrongWeight(file: string): Promise<Uint8Array> {
	const bytes = await readFile(file);
	const name = bytes.lastIndexOf('ConvBnFusion_W_linear1.w');
	assert.ok(name > 0);
	// raw_data (field 9) follows the name (field 8).
	const at = bytes.indexOf(0x4a, name) + 3;
	for (let i = 0; i < 8; i++) {
		bytes.writeFloatLE(bytes.readFloatLE(at + 4 * i) * 2, at + 4 * i);
	}
	return bytes;
}

test('outputs that differ through other optimizations are reported, and no layer is blamed', async () => {
	const output = ({ data }: RuntimeTensor) => {
		data[0] = 100;
	};
	const report = await check(HARMLESS, altered({ output }));
	assert.deepEqual(fusionFindings(report), []);
	assert.match(report.run.reason ?? '', /output "y" differs by up to .* is not the reason\.$/);
});

test('outputs that agree only without the fusions show that a fusion is wrong, although no layer shows it', async () => {
	const output = ({ data }: RuntimeTensor, { disabledOptimizers = [] }: SessionOptions) => {
		data[0] = disabledOptimizers.includes('ConvBNFusion') ? data[0] : 100;
	};
	const report = await check(HARMLESS, altered({ output }));
	assert.deepEqual(
		report.findings.map(({ code, severity }) => [code, severity]),
		[[CODE, 'error']],
	);
	assert.match(report.findings[0].message, /switch off ConvBNFusion and MatMul_BatchNormalization_Fusion/);
});

test('a model that is random at run time is distinguished from a wrong model', async () => {
	const report = await check(linearNetwork([{ op: 'Conv', channels: 4 }], { seed: 4, batch: 2, dropout: true }));
	assert.deepEqual(fusionFindings(report), []);
	assert.match(report.run.reason ?? '', /other outputs from one run to the next/);
});

test('a model that does not load at the default level says so and is still checked', async () => {
	const create = ({ levels }: SessionOptions) => {
		if (levels[0] === 'all') {
			throw new RuntimeError('onnxruntime cannot load this model: it is too good.', 'load', 'it is too good.');
		}
	};
	const report = await check(HARMLESS, altered({ create }));
	assert.deepEqual([report.run.status, report.layers[0].recompute.status], ['ok', 'match']);
	assert.equal(report.run.reason, "Not compared with the runtime's default optimizations: it is too good.");
});

test('a temporary folder that is a file does not end the inspection', async () => {
	const file = path.join(folder, 'no-folder');
	await writeFile(file, '');
	const { report } = await inspectBytes(HARMLESS, { temporary: path.join(file, 'optimized.onnx') });
	await rm(file);
	assert.deepEqual([report.run.status, report.layers[0].recompute.status], ['ok', 'match']);
});

test('a model of thousands of layers is not compared, and says so', async () => {
	const model = await openModel({ path: 'model.onnx', bytes: HARMLESS });
	const layers = new Array(2001).fill(model.layers[0]);
	const memory = new CaptureMemory(await sharedKernel());
	const options = { feeds: new Map(), outputs: new Map(), memory, budget: 1e6, temporary: undefined };
	const { remark } = await checkOptimized({ ...model, layers }, runtime, options);
	assert.match(remark ?? '', /has 2001 layers, and at most 2000 are compared/);
});

test('the comparison can be left out', async () => {
	const report = await check(linearNetwork([TURNED], { seed: 1, batch: 6 }), { compareOptimized: false });
	assert.deepEqual(fusionFindings(report), []);
	assert.equal(report.run.milliseconds.compare, undefined);
});

/** Convolutions with layers in front of an output whose values a saturating operator makes tiny. */
function saturated(op: string, offset: number): Uint8Array {
	const random = seededRandom(3);
	const values = (count: number) => Array.from({ length: count }, () => random.normal());
	const constants = ['gamma', 'beta', 'mean'].map((name) => ({ name, values: values(4) }));
	return buildModel({
		graph: {
			inputs: [{ name: 'x', shape: [1, 3, 6, 6] }],
			outputs: ['y'],
			initializers: [
				{ name: 'w', dims: [4, 3, 3, 3], values: values(108) },
				...constants,
				{ name: 'variance', values: [1, 2, 0.5, 3] },
				{ name: 'offset', dims: [], values: [offset] },
			],
			nodes: [
				{ op: 'Conv', inputs: ['x', 'w'], outputs: ['c'] },
				{ op: 'BatchNormalization', inputs: ['c', 'gamma', 'beta', 'mean', 'variance'], outputs: ['b'] },
				{ op: 'Add', inputs: ['b', 'offset'], outputs: ['s'] },
				{ op, inputs: ['s'], outputs: ['y'] },
			],
		},
	});
}

test('the resolution of a saturating operator is no wrong fusion, with inputs of any seed', async () => {
	for (const op of ['Sigmoid', 'Exp', 'Tanh', 'Erf', 'Softmax']) {
		for (const offset of [-100, -40, -30, -17, 17]) {
			for (let seed = 0; seed < 10; seed += 3) {
				const report = await check(saturated(op, offset), { seed });
				assert.deepEqual(fusionFindings(report), [], `${op} at ${offset}, seed ${seed}`);
				assert.equal(report.run.reason, undefined, `${op} at ${offset}, seed ${seed}`);
			}
		}
	}
});

test('a wrong fusion is found also in a model with random outputs', async () => {
	const report = await check(linearNetwork([TURNED], { seed: 1, batch: 6, dropout: true }));
	assert.match(report.run.reason ?? '', /other outputs from one run to the next/);
	assert.equal(fusionFindings(report).length, 1);
});
