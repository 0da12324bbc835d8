import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { findLayers } from '../../../../src/core/batchnorm/find.js';
import { reportFromParameters } from '../../../../src/core/inspection/parameters-report.js';
import { structureReport } from '../../../../src/core/inspection/structure-report.js';
import { encodeReport, parseReport } from '../../../../src/core/report/json.js';
import type { Report } from '../../../../src/core/report/types.js';
import { openFixture } from '../../support/fixtures.js';
import { sampleLayer, sampleReport } from '../../support/sample-report.js';

const schema = JSON.parse(readFileSync('src/core/report/schema.json', 'utf8'));
const validate = new Ajv2020({ allErrors: true, strict: true }).compile(schema);

function problems(value: unknown): string[] {
	validate(value);
	return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

function json(report: Report): unknown {
	return JSON.parse(JSON.stringify(encodeReport(report)));
}

test('reports conform: checked, structure only, from parameters, with numbers that JSON cannot hold', async () => {
	const { model, source } = await openFixture('plain_cnn.onnx');
	const access = { source };
	const structure = await structureReport({ model, layers: await findLayers(model, access), access });
	const strange = sampleLayer({
		epsilon: Number.NaN,
		recompute: { status: 'mismatch', reason: 'It differs.', maxAbs: Number.POSITIVE_INFINITY },
	});
	const broken = { name: 'a', mean: Float64Array.of(0), variance: Float64Array.of(-1), epsilon: 0 };
	for (const report of [
		sampleReport(),
		structure,
		reportFromParameters([broken]),
		sampleReport({ layers: [strange] }),
	]) {
		assert.deepEqual(problems(json(report)), []);
	}
});

test('the schema and the parser refuse the same mistakes', () => {
	const good = json(sampleReport()) as Record<string, unknown> & { layers: Record<string, unknown>[] };
	const [layer] = good.layers;
	const mistakes: Record<string, unknown>[] = [
		{ ...good, format: 'other' },
		{ ...good, version: 2 },
		{ ...good, layers: null },
		{ ...good, run: { ...Object(good.run), status: 'maybe' } },
		{ ...good, layers: [{ ...layer, channels: 1.5 }] },
		{ ...good, layers: [{ ...layer, affine: { scale: [1, 2], shift: [1, null] } }] },
		{ ...good, layers: [{ ...layer, epsilon: 'infinity' }] },
		{ ...good, layers: [{ ...layer, findings: [{ code: 'x', severity: 'info', channels: [], message: '' }] }] },
		...Object.keys(good).map((key) => Object.fromEntries(Object.entries(good).filter(([name]) => name !== key))),
	];
	for (const mistake of mistakes) {
		assert.notDeepEqual(problems(mistake), []);
		assert.throws(() => parseReport(mistake));
	}
});

test('additions of a newer writer still conform', () => {
	const good = json(sampleReport()) as Record<string, unknown>;
	assert.deepEqual(problems({ ...good, extra: { anything: [1] } }), []);
});
