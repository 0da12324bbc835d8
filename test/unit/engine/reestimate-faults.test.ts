import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { readDocument } from '../../../src/cli/json-file.js';
import { mergeStatistics } from '../../../src/core/inspection/merge-statistics.js';
import { encodeStatistics, parseStatistics } from '../../../src/core/report/statistics.js';
import { EngineClient } from '../../../src/engine/client.js';
import { buildModel } from '../support/model-builder.js';
import { openBytes } from '../support/open.js';
import { readArray, reestimateModel, scratch, stale, writeRows } from '../support/reestimate.js';
import { specOf } from '../support/respec.js';

const folder = scratch();
after(() => rmSync(folder, { recursive: true }));
const [model, data] = [stale('mlp.stale.onnx'), stale('mlp.calibration.npy')];
const out = (name: string) => path.join(folder, name);

/** Copies of model and data in a folder of their own. */
function copies(name: string): { readonly at: string; readonly model: string; readonly data: string } {
	const at = out(name);
	mkdirSync(at);
	copyFileSync(model, path.join(at, 'model.onnx'));
	copyFileSync(data, path.join(at, 'data.npy'));
	return { at, model: path.join(at, 'model.onnx'), data: path.join(at, 'data.npy') };
}

test('the model, its external data and the files with the samples are never replaced', async () => {
	const own = copies('own');
	const spec = await specOf(await openBytes(readFileSync(model)));
	const [weight, ...others] = spec.graph?.initializers ?? [];
	const raw = Float32Array.from((weight?.values ?? []).map(Number));
	writeFileSync(path.join(own.at, 'weights.bin'), new Uint8Array(raw.buffer));
	const { values: _, ...rest } = weight ?? {};
	const external = { location: 'weights.bin', offset: 0, length: raw.byteLength };
	const outside = path.join(own.at, 'outside.onnx');
	writeFileSync(
		outside,
		buildModel({ ...spec, graph: { ...spec.graph, initializers: [{ ...rest, external }, ...others] } }),
	);
	const before = new Map(readdirSync(own.at).map((name) => [name, readFileSync(path.join(own.at, name))]));
	for (const [file, target] of [
		[own.model, own.model],
		[own.model, own.data],
		[outside, path.join(own.at, 'weights.bin')],
	]) {
		await assert.rejects(reestimateModel(file, own.data, { batch: 8, output: target }), {
			name: 'WriteError',
			message: /is read by this command: choose another name for the output\.$/,
		});
	}
	const good = path.join(own.at, 'good.onnx');
	const { check } = await reestimateModel(outside, own.data, { batch: 8, output: good });
	assert.equal(check.status, 'match', JSON.stringify(check));
	rmSync(good);
	assert.deepEqual(new Map(readdirSync(own.at).map((name) => [name, readFileSync(path.join(own.at, name))])), before);
});

test('on a full or read-only disk the old file stays', { skip: process.platform !== 'linux' }, async (context) => {
	const disk = out('disk');
	mkdirSync(disk);
	if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8k', 'tmpfs', disk]).status !== 0) {
		return context.skip('mounting a file system is not permitted here');
	}
	try {
		const target = path.join(disk, 'm.onnx');
		writeFileSync(target, 'old');
		await assert.rejects(
			reestimateModel(model, data, { batch: 8, output: target }),
			/m\.onnx cannot be written: the disk is full\.$/,
		);
		assert.equal(readFileSync(target, 'utf8'), 'old');
		assert.deepEqual(readdirSync(disk), ['m.onnx']);
		if (spawnSync('mount', ['-o', 'remount,ro', disk]).status === 0) {
			await assert.rejects(
				reestimateModel(model, data, { batch: 8, output: target }),
				/m\.onnx cannot be written: writing it is not permitted\.$/,
			);
		}
	} finally {
		spawnSync('umount', [disk]);
	}
});

test('a folder without permission, and a folder as target, are named', async (context) => {
	await assert.rejects(
		reestimateModel(model, data, { batch: 8, output: folder }),
		/is not a file: choose another name for the written model\.$/,
	);
	if (process.getuid?.() === 0 || process.platform === 'win32') {
		return context.skip('the superuser may write everywhere');
	}
	const closed = out('closed');
	mkdirSync(closed);
	chmodSync(closed, 0o555);
	await assert.rejects(
		reestimateModel(model, data, { batch: 8, output: path.join(closed, 'm.onnx') }),
		/cannot be written: writing it is not permitted\.$/,
	);
});

test('a shard that is cut short, edited, of another model, or given twice is refused by its name', async () => {
	const own = (await reestimateModel(model, data, { batch: 8 })).statistics;
	const other = (await reestimateModel(stale('mlp.training.onnx'), data, { batch: 8 })).statistics;
	const shards = (second: typeof own) => [
		{ file: 'first.json', statistics: own },
		{ file: 'second.json', statistics: second },
	];
	assert.throws(
		() => mergeStatistics(shards(other)),
		/^MergeError: second\.json is not of the same model as first\.json: /,
	);
	const changed = { ...own, fingerprint: own.fingerprint?.replace(/^./, (digit) => (digit === '0' ? '1' : '0')) ?? '' };
	assert.throws(() => mergeStatistics(shards(changed)), /the content of the model file is another\.$/);
	assert.throws(
		() => mergeStatistics(shards(own)),
		/^MergeError: second\.json holds the same statistics as first\.json, so that this part .* twice: leave one out\.$/,
	);
	const [first, ...others] = own.layers;
	const edited = { ...own, layers: [{ ...first, mean: first.mean.map((value) => value + 1) }, ...others] };
	assert.throws(() => parseStatistics(JSON.parse(JSON.stringify(encodeStatistics(edited)))), {
		message: /^layers\[0\]\.mean\[0\] is \S+, but its sums give \S+$/,
	});
	const text = JSON.stringify(encodeStatistics(own));
	for (const length of [text.length - 1, text.length >> 1, 0]) {
		writeFileSync(out('short.json'), text.slice(0, length));
		await assert.rejects(
			readDocument(out('short.json')),
			/short\.json is (not JSON, or only the beginning of it|empty): /,
		);
	}
});

test('two runs at once on one target leave the whole file of one', async () => {
	const { at, data: samples } = copies('twice');
	const half = writeRows(at, readArray(samples), 0, 24);
	const target = path.join(at, 'out.onnx');
	const run = (file: string, number: number) =>
		reestimateModel(model, file, { batch: 8, output: target, temporary: `${target}.${number}.part` });
	await Promise.all([run(samples, 1), run(half, 2)]);
	const written = readFileSync(target);
	const alone = await Promise.all(
		[samples, half].map(async (file, number) => {
			const output = path.join(at, `alone-${number}.onnx`);
			await reestimateModel(model, file, { batch: 8, output });
			return readFileSync(output);
		}),
	);
	assert.ok(alone.some((bytes) => bytes.equals(written)));
	assert.ok(!readdirSync(at).some((name) => name.endsWith('.part')));
});

test('canceled at any stage, it leaves the old file or the whole new one', async () => {
	const { at, model: own, data: samples } = copies('cancel');
	const target = path.join(at, 'out.onnx');
	writeFileSync(target, 'old');
	const before = readdirSync(at);
	const engine = new EngineClient({ entry: path.resolve('dist', 'engine', 'main.js'), concurrency: 4 });
	const inputs = [{ input: undefined, path: samples }];
	try {
		const stages = ['opening', 'loading', 'collecting', 'writing'] as const;
		await Promise.all(
			stages.map((stage) => {
				const abort = new AbortController();
				const onEvent = (event: { readonly type: string; readonly stage?: string }) =>
					event.type === 'progress' && event.stage === stage && abort.abort();
				const hooks = { signal: abort.signal, onEvent };
				const work = engine.reestimate({ path: own }, { inputs, batch: 8, output: target }, hooks);
				return assert.rejects(work, { code: 'cancelled' }, stage);
			}),
		);
	} finally {
		engine.dispose();
	}
	// A parent that is slow to hear of the last stage may cancel when the file has its name already.
	const left = readFileSync(target);
	if (left.toString() !== 'old') {
		const whole = out('whole.onnx');
		await reestimateModel(model, data, { batch: 8, output: whole });
		assert.ok(left.equals(readFileSync(whole)));
	}
	assert.deepEqual(readdirSync(at), before);
});
