import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reestimationMarkdown } from '../../../../src/core/report/export/reestimation-markdown.js';
import {
	encodeReestimation,
	REESTIMATION_FORMAT,
	type ReestimationResult,
	statisticsChange,
} from '../../../../src/core/report/reestimation.js';
import {
	encodeStatistics,
	parseStatistics,
	STATISTICS_FORMAT,
	type StatisticsReport,
	StatisticsSums,
} from '../../../../src/core/report/statistics.js';

const sums = new StatisticsSums(2);
sums.addBatch(10, Float64Array.of(1, -1), Float64Array.of(4, 9));
sums.addBatch(30, Float64Array.of(3, 1), Float64Array.of(8, 1));

const statistics: StatisticsReport = {
	format: STATISTICS_FORMAT,
	version: 1,
	model: { path: '/m.onnx', bytes: 9, format: 'onnx', irVersion: 8, opset: 15, producer: 'test', nodes: 1 },
	fingerprint: 'ab',
	mode: 'batch',
	batches: 2,
	samples: 40,
	layers: [sums.statistics('bn', 2)],
};

test('batches weigh by their counts', () => {
	const [layer] = statistics.layers;
	assert.deepEqual([layer.count, layer.batches], [40, 2]);
	assert.deepEqual(layer.mean, Float64Array.of(2.5, 0.5));
	assert.deepEqual(layer.variance, Float64Array.of(7, 3));
});

test('statistics survive JSON, with the fields of the contract and unknown ones', () => {
	const json = JSON.parse(JSON.stringify({ ...encodeStatistics(statistics), later: true }));
	assert.deepEqual(Object.keys(json.layers[0]), ['name', 'channels', 'batches', 'count', 'mean', 'variance', 'sums']);
	assert.deepEqual(json.layers[0].mean, [2.5, 0.5]);
	assert.deepEqual(parseStatistics(json), statistics);
	const { sums: _, ...plain } = json.layers[0];
	assert.equal(parseStatistics({ ...json, layers: [plain] }).layers[0]?.count, 40);
});

test('statistics that no data have are refused, with the place', () => {
	const json = JSON.parse(JSON.stringify(encodeStatistics(statistics)));
	const [layer] = json.layers;
	const cases: readonly (readonly [object, RegExp])[] = [
		[{ format: 'batchnorm-lens.report' }, /format must be "batchnorm-lens\.statistics"/],
		[{ version: 2 }, /version is 2; this program reads version 1 only/],
		[{ layers: [{ ...layer, count: 0 }] }, /layers\[0\]\.count is 0/],
		[{ layers: [{ ...layer, mean: [1] }] }, /layers\[0\]\.mean has 1 values for 2 channels/],
		[{ layers: [{ ...layer, variance: [1] }] }, /layers\[0\]\.variance has 1 values where 2 belong/],
		[{ layers: [{ ...layer, variance: [1, -1] }] }, /layers\[0\]\.variance\[1\] is -1/],
		[{ layers: [{ ...layer, mean: [1, 'NaN'] }] }, /layers\[0\]\.mean\[1\] is NaN/],
		[{ layers: [{ ...layer, sums: { mean: [[1]], variance: [[1]] } }] }, /sums\.mean has 1 values where 2/],
		[{ layers: [{ ...layer, sums: { mean: [[], ['NaN']], variance: [[], []] } }] }, /mean\[1\]\[0\] must be a finite/],
	];
	for (const [change, message] of cases) {
		assert.throws(() => parseStatistics({ ...json, ...change }), message);
	}
});

test('a result states the change of each layer, in JSON and in words', () => {
	const [before, after] = [
		{ mean: Float64Array.of(0, 0), variance: Float64Array.of(1, 4) },
		{ mean: Float64Array.of(1, -3), variance: Float64Array.of(2, 1) },
	];
	const change = statisticsChange(before, after, 0);
	assert.deepEqual(change, { largestShift: 1.5, shiftChannel: 1, varianceRatio: { min: 0.25, max: 2 } });
	const result: ReestimationResult = {
		format: REESTIMATION_FORMAT,
		version: 1,
		model: '/m.onnx',
		written: { path: '/out.onnx', bytes: 9 },
		mode: 'batch',
		batch: 20,
		batches: 2,
		samples: 40,
		inputs: [],
		layers: [{ name: 'bn', channels: 2, count: 40, before, after, ...change }],
		kept: [{ name: 'other', reason: 'its gamma is computed at run time by Add' }],
		switched: 0,
		notes: [],
		check: { status: 'match', evidence: 'It runs.' },
		statistics,
	};
	const json = JSON.parse(JSON.stringify(encodeReestimation(result)));
	assert.deepEqual([json.format, json.version, 'statistics' in json], ['batchnorm-lens.reestimation', 1, false]);
	assert.deepEqual(json.layers[0].after, { mean: [1, -3], variance: [2, 1] });
	const text = reestimationMarkdown(result);
	assert.match(text, /\| `bn` +\| +2 \| +1\.5 standard deviations \| +0\.25 to 2 \|/);
	assert.match(text, /\| +1 \| +0 \| +-3 \| +4 \| +1 \|\n\| +0 \| +0 \| +1 \| +1 \| +2 \|/);
	assert.match(text, /Not re-estimated: `other`/);
	assert.match(text, /^Statistics of 40 samples, in 2 batches of 20: means and unbiased variances of the batches, /m);
	assert.match(reestimationMarkdown({ ...result, mode: 'sequential' }), /^Statistics of 40 samples, layer by layer, /m);
});
