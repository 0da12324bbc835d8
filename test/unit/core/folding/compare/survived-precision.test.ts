/** Right folds of which quantization left too little. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderComparison } from '../../../../../src/cli/render/comparison.js';
import { precisionFindings, precisionOf } from '../../../../../src/core/folding/compare/survived-precision.js';
import { alongAxis } from '../../../../../src/core/folding/operators/layout.js';
import { comparisonFindings } from '../../../../../src/core/report/comparison/findings.js';
import { encodeComparison, parseComparison } from '../../../../../src/core/report/comparison/json.js';
import { comparisonToSarif } from '../../../../../src/core/report/export/comparison/sarif.js';
import { type QuantizedCase, runQuantized } from '../../../../folding/quantized-case.js';

const SPREAD: QuantizedCase = { form: 'qdq', grid: { perChannel: false }, kind: 'Conv', seed: 12, spread: 3 };

test('channels that a step for the whole tensor leaves fewer than 4 bits are found, in every form', async () => {
	for (const form of ['qdq', 'qoperator', 'dynamic'] as const) {
		const { layers, largest } = await runQuantized({ ...SPREAD, form });
		const step = Math.max(...largest) / 127;
		// A symmetric 4-bit type has 7 steps on each side.
		const lost = Array.from(largest.keys()).filter((channel) => largest[channel] < 6.9 * step);
		assert.ok(lost.length > 0 && lost.length < largest.length);
		const [, { status, findings, evidence }] = layers;
		assert.equal(status, 'match');
		assert.deepEqual(findings?.[0]?.channels, lost);
		assert.deepEqual([findings?.[0]?.code, findings?.[0]?.severity], ['precision-lost', 'warning']);
		assert.ok(evidence.endsWith(findings?.[0]?.message ?? '-'));
	}
});

test('a step for each channel loses none, however different their sizes', async () => {
	const { layers } = await runQuantized({ ...SPREAD, grid: { perChannel: true } });
	assert.ok(layers.every(({ findings, perChannel }) => !findings && (perChannel.relativeStep?.length ?? 0) > 0));
	const blocked = await runQuantized({ ...SPREAD, form: 'blocked' });
	assert.ok(
		blocked.layers.every(({ findings }) => !findings),
		'4 bits that are used are no loss',
	);
});

test('levels, step and signal-to-noise ratio of each channel', () => {
	const layout = alongAxis([3, 4], 0);
	const right = Float64Array.of(1, -0.5, 0.25, 0.1, 0.01, 0.02, -0.01, 0, 0, 0, 0, 0);
	const found = Float64Array.of(1, -0.5, 0.25, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	const one = Float64Array.of(1, 1, 1);
	const zero = new Float64Array(3);
	const { levels, relativeStep, quantizationSnrDb } = precisionOf(
		{
			original: { weight: right.map((value) => value / 2), layout, bias: null },
			deployed: { weight: found, layout, bias: null },
			parameters: { gamma: one, beta: zero, mean: zero, variance: one, epsilon: 0 },
			dims: [3, 4],
			stored: 'float32',
			source: 'float32',
			grid: { weight: Float64Array.of(0.25, 0.25, 0.25) },
			groups: [],
			gemmBetas: [],
		},
		Float64Array.of(2, 2, 2),
	);
	assert.deepEqual(Array.from(levels ?? []), [4, 1, 1]);
	assert.deepEqual(Array.from(relativeStep ?? []), [0.25, 12.5, Number.NaN]);
	const [first, second, third] = quantizationSnrDb ?? [];
	assert.ok(Math.abs(first - 10 * Math.log10((1 + 0.25 + 0.0625 + 0.01) / 0.01)) < 1e-9);
	assert.deepEqual([second, third], [0, Number.NaN]);
	const perChannel = {
		weightRatio: one,
		weightResidual: zero,
		biasError: zero,
		levels,
		relativeStep,
		quantizationSnrDb,
	};
	const [finding] = precisionFindings(perChannel as Parameters<typeof precisionFindings>[0]);
	assert.deepEqual(finding.channels, [0, 1], 'a channel without weights loses nothing');
	assert.match(
		finding.message,
		/^Channels 0 and 1 keep fewer than 4 bits of their weights: every weight of channel 1 became 0, because the step is 12.5 times its largest weight\.$/,
	);
});

test('the finding survives JSON, and terminal and exports show it', async () => {
	const { comparison } = await runQuantized(SPREAD);
	const parsed = parseComparison(JSON.parse(JSON.stringify(encodeComparison(comparison))));
	assert.deepEqual(parsed.layers[1].findings, comparison.layers[1].findings);
	assert.deepEqual(
		Array.from(parsed.layers[1].perChannel.levels ?? []),
		Array.from(comparison.layers[1].perChannel.levels ?? []),
	);
	assert.ok(
		comparisonFindings(comparison).some(({ code, severity }) => code === 'precision-lost' && severity === 'warning'),
	);
	const text = renderComparison(comparison, { isTTY: false, columns: 80 } as Parameters<typeof renderComparison>[1]);
	assert.match(text.replace(/\s+/g, ' '), /keep fewer than 4 bits of their weights/);
	assert.match(text.replace(/\s+/g, ' '), /quantize per channel instead of per tensor/);
	assert.match(
		JSON.stringify(comparisonToSarif(comparison, { uri: 'a.onnx', version: '1' })),
		/"ruleId":"precision-lost"/,
	);
});
