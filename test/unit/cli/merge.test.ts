import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { parseMergeArguments } from '../../../src/cli/merge.js';
import { MergeError, mergeReports } from '../../../src/cli/merge-reports.js';
import { encodeReport, parseReport } from '../../../src/core/report/json.js';
import type { Report } from '../../../src/core/report/types.js';
import { encodeNpy, type NpyArray, parseNpy } from '../../../src/engine/child/tensors/npy.js';
import { inspectModel } from '../support/inspect.js';
import { sampleLayer, sampleReport } from '../support/sample-report.js';

const models = path.resolve('test', 'fixtures', 'models');
let folder: string;
before(async () => {
	folder = await mkdtemp(path.join(tmpdir(), 'bnl-merge-'));
});
after(() => rm(folder, { recursive: true }));

interface Expected {
	readonly layers: readonly { readonly batch_mean: number[]; readonly batch_var: number[]; readonly count: number }[];
}

/** Rows from `start` to `end` as a file. */
async function rows({ type, shape, data }: NpyArray, [start, end]: readonly [number, number], name: string) {
	const size = data.length / shape[0];
	const part = data.slice(start * size, end * size) as NpyArray['data'];
	const file = path.join(folder, `${name}.${start}.npy`);
	await writeFile(file, encodeNpy({ type, shape: [end - start, ...shape.slice(1)], data: part }));
	return file;
}

async function inspectOn(model: string, file: string): Promise<Report> {
	const { report } = await inspectModel(
		{ path: path.join(models, `${model}.onnx`) },
		{ inputs: [{ input: 'input', path: file }], compareOptimized: false },
	);
	// As it comes out of a file.
	return parseReport(JSON.parse(JSON.stringify(encodeReport(report))));
}

for (const model of ['plain_cnn', 'depthwise', 'generator', 'preact', 'mlp', 'conv1d', 'conv3d']) {
	test(`${model}: shards merged are the whole, and PyTorch's numbers`, async () => {
		const file = path.join(models, `${model}.input.npy`);
		const input = parseNpy(await readFile(file), file);
		const whole = await inspectOn(model, file);
		const n = input.shape[0];
		const cuts = [0, 1, Math.max(1, Math.floor(n / 2)), n].filter((cut, i, all) => cut !== all[i - 1]);
		const shards: { file: string; report: Report }[] = [];
		for (let i = 1; i < cuts.length; i++) {
			const shard = await rows(input, [cuts[i - 1], cuts[i]], model);
			shards.push({ file: shard, report: await inspectOn(model, shard) });
		}
		assert.ok(shards.length >= 2);
		const merged = mergeReports(shards);
		const expected: Expected = JSON.parse(await readFile(path.join(models, `${model}.expected.json`), 'utf8'));
		for (const [index, { batch, inputShape, recompute, findings }] of merged.layers.entries()) {
			const other = whole.layers[index];
			const truth = expected.layers[index];
			assert.ok(batch && other.batch);
			assert.deepEqual(
				[batch.count, batch.images, inputShape, recompute.status],
				[truth.count, other.batch.images, other.inputShape, 'match'],
			);
			assert.deepEqual(
				findings.map(({ code }) => code),
				other.findings.map(({ code }) => code),
			);
			// The runtime multiplies matrices in another order for another batch: behind that the data differ, not the merge.
			const exact = model === 'mlp' && index === 1 ? 1e-7 : 1e-12;
			for (let c = 0; c < batch.mean.length; c++) {
				const deviation = Math.sqrt(truth.batch_var[c]);
				const size = Math.max(deviation, Math.abs(truth.batch_mean[c]));
				assert.ok(Math.abs(batch.mean[c] - other.batch.mean[c]) <= exact * size);
				assert.ok(Math.abs(batch.variance[c] - other.batch.variance[c]) <= exact * other.batch.variance[c]);
				assert.ok(Math.abs(batch.mean[c] - truth.batch_mean[c]) <= 1e-5 * size);
				assert.ok(Math.abs(batch.variance[c] - truth.batch_var[c]) <= 1e-5 * truth.batch_var[c]);
			}
		}
	});
}

/** A report of one layer with two channels, run on a file. */
function part(changes: Parameters<typeof sampleLayer>[0] = {}, from = 'a.npy'): Report {
	const report = sampleReport({ layers: [sampleLayer(changes)] });
	return { ...report, run: { ...report.run, inputs: [{ ...report.run.inputs[0], from }] } };
}

const merge = (...reports: Report[]) => mergeReports(reports.map((report, i) => ({ file: `${i}.json`, report })));

test('merging a single report returns it unchanged', () => {
	const { batch, ...layer } = merge(part()).layers[0];
	const { batch: before, ...own } = sampleLayer();
	assert.deepEqual(layer, own);
	assert.deepEqual([batch?.count, batch?.images, batch?.mean], [64, 1, before?.mean]);
});

test('values that were left out are left out of the whole, channel by channel', () => {
	// Channel 0: 1, 2, NaN and 6; channel 1: all NaN, then 3 and 5.
	const first = { count: 3, images: 3, nonFinite: Float64Array.of(1, 3) };
	const a = { ...first, mean: Float64Array.of(1.5, 0), variance: Float64Array.of(0.25, Number.NaN) };
	const b = { count: 2, images: 2, mean: Float64Array.of(6, 4), variance: Float64Array.of(0, 1) };
	const { batch } = merge(part({ batch: a }), part({ batch: b }, 'b.npy')).layers[0];
	assert.deepEqual([batch?.count, batch?.images, batch?.nonFinite], [5, 5, Float64Array.of(1, 3)]);
	// 1, 2, 6, 6 have mean 3.75 and variance 5.1875.
	assert.deepEqual(batch?.mean, Float64Array.of(3.75, 4));
	assert.ok(Math.abs((batch?.variance[0] ?? 0) - 5.1875) < 1e-14);
	assert.equal(batch?.variance[1], 1);
	// Told of all the data, in place of what was told of a part.
	const told = [{ code: 'non-finite', severity: 'warning', channels: [1], message: 'of a part' }] as const;
	const { layers } = merge(part({ batch: a, findings: told }), part({ batch: a, findings: told }, 'b.npy'));
	assert.deepEqual(
		layers[0].findings.map(({ code, channels, message }) => [code, channels, message.split(' ', 3).join(' ')]),
		[['non-finite', [0, 1], '8 of 12']],
	);
	assert.deepEqual(layers[0].batch?.mean, Float64Array.of(1.5, Number.NaN));
});

test('a report without statistics is named, and the statistics of the others stay', () => {
	const { inputShape: _, ...bare } = sampleLayer({ batch: null, recompute: { status: 'skipped', reason: 'Not run.' } });
	const skipped = {
		...sampleReport({ layers: [bare] }),
		run: { status: 'skipped', reason: 'Running was switched off.', runtime: '', inputs: [], milliseconds: {} },
	} as const;
	for (const merged of [merge(part(), skipped, part()), merge(skipped, part(), part())]) {
		const [layer] = merged.layers;
		assert.deepEqual([layer.batch?.count, layer.inputShape?.[0], layer.recompute.status], [128, 2, 'skipped']);
		assert.equal(merged.run.inputs.length, 1);
		assert.match(merged.run.reason ?? '', /[01]\.json has no batch statistics: what is merged leaves its data out\./);
	}
	assert.equal(merge(part()).run.reason, part().run.reason);
	assert.equal(merge(skipped, skipped).layers[0].batch, null);
	const two = (second: Parameters<typeof sampleLayer>[0]) =>
		sampleReport({ layers: [sampleLayer(), sampleLayer({ name: 'other', ...second })] });
	assert.match(
		merge(two({}), two({ batch: null })).run.reason ?? '',
		/1\.json has no batch statistics of 1 of 2 layers/,
	);
});

test('drift is judged over all the data, and not at all for random input', () => {
	const images = 400;
	const drifted = { count: images, images, mean: Float64Array.of(3, 0.1), variance: Float64Array.of(1, 4) };
	const steady = { ...drifted, mean: Float64Array.of(0.25, 0.1) };
	const codes = (report: Report) => report.layers[0].findings.map(({ code }) => code);
	const old = [{ code: 'statistics-drift', severity: 'warning', channels: [1], message: 'of a part' }] as const;
	// Half of the data at 3 move the mean by more than a standard deviation; a hundredth does not move it at all.
	assert.deepEqual(codes(merge(part({ batch: drifted }), part({ batch: steady, findings: old }))), [
		'statistics-drift',
	]);
	const few = { ...drifted, count: 4, images: 4 };
	assert.deepEqual(codes(merge(part({ batch: few, findings: old }), part({ batch: steady }))), []);
	assert.deepEqual(codes(merge(part({ batch: drifted }, 'random normal, seed 0'), part({ batch: drifted }))), []);
});

test('a mismatch in one part is a mismatch of the whole, with the largest numbers of all parts', () => {
	const wrong = { status: 'mismatch', reason: 'It differs.', maxAbs: 0.5, maxRel: 1, maxUlp: 9, bound: 1e-6 } as const;
	const message = { code: 'recompute-mismatch', severity: 'error', channels: [0], message: 'It differs.' } as const;
	const perChannel = {
		maxAbs: Float64Array.of(0.5, 0),
		boundRatio: Float64Array.of(9, 0),
		bound: Float64Array.of(1, 1),
	};
	const merged = merge(part(), part({ recompute: { ...wrong, perChannel }, findings: [message] }), part());
	const { recompute, findings } = merged.layers[0];
	assert.deepEqual(
		[recompute.status, recompute.reason, recompute.maxAbs, recompute.bound],
		['mismatch', 'It differs.', 0.5, 4e-6],
	);
	assert.deepEqual(recompute.perChannel?.boundRatio, Float64Array.of(9, 0));
	assert.deepEqual(findings, [message]);
	const skipped = part({ recompute: { status: 'skipped', reason: 'Not checked.' } });
	assert.deepEqual(merge(part(), skipped).layers[0].recompute.status, 'skipped');
});

test('parts that never reach a layer do not count for it', () => {
	const past = part({ batch: null, recompute: { status: 'skipped', reason: 'Not taken.', cause: 'not-taken' } });
	const merged = merge(past, part(), past);
	assert.deepEqual([merged.layers[0].recompute.status, merged.layers[0].batch?.count], ['match', 64]);
	assert.equal(merged.run.reason, part().run.reason);
	assert.deepEqual(merge(past, past).layers[0].recompute, past.layers[0].recompute);
});

test('the run of the merged report covers all parts', () => {
	const others = ['b', 'c', 'd', 'e', 'f'].map((name) => part({}, `${name}.npy`));
	const { run } = merge(part(), ...others);
	assert.deepEqual(run.inputs[0].shape, [6, 3, 8, 8]);
	assert.equal(run.inputs[0].from, 'a.npy; b.npy; c.npy; d.npy and 2 more');
	assert.equal(run.milliseconds.run, 18);
});

test('reports of different models are refused, with the difference named', () => {
	const base = part();
	const model = (changes: Partial<Report['model']>) => ({ ...base, model: { ...base.model, ...changes } });
	const mean = { ...(base.layers[0].parameters ?? assert.fail()), mean: Float64Array.of(0.25, 0.5) };
	for (const [other, message] of [
		[
			model({ bytes: 5000 }),
			/^1\.json is not of the same model as 0\.json: the file has another size \(5000, not 4096\)\.$/,
		],
		[model({ opset: 9 }), /another opset/],
		[{ ...base, layers: [] }, /it has 0 layers, not 1/],
		[part({ name: 'other' }), /a layer "other" where the other has "features\.1"/],
		[part({ epsilon: 1e-3 }), /"features\.1" is another kind of layer/],
		[part({ parameters: mean }), /"features\.1" has another running mean/],
	] as const) {
		assert.throws(
			() => merge(base, other),
			(error: Error) => error instanceof MergeError && message.test(error.message),
			String(message),
		);
	}
	// The same file in another place is the same model.
	assert.equal(merge(base, model({ path: '/elsewhere/net.onnx' })).model.path, 'net.onnx');
});

test('the command line merges its own reports, and names a file that it cannot read', async () => {
	const cli = path.resolve('dist', 'cli.js');
	const run = (...args: string[]) => spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8', timeout: 60_000 });
	const names = await Promise.all(
		[part(), part({}, 'b.npy')].map(async (report, i) => {
			const file = path.join(folder, `report${i}.json`);
			await writeFile(file, JSON.stringify(encodeReport(report)));
			return file;
		}),
	);
	const merged = run('merge', ...names, '--json');
	assert.deepEqual([merged.status, merged.stderr], [0, '']);
	assert.equal(parseReport(JSON.parse(merged.stdout)).layers[0].batch?.count, 128);
	assert.match(run('merge', ...names).stdout, /1 BatchNorm layer/);
	// As redirecting output in Windows PowerShell writes it, old and new.
	const [one, other] = names.map((name) => readFileSync(name, 'utf8'));
	await writeFile(names[0], Buffer.concat([Buffer.of(0xff, 0xfe), Buffer.from(one, 'utf16le')]));
	await writeFile(names[1], `\ufeff${other}`);
	assert.equal(run('merge', ...names).status, 0);
	const bare = path.join(folder, 'bare.json');
	await writeFile(bare, JSON.stringify(encodeReport(part({ batch: null }))));
	assert.match(run('merge', ...names, bare).stderr, /^[^\n]*bare\.json has no batch statistics[^\n]*\n$/);
	for (const [file, content, message] of [
		['text.json', 'not json', /text\.json is not JSON/],
		['other.json', '{"format":"something else"}', /other\.json is not a report that can be merged: /],
		['none.json', undefined, /none\.json cannot be read: it does not exist\./],
	] as const) {
		const wrong = path.join(folder, file);
		if (content !== undefined) {
			await writeFile(wrong, content);
		}
		const { status, stderr } = run('merge', names[0], wrong);
		assert.deepEqual([status, message.test(stderr), stderr.trim().split('\n').length], [2, true, 1], stderr);
	}
	assert.throws(() => parseMergeArguments([]), /merge needs the reports/);
});
