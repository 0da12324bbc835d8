import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { judgeFold } from '../../../../src/core/folding/compare/judge-fold.js';
import { type Explanation, explanations } from '../../../../src/core/folding/diagnosis/explanation.js';
import type { FoldCase } from '../../../../src/core/folding/diagnosis/observed/fold-case.js';
import { alongAxis } from '../../../../src/core/folding/operators/layout.js';

const gamma = [1, 0.5, 2, 1.5];
const beta = [0.1, -0.2, 0.3, 0];
const mean = [0.5, -1, 0.25, 2];
const variance = [0.001, 0.002, 0.04, 0.005];
const weight = Float32Array.of(0.6, -0.8, 0.3, 0.1, -0.5, 0.7, 0.2, 0.9);

/** Folds in float64 with an epsilon and stores float32, as the layer of the README's example. */
function foldedWith(epsilon: number): FoldCase {
	const scale = gamma.map((value, c) => value / Math.sqrt(variance[c] + epsilon));
	const dims = [4, 2, 1, 1];
	const layout = alongAxis(dims, 0);
	return {
		original: { weight, layout, bias: null },
		deployed: {
			weight: weight.map((value, i) => value * scale[Math.floor(i / 2)]),
			layout,
			bias: Float64Array.from(beta, (value, c) => Math.fround(value - mean[c] * scale[c])),
		},
		parameters: {
			gamma: Float64Array.from(gamma),
			beta: Float64Array.from(beta),
			mean: Float64Array.from(mean),
			variance: Float64Array.from(variance),
			epsilon: 1e-5,
		},
		dims,
		stored: 'float32',
		source: 'float32',
		groups: [],
		gemmBetas: [],
	};
}

const readme = readFileSync('src/core/folding/README.md', 'utf8');
const row = (...cells: unknown[]) => `| ${cells.join(' | ')} |`;

function lineOf({ deviations, bits, explained }: Explanation): string {
	const causes = deviations.map(({ code, values }) =>
		'epsilon' in values ? `\`${code}\`, epsilon ${values.epsilon}` : `\`${code}\``,
	);
	const met = explained.reduce((sum, flag) => sum + flag, 0);
	return row(causes.join(' and ') || 'correct fold', bits.toFixed(0), `${met} of ${explained.length}`);
}

test('the README of the folder shows the ratios, explanations and verdict of its example', () => {
	const fold = foldedWith(1e-3);
	const ranked = explanations(fold);
	const [best] = ranked;
	const right = gamma.map((value, c) => value / Math.sqrt(variance[c] + 1e-5));
	const rows = gamma.map((value, c) =>
		row(
			c,
			value,
			variance[c],
			right[c].toFixed(4),
			`${best.ratios.low[c].toFixed(6)} to ${best.ratios.high[c].toFixed(6)}`,
			best.scale[c].toFixed(6),
		),
	);
	const nothing = ranked.find(({ deviations }) => deviations.length === 0);
	assert.ok(nothing);
	const shown = [best, ranked[1], ranked[3], nothing].map(lineOf);
	const { cause, confidence, evidence } = judgeFold(fold, { epsilon: 1e-5, operator: 'Conv' });
	const verdict = `> \`${cause}\`, confidence ${confidence}. ${evidence}`;
	for (const expected of [rows.join('\n'), shown.join('\n'), verdict]) {
		assert.ok(readme.includes(expected), `The README lacks\n${expected}`);
	}
});
