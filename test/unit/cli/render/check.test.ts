import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderCheck } from '../../../../src/cli/render/check.js';
import { type CheckedItem, checkResult } from '../../../../src/core/report/export/check-result.js';
import { HOSTILE_NAMES } from '../../support/hostile.js';

const finding = { code: 'dead-channel', severity: 'warning', layer: 'bn', message: 'Word '.repeat(40).trim() } as const;
const items: readonly CheckedItem[] = [
	{ model: 'good.onnx', status: 0, answer: 'All is well.', findings: [] },
	{
		model: `${'deep/'.repeat(30)}net.onnx`,
		original: 'net.onnx',
		status: 1,
		answer: 'It is wrong.',
		findings: [finding],
	},
	{ model: 'bad.onnx', status: 2, answer: 'It has no graph.', findings: [{ ...finding, known: true }] },
];

test('conclusion, table and failing findings fit the width of a pipe', () => {
	const text = renderCheck(checkResult(items), { failOn: 'warning', destination: {} });
	const lines = text.split('\n');
	assert.deepEqual(lines.slice(0, 4), [
		'Of 3 checks, 1 failed and 1 could not be judged.',
		'',
		'result      model',
		'passed      good.onnx',
	]);
	assert.match(text, /^failed {6}deep\/.*…/m);
	assert.ok(lines.every((line) => line.length <= 80 || !line.trim().includes(' ') || line.startsWith('deep/')));
	assert.match(text, /\n {2}It is wrong\.\n {2}warning dead-channel: bn: Word .*\n {4}Word /);
	assert.match(text, /\nbad\.onnx\n {2}It has no graph\.\n$/);
});

test('control characters of names are visible', () => {
	const hostile = HOSTILE_NAMES.map((name): CheckedItem => {
		return { model: name, status: 1, answer: name, findings: [{ ...finding, layer: name, message: name }] };
	});
	const text = renderCheck(checkResult(hostile), { failOn: 'info', destination: {} });
	// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
	assert.doesNotMatch(text.replaceAll('\n', ''), /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
});
