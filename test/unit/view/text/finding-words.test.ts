import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findingWords } from '../../../../src/core/report/findings.js';
import type { Finding } from '../../../../src/core/report/types.js';
import { badges } from '../../../../src/view/text/finding-words.js';

const finding = (code: Finding['code']): Finding => ({
	code,
	severity: 'warning',
	channels: [0],
	message: 'The reason.',
});

test('badges of several findings are listed in their order, each once', () => {
	const findings = [finding('dead-channel'), finding('zero-variance'), finding('dead-channel')];
	const [dead, tiny] = findings.map((found) => findingWords(found).badge);
	assert.notEqual(dead, tiny);
	assert.equal(badges(findings), `${dead}, ${tiny}`);
	assert.equal(badges([]), '');
});
