import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { mergeCommand, parseMergeArguments } from '../../../../src/cli/commands/merge.js';
import { mergeReports } from '../../../../src/core/inspection/merge-reports.js';
import { encodeReport, parseReport } from '../../../../src/core/report/json.js';
import type { Report } from '../../../../src/core/report/types.js';
import { encodeNpy, type NpyArray, parseNpy } from '../../../../src/engine/child/tensors/npy.js';
import { inspectModel } from '../../support/inspect.js';
import { partReport } from '../../support/sample-report.js';

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

test('the command line merges its own reports, and names a file that it cannot read', async () => {
	const cli = path.resolve('dist', 'cli.js');
	const run = (...args: string[]) => spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8', timeout: 60_000 });
	const names = await Promise.all(
		[partReport(), partReport({}, 'b.npy')].map(async (report, i) => {
			const file = path.join(folder, `report${i}.json`);
			await writeFile(file, JSON.stringify(encodeReport(report)));
			return file;
		}),
	);
	const merged = run('merge', ...names, '--json');
	assert.deepEqual([merged.status, merged.stderr], [0, '']);
	assert.equal(parseReport(JSON.parse(merged.stdout)).layers[0].batch?.count, 128);
	assert.match(run('merge', ...names).stdout, /the\s+BatchNorm\s+layer/);
	// As redirecting output in Windows PowerShell writes it, old and new.
	const [one, other] = names.map((name) => readFileSync(name, 'utf8'));
	await writeFile(names[0], Buffer.concat([Buffer.of(0xff, 0xfe), Buffer.from(one, 'utf16le')]));
	await writeFile(names[1], `\ufeff${other}`);
	assert.equal(run('merge', ...names).status, 0);
	const bare = path.join(folder, 'bare.json');
	await writeFile(bare, JSON.stringify(encodeReport(partReport({ batch: null }))));
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
	assert.throws(() => parseMergeArguments([]), /merge needs the files/);
});

test('a part of the data is not counted twice', async () => {
	const [file, link] = ['part.json', 'link.json'].map((name) => path.join(folder, name));
	await writeFile(file, JSON.stringify(encodeReport(partReport())));
	await assert.rejects(mergeCommand([file, file]), {
		name: 'MergeError',
		message: `${file} is given twice, so that its part of the data would count twice: give each file once.`,
	});
	await symlink(file, link);
	await assert.rejects(mergeCommand([file, link]), { message: /link\.json is given twice, also as \S+part\.json, so/ });
});
