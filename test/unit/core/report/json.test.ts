import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeReport, parseReport, ReportError } from '../../../../src/core/report/json.js';
import type { Report } from '../../../../src/core/report/types.js';
import { sampleLayer, sampleReport } from '../../support/sample-report.js';

/** What another process would read. */
function overTheWire(report: Report): unknown {
	return JSON.parse(JSON.stringify(encodeReport(report)));
}

/** The sample as mutable JSON. */
function json(): Record<string, unknown> & { layers: Record<string, unknown>[] } {
	return JSON.parse(JSON.stringify(encodeReport(sampleReport())));
}

function assertRefused(value: unknown, path: string, message: RegExp): void {
	assert.throws(
		() => parseReport(value),
		(error) => {
			assert.ok(error instanceof ReportError);
			assert.equal(error.path, path);
			assert.match(error.message, message);
			return true;
		},
	);
}

test('a report comes back equal from JSON', () => {
	const bare = sampleLayer({ name: 'bare', parameters: null, affine: null, batch: null, source: null });
	const report = sampleReport({ layers: [sampleLayer(), { ...bare, recompute: { status: 'pending' } }] });
	assert.deepEqual(parseReport(overTheWire(report)), report);
});

test('any float64 survives, and a value that JSON cannot hold becomes its name', () => {
	const variance = Float64Array.of(Number.NaN, Number.NEGATIVE_INFINITY);
	const { parameters } = sampleLayer();
	assert.ok(parameters);
	const encoded = encodeReport(sampleReport({ layers: [sampleLayer({ parameters: { ...parameters, variance } })] }));
	assert.match(JSON.stringify(encoded), /"variance":\["NaN","-Infinity"\]/);
	const anyNumber = fc.double().map((value) => (Object.is(value, -0) ? 0 : value));
	fc.assert(
		fc.property(anyNumber, anyNumber, (a, b) => {
			const report = sampleReport({
				layers: [
					sampleLayer({ batch: null, epsilon: a, parameters: { ...parameters, variance: Float64Array.of(a, b) } }),
				],
			});
			assert.deepEqual(parseReport(overTheWire(report)), report);
		}),
		{ seed: 4, numRuns: 200 },
	);
});

test('fields of a newer writer are ignored, anywhere', () => {
	const value = json();
	const extended = {
		...value,
		color: 'red',
		layers: value.layers.map((layer) => ({ ...layer, note: [], recompute: { ...Object(layer.recompute), note: 1 } })),
	};
	assert.deepEqual(parseReport(extended), sampleReport());
});

test('a verdict or a run that leaves out its numbers or its reason is read', () => {
	const read = (recompute: object, run: object = {}) => {
		const value = json();
		const parsed = parseReport({
			...value,
			layers: value.layers.map((layer) => ({ ...layer, recompute })),
			run: { ...Object(value.run), ...run },
		});
		return [parsed.layers[0].recompute, parsed.run.reason];
	};
	const unknown = { maxAbs: Number.NaN, bound: Number.NaN };
	const reason = 'The report gives no reason.';
	assert.deepEqual(read({ status: 'match' })[0], { status: 'match', ...unknown });
	assert.deepEqual(read({ status: 'match', bound: 2, maxUlp: 1 })[0], {
		status: 'match',
		maxAbs: Number.NaN,
		maxUlp: 1,
		bound: 2,
	});
	assert.deepEqual(read({ status: 'mismatch' })[0], { status: 'mismatch', reason: "The runtime's output differs." });
	assert.deepEqual(read({ status: 'skipped', maxAbs: 1 }, { status: 'failed' }), [
		{ status: 'skipped', reason, maxAbs: 1 },
		reason,
	]);
	assert.deepEqual(read({ status: 'pending', reason: 'x' }, { status: 'skipped' }), [{ status: 'pending' }, reason]);
	assert.throws(() => read({ status: 'other' }), /recompute.status must be "match" or "mismatch" or "skipped" or/);
	assert.throws(() => read({ status: 'match', maxAbs: 'x' }), /recompute.maxAbs must be a number/);
	assert.throws(() => read({ status: 'pending' }, { status: 'done' }), /run.status must be "ok" or "failed"/);
});

test('absent optional fields are absent, not undefined', () => {
	const { kind, parametersFrom, inputShape, ...layer } = json().layers[0];
	const parsed = parseReport({ ...json(), layers: [layer] }).layers[0];
	assert.ok(kind && parametersFrom && inputShape);
	assert.ok(!('kind' in parsed) && !('inputShape' in parsed) && 'recompute' in parsed);
});

test('an error is refused with its place', () => {
	assertRefused([], '', /The document must be an object, not an array of 0/);
	assertRefused({ ...json(), format: 'other' }, 'format', /"batchnorm-lens.report", not "other"/);
	assertRefused({ ...json(), version: 2 }, 'version', /is 2; this program reads version 1 only/);
	assertRefused({ ...json(), layers: {} }, 'layers', /must be an array, not an object/);
	const [layer] = json().layers;
	const withLayer = (change: object) => ({ ...json(), layers: [layer, { ...layer, name: 'b', ...change }] });
	const parameters = { gamma: [1, 'x'], beta: [0, 0], mean: [0, 0], variance: [1, 1] };
	assertRefused(withLayer({ parameters }), 'layers[1].parameters.gamma[1]', /must be a number.*not "x"/);
	assertRefused(withLayer({ mode: 'both' }), 'layers[1].mode', /"inference" or "training", not "both"/);
	assertRefused(withLayer({ channels: -1 }), 'layers[1].channels', /whole number from 0 on, not -1/);
	assertRefused(withLayer({ name: 7 }), 'layers[1].name', /must be a text, not 7/);
	assertRefused(withLayer({ name: layer.name }), 'layers[1].name', /repeats the name "features.1"/);
	const findings = [{ code: 'cosmic-ray', severity: 'info', channels: [], message: '' }];
	assertRefused(withLayer({ findings }), 'layers[1].findings[0].code', /not "cosmic-ray"/);
	const { affine: _, ...without } = layer;
	assertRefused({ ...json(), layers: [without] }, 'layers[0].affine', /must be an object, not undefined/);
});

test('arrays of a layer that do not fit each other are refused', () => {
	const [layer] = json().layers;
	const withLayer = (change: object) => ({ ...json(), layers: [{ ...layer, ...change }] });
	assertRefused(withLayer({ affine: { scale: [1, 2], shift: [1] } }), 'layers[0].affine.shift', /has 1 values where 2/);
	assertRefused(withLayer({ channels: 3 }), 'layers[0].channels', /is 3, but the layer has 2 values/);
	const batch = { count: 4, mean: [1], variance: [1, 2] };
	assertRefused(withLayer({ batch }), 'layers[0].batch.variance', /has 2 values where 1/);
	const recompute = { status: 'match', perChannel: { maxAbs: [0], boundRatio: [] } };
	assertRefused(withLayer({ recompute }), 'layers[0].recompute.perChannel.boundRatio', /has 0 values where 1/);
});

test('sizes are limited', () => {
	assertRefused({ ...json(), layers: Array(20_001).fill({}) }, 'layers', /has 20001 elements; at most 20000/);
	const model = { ...Object(json().model), path: 'x'.repeat(1_000_001) };
	assertRefused({ ...json(), model }, 'model.path', /has 1000001 characters/);
});

test('a map of a report cannot reach the prototype', () => {
	const value = JSON.parse(JSON.stringify(json()).replace('"create":', '"__proto__":'));
	const { milliseconds } = parseReport(value).run;
	assert.equal(Object.getPrototypeOf(milliseconds), Object.prototype);
	assert.deepEqual(Object.keys(milliseconds).sort(), ['__proto__', 'run']);
});
