import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MergeError, mergeReports } from '../../../../src/core/inspection/merge-reports.js';
import type { Report } from '../../../../src/core/report/types.js';
import { partReport, sampleLayer, sampleReport } from '../../support/sample-report.js';

const merge = (...reports: Report[]) => mergeReports(reports.map((report, i) => ({ file: `${i}.json`, report })));

test('merging a single report returns it unchanged', () => {
	const { batch, ...layer } = merge(partReport()).layers[0];
	const { batch: before, ...own } = sampleLayer();
	assert.deepEqual(layer, own);
	assert.deepEqual([batch?.count, batch?.images, batch?.mean], [64, 1, before?.mean]);
});

test('values that were left out are left out of the whole, channel by channel', () => {
	// Channel 0: 1, 2, NaN and 6; channel 1: all NaN, then 3 and 5.
	const first = { count: 3, images: 3, nonFinite: Float64Array.of(1, 3) };
	const a = { ...first, mean: Float64Array.of(1.5, 0), variance: Float64Array.of(0.25, Number.NaN) };
	const b = { count: 2, images: 2, mean: Float64Array.of(6, 4), variance: Float64Array.of(0, 1) };
	const { batch } = merge(partReport({ batch: a }), partReport({ batch: b }, 'b.npy')).layers[0];
	assert.deepEqual([batch?.count, batch?.images, batch?.nonFinite], [5, 5, Float64Array.of(1, 3)]);
	// 1, 2, 6, 6 have mean 3.75 and variance 5.1875.
	assert.deepEqual(batch?.mean, Float64Array.of(3.75, 4));
	assert.ok(Math.abs((batch?.variance[0] ?? 0) - 5.1875) < 1e-14);
	assert.equal(batch?.variance[1], 1);
	// Told of all the data, in place of what was told of a part.
	const told = [{ code: 'non-finite', severity: 'warning', channels: [1], message: 'of a part' }] as const;
	const { layers } = merge(partReport({ batch: a, findings: told }), partReport({ batch: a, findings: told }, 'b.npy'));
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
	for (const merged of [merge(partReport(), skipped, partReport()), merge(skipped, partReport(), partReport())]) {
		const [layer] = merged.layers;
		assert.deepEqual([layer.batch?.count, layer.inputShape?.[0], layer.recompute.status], [128, 2, 'skipped']);
		assert.equal(merged.run.inputs.length, 1);
		assert.match(merged.run.reason ?? '', /[01]\.json has no batch statistics: what is merged leaves its data out\./);
	}
	assert.equal(merge(partReport()).run.reason, partReport().run.reason);
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
	assert.deepEqual(codes(merge(partReport({ batch: drifted }), partReport({ batch: steady, findings: old }))), [
		'statistics-drift',
	]);
	const few = { ...drifted, count: 4, images: 4 };
	assert.deepEqual(codes(merge(partReport({ batch: few, findings: old }), partReport({ batch: steady }))), []);
	assert.deepEqual(
		codes(merge(partReport({ batch: drifted }, 'random normal, seed 0'), partReport({ batch: drifted }))),
		[],
	);
});

test('a mismatch in one part is a mismatch of the whole, with the largest numbers of all parts', () => {
	const wrong = { status: 'mismatch', reason: 'It differs.', maxAbs: 0.5, maxRel: 1, maxUlp: 9, bound: 1e-6 } as const;
	const message = { code: 'recompute-mismatch', severity: 'error', channels: [0], message: 'It differs.' } as const;
	const perChannel = {
		maxAbs: Float64Array.of(0.5, 0),
		boundRatio: Float64Array.of(9, 0),
		bound: Float64Array.of(1, 1),
	};
	const merged = merge(
		partReport(),
		partReport({ recompute: { ...wrong, perChannel }, findings: [message] }),
		partReport(),
	);
	const { recompute, findings } = merged.layers[0];
	assert.deepEqual(
		[recompute.status, recompute.reason, recompute.maxAbs, recompute.bound],
		['mismatch', 'It differs.', 0.5, 4e-6],
	);
	assert.deepEqual(recompute.perChannel?.boundRatio, Float64Array.of(9, 0));
	assert.deepEqual(findings, [message]);
	const skipped = partReport({ recompute: { status: 'skipped', reason: 'Not checked.' } });
	assert.deepEqual(merge(partReport(), skipped).layers[0].recompute.status, 'skipped');
});

test('parts that never reach a layer do not count for it', () => {
	const past = partReport({ batch: null, recompute: { status: 'skipped', reason: 'Not taken.', cause: 'not-taken' } });
	const merged = merge(past, partReport(), past);
	assert.deepEqual([merged.layers[0].recompute.status, merged.layers[0].batch?.count], ['match', 64]);
	assert.equal(merged.run.reason, partReport().run.reason);
	assert.deepEqual(merge(past, past).layers[0].recompute, past.layers[0].recompute);
});

test('the run of the merged report covers all parts', () => {
	const others = ['b', 'c', 'd', 'e', 'f'].map((name) => partReport({}, `${name}.npy`));
	const { run } = merge(partReport(), ...others);
	assert.deepEqual(run.inputs[0].shape, [6, 3, 8, 8]);
	assert.equal(run.inputs[0].from, 'a.npy; b.npy; c.npy; d.npy and 2 more');
	assert.equal(run.milliseconds.run, 18);
});

test('reports of different models are refused, with the difference named', () => {
	const base = partReport();
	const model = (changes: Partial<Report['model']>) => ({ ...base, model: { ...base.model, ...changes } });
	const mean = { ...(base.layers[0].parameters ?? assert.fail()), mean: Float64Array.of(0.25, 0.5) };
	for (const [other, message] of [
		[
			model({ bytes: 5000 }),
			/^1\.json is not of the same model as 0\.json: the file has another size \(5000, not 4096\)\.$/,
		],
		[model({ opset: 9 }), /another opset/],
		[{ ...base, layers: [] }, /it has 0 layers, not 1/],
		[partReport({ name: 'other' }), /a layer "other" where the other has "features\.1"/],
		[partReport({ epsilon: 1e-3 }), /"features\.1" is another kind of layer/],
		[partReport({ parameters: mean }), /"features\.1" has another running mean/],
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
