import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toMarkdown } from '../../../../../src/core/report/export/markdown.js';
import { DANGEROUS, HOSTILE_NAMES, hostileReport } from '../../../support/hostile.js';
import { sampleLayer, sampleReport } from '../../../support/sample-report.js';
import { activeMarkdown } from '../../../support/well-formed.js';

test('answer, model, table, findings and run', () => {
	const finding = {
		code: 'dead-channel',
		severity: 'warning',
		channels: [1],
		message: 'Channel 1 is dead: gamma 0.',
	} as const;
	const skipped = sampleLayer({ name: 'b', recompute: { status: 'skipped', reason: 'Inside of a loop.' } });
	const text = toMarkdown(sampleReport({ layers: [sampleLayer({ findings: [finding] }), skipped] }));
	assert.match(
		text,
		/^# BatchNorm report\n\nonnxruntime computes 1 of 2 BatchNorm layers correctly; 1 could not be checked \(b\)\. 1 of 4 channels is always 0, in layer 1/,
	);
	assert.match(text, /`net\.onnx`: opset 15, pytorch 2\.1, 3 nodes, 4096 bytes/);
	assert.match(
		text,
		/^\| 1 \| `features\.1` \| `Conv` \| 2 \| 1e-5 \| 1 to 4 \| -0\.25 to 1 \| match \| 1e-7 \| 4e-6 \|$/m,
	);
	assert.match(text, /^- \*\*warning\*\* `dead-channel`: `features\.1`: Channel 1 is dead: gamma 0\.$/m);
	assert.match(text, /^Judged by inputs and outputs alone, normalized with the running statistics\.$/m);
	assert.match(text, /## Not recomputed\n\n- 1 layer: Inside of a loop\./);
	assert.match(
		text,
		/Ran with onnxruntime-node 1\.30\.0 on `input` \\\[1, 3, 8, 8\\\] float32, random normal, seed 0\.\n$/,
	);
});

test('hostile names start no markup, no HTML and no link, and stay in their cell', () => {
	const text = toMarkdown(hostileReport());
	assert.doesNotMatch(text, DANGEROUS);
	const left = activeMarkdown(text);
	assert.doesNotMatch(left, /[<>[\]`!&~]/);
	assert.doesNotMatch(left, /:\/\/|www\.|@|\w\.example|javascript:/);
	const rows = left.split('\n').filter((line) => line.startsWith('|'));
	assert.equal(rows.length, HOSTILE_NAMES.length + 2);
	assert.deepEqual([...new Set(rows.map((row) => row.split('|').length))], [12]);
	const headings = left.split('\n').filter((line) => line.startsWith('#'));
	assert.deepEqual(headings, ['# BatchNorm report', '## Findings', '## Not recomputed']);
});

test('a model without layers, and a model without a run, say so', () => {
	const none = toMarkdown(sampleReport({ layers: [] }));
	assert.match(none, /No BatchNorm layer/);
	assert.ok(!none.includes('|'));
	const failed = { status: 'failed', reason: 'It failed.', runtime: '', inputs: [], milliseconds: {} } as const;
	assert.match(toMarkdown(sampleReport({ run: failed })), /\n\nIt failed\.\n$/);
});
