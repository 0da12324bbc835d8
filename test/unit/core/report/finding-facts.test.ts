import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findingFacts, findingKind } from '../../../../src/core/report/finding-facts.js';
import { isHarmless } from '../../../../src/core/report/findings.js';
import type { Finding } from '../../../../src/core/report/types.js';
import { sampleLayer } from '../../support/sample-report.js';

const finding = (code: Finding['code'], channels: readonly number[], more: Partial<Finding> = {}): Finding => ({
	code,
	severity: 'warning',
	channels,
	message: '',
	...more,
});

const layer = (...findings: Finding[]) => sampleLayer({ findings });

describe('findings counted over a model', () => {
	it('count channels of all channels, and the layers that have them', () => {
		const [fact, ...others] = findingFacts([
			layer(finding('constant-channel', [0, 1])),
			layer(),
			layer(finding('constant-channel', [1])),
		]);
		assert.equal(fact?.text, '3 of 6 channels are always 0 behind the ReLU, in 2 layers');
		assert.deepEqual([fact?.layers, fact?.share, others], [[0, 2], 0.5, []]);
	});

	it('count layers if a finding names no channels, and omit the number of layers if there is a single layer', () => {
		const facts = (...layers: Parameters<typeof findingFacts>[0]) => findingFacts(layers).map(({ text }) => text);
		assert.deepEqual(facts(layer(finding('training-mode', [])), layer()), ['1 of 2 layers is in training mode']);
		assert.deepEqual(facts(layer(finding('training-mode', []))), ['the only layer is in training mode']);
		assert.deepEqual(facts(layer(finding('dead-channel', [1]))), ['1 of 2 channels is always 0']);
	});

	it('keep meanings of one code apart', () => {
		const facts = findingFacts([
			layer(
				finding('constant-channel', [0]),
				finding('constant-channel', [1], { meaning: 'never-cut', severity: 'info' }),
			),
		]);
		assert.deepEqual(
			facts.map(({ text }) => text),
			['1 of 2 channels is always 0 behind the ReLU', '1 of 2 channels is never cut by the ReLU'],
		);
		assert.deepEqual(facts.map(findingKind), ['warning/constant-channel', 'info/constant-channel/never-cut']);
	});

	it('stand in order of severity, then of the catalog, harmless kinds last', () => {
		const facts = findingFacts([
			layer(finding('dead-channel', [0, 1]), finding('exploding-scale', [0]), finding('unused-by-runtime', [])),
			layer(
				finding('epsilon-dominated', [0, 1], { severity: 'info' }),
				finding('non-finite', [0], { severity: 'error' }),
			),
		]);
		assert.deepEqual(
			facts.map(({ code }) => code),
			['non-finite', 'exploding-scale', 'dead-channel', 'unused-by-runtime', 'epsilon-dominated'],
		);
	});

	it('of harmless kinds stand in order of their share', () => {
		const few = finding('constant-channel', [0]);
		const many = finding('dead-channel', [0, 1, 2]);
		assert.ok([few, many].every(isHarmless));
		for (const findings of [
			[few, many],
			[many, few],
		]) {
			assert.deepEqual(
				findingFacts([layer(...findings)]).map(({ code }) => code),
				['dead-channel', 'constant-channel'],
			);
		}
	});
});
