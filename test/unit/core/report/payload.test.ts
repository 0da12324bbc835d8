import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reportFromParameters } from '../../../../src/core/inspection/parameters-report.js';
import { encodeReport, ReportError } from '../../../../src/core/report/json.js';
import { parsePayload } from '../../../../src/core/report/payload.js';
import { sampleReport } from '../../support/sample-report.js';

const layer = { name: 'bn1', gamma: [2, 1], beta: [0, 1], mean: [1, 0], variance: [3, 'Infinity'], epsilon: 1 };

function assertRefused(value: unknown, path: string, message: RegExp): void {
	assert.throws(
		() => parsePayload(value),
		(error) => error instanceof ReportError && error.path === path && message.test(error.message),
	);
}

test('the four kinds are read', () => {
	const report = sampleReport();
	assert.deepEqual(parsePayload({ kind: 'report', report: encodeReport(report) }), { kind: 'report', report });
	const comparison = { format: 'batchnorm-lens.comparison', layers: [] };
	assert.deepEqual(parsePayload({ kind: 'comparison', comparison }), { kind: 'comparison', comparison });
	assert.deepEqual(parsePayload({ kind: 'model', path: '../net.onnx', note: 1 }), {
		kind: 'model',
		path: '../net.onnx',
	});
	const parsed = parsePayload({ kind: 'parameters', layers: [layer] });
	assert.ok(parsed.kind === 'parameters');
	assert.deepEqual(parsed.layers[0].variance, Float64Array.of(3, Number.POSITIVE_INFINITY));
});

test('any other payload is refused with its place', () => {
	assertRefused([], '', /must be an object, not an array/);
	assertRefused({ kind: 'video' }, 'kind', /"report" or "comparison" or "parameters" or "model", not "video"/);
	assertRefused({ kind: 'report', report: { ...sampleReport(), version: 9 } }, 'report.version', /is 9/);
	assertRefused({ kind: 'comparison', comparison: [] }, 'comparison', /must be an object/);
	assertRefused({ kind: 'model' }, 'path', /must be a text/);
	const layers = [layer, { ...layer, mean: [1, 2, 3] }];
	assertRefused({ kind: 'parameters', layers }, 'layers[1].gamma', /has 2 values where 3 belong/);
	assertRefused({ kind: 'parameters', layers: [{ ...layer, epsilon: null }] }, 'layers[0].epsilon', /must be a number/);
});

test('parameters alone give affine map, health and honest blanks', () => {
	const payload = parsePayload({ kind: 'parameters', layers: [layer, { ...layer, gamma: [0, 1], variance: [3, 0] }] });
	assert.ok(payload.kind === 'parameters');
	const report = reportFromParameters(payload.layers);
	const [first, second] = report.layers;
	assert.deepEqual(first.affine, { scale: Float64Array.of(1, 0), shift: Float64Array.of(-1, 1) });
	assert.deepEqual([first.name, second.name], ['bn1', 'bn1 (2)']);
	assert.deepEqual(
		first.findings.map(({ code, channels }) => [code, channels]),
		[['non-finite', [1]]],
	);
	assert.deepEqual(
		second.findings.map(({ code, channels }) => [code, channels]),
		[
			['zero-variance', [1]],
			['dead-channel', [0]],
		],
	);
	assert.equal(report.run.status, 'skipped');
	assert.equal(first.recompute.status, 'skipped');
});

test('a layer without gamma and beta scales by 1 and has no shift of its own', () => {
	const payload = parsePayload({
		kind: 'parameters',
		layers: [{ name: '', gamma: null, mean: [2], variance: [0.75], epsilon: 0.25 }],
	});
	assert.ok(payload.kind === 'parameters');
	const [only] = reportFromParameters(payload.layers).layers;
	assert.deepEqual([only.name, only.affine], ['layer 0', { scale: Float64Array.of(1), shift: Float64Array.of(-2) }]);
});
