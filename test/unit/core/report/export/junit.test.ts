import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toJunit } from '../../../../../src/core/report/export/junit.js';
import { DANGEROUS, HOSTILE_NAMES, hostileReport } from '../../../support/hostile.js';
import { sampleLayer, sampleReport } from '../../../support/sample-report.js';
import { wellFormedXml } from '../../../support/well-formed.js';

const dead = { code: 'dead-channel', severity: 'warning', channels: [0], message: 'Channel 0 is dead.' } as const;
const layers = [
	sampleLayer({ name: 'good' }),
	sampleLayer({ name: 'noted', findings: [dead] }),
	sampleLayer({ name: 'skipped', recompute: { status: 'skipped', reason: 'Inside of a loop.' } }),
	sampleLayer({
		name: 'wrong',
		recompute: { status: 'mismatch', reason: 'It differs by <2>.' },
		findings: [{ code: 'recompute-mismatch', severity: 'error', channels: [], message: 'It differs by <2>.' }, dead],
	}),
];

test('a testcase a layer: failed from the severity asked for, skipped with its reason', () => {
	const xml = toJunit(sampleReport({ layers }), { failOn: 'error' });
	assert.match(xml, /<testsuite name="net.onnx" tests="5" failures="1" errors="0" skipped="2" /);
	assert.match(xml, /name="0 good"><\/testcase>/);
	assert.match(xml, /name="1 noted"><system-out>warning dead-channel: Channel 0 is dead.<\/system-out>/);
	assert.match(xml, /name="2 skipped"><skipped message="Inside of a loop."\/>/);
	assert.match(
		xml,
		/name="3 wrong"><failure type="recompute-mismatch" message="It differs by &lt;2&gt;.">error recompute-mismatch[^<]+<\/failure><system-out>/,
	);
	const strict = toJunit(sampleReport({ layers }), { failOn: 'warning' });
	assert.match(strict, /tests="5" failures="2"/);
	assert.match(toJunit(sampleReport({ layers }), { failOn: 'never' }), /failures="0"/);
});

test('a model that was not run is a skipped case, not a passed one', () => {
	const run = { status: 'failed', reason: 'No kernel.', runtime: '', inputs: [], milliseconds: {} } as const;
	assert.match(toJunit(sampleReport({ run }), { failOn: 'error' }), /name="run"><skipped message="No kernel."\/>/);
});

test('hostile names are well-formed XML without a character that XML forbids', () => {
	const xml = toJunit(hostileReport(), { failOn: 'error' });
	assert.doesNotMatch(xml, DANGEROUS);
	const names = wellFormedXml(xml);
	assert.equal(names.filter((name) => name === 'testcase').length, HOSTILE_NAMES.length + 1);
	assert.deepEqual([...new Set(names)].sort(), [
		'failure',
		'skipped',
		'system-out',
		'testcase',
		'testsuite',
		'testsuites',
	]);
});
