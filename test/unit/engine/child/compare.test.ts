import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { compare } from '../../../../src/engine/child/compare.js';
import { fold } from '../../../../src/engine/child/fold.js';
import { loadRuntime, RuntimeError } from '../../../../src/engine/child/runtime/runtime.js';
import { createKernel } from '../../../../src/kernel/index.js';
import type { CompareOptions } from '../../../../src/protocol/host-engine.js';
import { fixture } from '../../support/fixtures.js';
import { foldedModel } from '../../support/folded.js';
import { buildModel } from '../../support/model-builder.js';
import { mobileNetV2 } from '../../support/networks.js';

const folder = mkdtempSync(path.join(tmpdir(), 'batchnorm-lens-compare-'));
after(() => rmSync(folder, { recursive: true }));

const ports = { runtime: loadRuntime, kernel: createKernel, emit: () => {} };
const noRuntime = {
	runtime: () => {
		throw new RuntimeError('There is no runtime here.');
	},
	kernel: createKernel,
	emit: () => {},
};
const options: CompareOptions = { run: true, batch: 1, seed: 0 };
const small = mobileNetV2(64);
const write = (name: string, bytes: Uint8Array): string => {
	const file = path.join(folder, name);
	writeFileSync(file, bytes);
	return file;
};
const foldTo = (model: string, output: string, given = ports) =>
	fold({ path: model }, { output, temporary: `${output}.part`, batch: 1, seed: 0 }, given);
const inMemory = (bytes: Uint8Array, name: string) => ({ path: name, bytes });

for (const name of ['conv1d', 'conv3d', 'depthwise', 'generator', 'mlp', 'plain_cnn', 'preact']) {
	test(`PyTorch's own fold of ${name} is right, and both give the same outputs`, async () => {
		const models = [fixture(`${name}.onnx`), fixture(`${name}.folded.onnx`)].map((file) => ({
			path: path.resolve(file),
		}));
		const { summary, outputs } = await compare(models[0] ?? { path: '' }, models[1] ?? { path: '' }, options, ports);
		assert.deepEqual([summary.mismatch, summary.unmatched, outputs?.status], [0, 0, 'match']);
		assert.ok((outputs?.maxAbs ?? 1) <= (outputs?.bound ?? 0));
	});

	test(`our fold of ${name} passes, and is still the same network when folded again`, async () => {
		const output = path.join(folder, `${name}.onnx`);
		const result = await foldTo(path.resolve(fixture(`${name}.onnx`)), output);
		assert.equal(result.outputs.status, 'match');
		assert.equal(readFileSync(output).length, result.written?.bytes);
		const again = await foldTo(output, path.join(folder, 'again.onnx'));
		assert.deepEqual([again.written, again.folded, again.kept], [null, [], result.kept]);
	});
}

test('a layer folded with another epsilon is found, named, and is where the outputs part', async () => {
	const deployed = inMemory(await foldedModel(small, { 10: 0.1 }), 'deployed.onnx');
	const { layers, summary, outputs } = await compare(inMemory(small, 'original.onnx'), deployed, options, ports);
	assert.deepEqual([summary.match, summary.mismatch], [51, 1]);
	assert.equal(layers[10]?.cause, 'wrong-epsilon');
	assert.deepEqual([outputs?.status, outputs?.firstLayer], ['mismatch', layers[10]?.name]);
	assert.ok((outputs?.maxAbs ?? 0) > (outputs?.bound ?? Number.POSITIVE_INFINITY));
});

test('models in the wrong order are exchanged, with a note', async () => {
	const [original, deployed] = [fixture('plain_cnn.onnx'), fixture('plain_cnn.folded.onnx')];
	const result = await compare({ path: deployed }, { path: original }, options, ports);
	assert.deepEqual([result.summary.match, result.original.path, result.deployed.path], [3, original, deployed]);
	assert.match(result.notes[0] ?? '', /^plain_cnn\.folded\.onnx was named first but has no BatchNormalization/);
});

test('without a run, or without a runtime, the files are compared all the same', async () => {
	const pair = [{ path: fixture('plain_cnn.onnx') }, { path: fixture('plain_cnn.folded.onnx') }] as const;
	const dry = await compare(...pair, { ...options, run: false }, noRuntime);
	assert.deepEqual([dry.summary.match, dry.outputs], [3, { status: 'skipped', reason: 'Running was switched off.' }]);
	const without = await compare(...pair, options, noRuntime);
	assert.deepEqual([without.summary.match, without.outputs?.reason], [3, 'There is no runtime here.']);
});

test('two networks that have nothing in common have no layer and no value in common', async () => {
	const pair = [{ path: fixture('plain_cnn.onnx') }, { path: fixture('mlp.folded.onnx') }] as const;
	const { summary, outputs } = await compare(...pair, options, ports);
	assert.equal(summary.unmatched, 3);
	assert.equal(outputs?.status, 'skipped');
	assert.match(outputs?.reason ?? '', /mlp\.folded\.onnx does not run/);
});

test('a deployed model that the runtime refuses is a sentence beside the comparison', async () => {
	const text = readFileSync(fixture('plain_cnn.folded.onnx'), 'latin1').replaceAll('Relu', 'Rulu');
	const pair = [{ path: fixture('plain_cnn.onnx') }, inMemory(Buffer.from(text, 'latin1'), 'refused.onnx')] as const;
	const { summary, outputs } = await compare(...pair, options, ports);
	assert.deepEqual([summary.match, outputs?.status], [3, 'skipped']);
	assert.match(outputs?.reason ?? '', /^refused\.onnx does not run: .*Rulu/);
});

test('a deployed model is tried where the original does not load or is a checkpoint', async () => {
	const refused = (name: string) => {
		const text = readFileSync(fixture(name), 'latin1').replaceAll('Relu', 'Rulu');
		return inMemory(Buffer.from(text, 'latin1'), `refused-${name}`);
	};
	const originals = [refused('plain_cnn.onnx'), checkpoint('plain_cnn.full.pt')];
	for (const original of originals) {
		const { outputs } = await compare(original, refused('plain_cnn.folded.onnx'), options, ports);
		assert.ok(outputs?.status === 'skipped' && outputs.refused === 'deployed', outputs?.reason);
		const right = await compare(original, { path: fixture('plain_cnn.folded.onnx') }, options, ports);
		assert.ok(right.outputs?.status === 'skipped' && right.outputs.refused === undefined);
	}
});

test('the model itself is never overwritten, under any name', async () => {
	const model = write('own.onnx', small);
	const link = path.join(folder, 'link.onnx');
	symlinkSync(model, link);
	for (const output of [model, link]) {
		await assert.rejects(foldTo(model, output), /is read by this command/);
	}
	assert.deepEqual(new Uint8Array(readFileSync(model)), small);
});

test('a model that cannot be written, or verified, leaves no file', async () => {
	const model = write('kept.onnx', small);
	const before = readdirSync(folder).sort();
	await assert.rejects(foldTo(model, path.join(folder, 'no such folder', 'out.onnx')), /cannot be written/);
	await assert.rejects(foldTo(model, folder), /is not a file/);
	const output = path.join(folder, 'out.onnx');
	await assert.rejects(foldTo(model, output, changing('whole')), /did not pass its verification/);
	const { written, kept } = await foldTo(model, output, changing('parts'));
	assert.equal(written, null);
	assert.equal(kept.filter(({ reasons }) => reasons.includes('failed-verification')).length, 52);
	assert.deepEqual(readdirSync(folder).sort(), before);
});

/** A runtime under which the folded model gives other numbers: as a whole, or each of its parts. */
function changing(which: 'whole' | 'parts'): typeof ports {
	const runtime = () => {
		const real = loadRuntime();
		const createSession: typeof real.createSession = async (...args) => {
			const session = await real.createSession(...args);
			// A part of a model does not say how many channels its input has.
			const isPart = typeof session.inputs[0]?.shape?.[1] !== 'number';
			const isFolded = Buffer.from(args[0]).includes('_folded');
			const isWrong = isFolded && isPart === (which === 'parts');
			const run: typeof session.run = async (...given) => {
				const tensors = await session.run(...given);
				for (const { data } of isWrong ? tensors.values() : []) {
					data[0] = 1e3;
				}
				return tensors;
			};
			return { ...session, run };
		};
		return { ...real, createSession };
	};
	return { ...ports, runtime };
}

test('without a runtime a fold is written, and the result names the missing check', async () => {
	const result = await foldTo(write('model.onnx', small), path.join(folder, 'unrun.onnx'), noRuntime);
	assert.deepEqual([result.folded.length, result.outputs.reason], [52, 'There is no runtime here.']);
});

test('a model without a foldable layer is not written', async () => {
	const relu = { op: 'Relu', inputs: ['x'], outputs: ['y'] };
	const bytes = buildModel({ graph: { inputs: [{ name: 'x', shape: [1] }], outputs: [{ name: 'y' }], nodes: [relu] } });
	const output = path.join(folder, 'nothing.onnx');
	assert.equal((await foldTo(write('relu.onnx', bytes), output)).written, null);
	assert.throws(() => readFileSync(output), /ENOENT/);
});

test('missing or shortened external data are named, and no file is written', async () => {
	const conv = { op: 'Conv', inputs: ['x', 'w'], outputs: ['h'] };
	const layer = { op: 'BatchNormalization', name: 'bn', inputs: ['h', 'p', 'p', 'p', 'p'], outputs: ['y'] };
	const weight = { name: 'w', dims: [1, 1, 1, 1], external: { location: 'gone.data' } };
	const graph = {
		nodes: [conv, layer],
		initializers: [weight, { name: 'p', values: [1] }],
		inputs: [{ name: 'x', shape: [1, 1, 2, 2] }],
		outputs: ['y'],
	};
	const output = path.join(folder, 'incomplete-folded.onnx');
	const model = write('incomplete.onnx', buildModel({ graph }));
	const both = [
		() => foldTo(model, output),
		() => compare(inMemory(small, 'small.onnx'), { path: model }, options, ports),
	];
	for (const attempt of both) {
		await assert.rejects(attempt, /incomplete\.onnx: .*"gone\.data".*does not exist/);
	}
	write('gone.data', Uint8Array.of(0, 0));
	for (const attempt of both) {
		await assert.rejects(attempt, /incomplete\.onnx: .*"gone\.data" has 2 bytes where 4 are needed/);
	}
	write('gone.data', new Uint8Array(64));
	for (const [external, words] of [
		[{ location: 'gone.data', offset: -4 }, /external data offset -4, which is no byte offset/],
		[{ location: 'gone.data', length: 2 }, /has 2 bytes of data where 1 element.* of float32 takes? 4 bytes/],
	] as const) {
		const initializers = [{ ...weight, external }, graph.initializers[1]];
		write('incomplete.onnx', buildModel({ graph: { ...graph, initializers } }));
		for (const attempt of both) {
			await assert.rejects(attempt, new RegExp(`"w" of .*incomplete\\.onnx .*${words.source}`));
		}
	}
	assert.ok(!readdirSync(folder).some((name) => name.startsWith('incomplete-folded')));
});

test('functions that call themselves are refused with the name of their file', async () => {
	const functions = [
		{
			name: 'F',
			domain: 'local',
			inputs: ['a'],
			outputs: ['b'],
			nodes: [{ op: 'F', domain: 'local', inputs: ['a'], outputs: ['b'] }],
		},
	];
	const call = { op: 'F', domain: 'local', inputs: ['x'], outputs: ['y'] };
	const graph = { nodes: [call], inputs: [{ name: 'x', shape: [1, 1, 2, 2] }], outputs: ['y'] };
	const model = write('endless.onnx', buildModel({ graph, functions, opsets: { local: 1 } }));
	const attempt = compare(inMemory(small, 'small.onnx'), { path: model }, options, ports);
	await assert.rejects(attempt, /endless\.onnx: The model's functions or subgraphs nest more than 100 deep/);
});

const checkpoint = (name: string) => ({ path: path.resolve(`test/fixtures/checkpoints/${name}`) });

test('a checkpoint is the original in either order, and nothing is run', async () => {
	for (const pair of [
		[checkpoint('conv1d.pth'), checkpoint('conv1d.kept.onnx')],
		[checkpoint('conv1d.kept.onnx'), checkpoint('conv1d.pth')],
	] as const) {
		const { original, summary, outputs, notes } = await compare(...pair, options, noRuntime);
		assert.equal(original.format, 'pytorch');
		assert.equal(summary.kept, 2);
		assert.ok(outputs?.status === 'skipped' && /no graph that could run/.test(outputs.reason));
		assert.equal(notes[0]?.includes('was named first') ?? false, pair[0].path.endsWith('.onnx'));
	}
});

test('two checkpoints are refused in one sentence', async () => {
	await assert.rejects(
		compare(checkpoint('conv1d.pth'), checkpoint('mlp.pth'), options, noRuntime),
		/^InputError: conv1d\.pth and mlp\.pth are both checkpoints/,
	);
});
