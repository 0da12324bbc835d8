import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LayerBehavior } from '../../../../../src/core/report/comparison/behavior.js';
import type { Comparison } from '../../../../../src/core/report/comparison/comparison.js';
import { hasRatios, partingFigure } from '../../../../../src/view/comparison/plots/parting.js';
import type { Theme } from '../../../../../src/view/plots/theme.js';
import { agreement, comparedLayer, sampleComparison } from '../../../support/sample-comparison.js';

const color = 'rgb(1, 2, 3)';
const theme: Theme = {
	...{ foreground: color, muted: color, background: color, grid: color, first: color, second: color },
	...{ flag: color, error: 'rgb(255, 0, 0)', hoverBackground: color, hoverForeground: color, hoverBorder: color },
	...{ font: 'sans-serif', fontSize: 11, highContrast: false, dark: true },
};

function comparisonOf(
	behaviors: readonly (LayerBehavior | undefined)[],
	overrides: Partial<Comparison> = { firstDifference: null },
): Comparison {
	const layers = behaviors.map((behavior, index) =>
		comparedLayer({ name: `bn${index}`, channels: 1 }, behavior && { behavior }),
	);
	return sampleComparison(layers, overrides);
}

function figure(comparison: Comparison) {
	const drawn = partingFigure(comparison, theme);
	assert.ok(drawn);
	const { data, layout } = drawn;
	const axes = layout as unknown as Record<'xaxis' | 'yaxis', { readonly range: readonly [number, number] }>;
	const words = (layout as unknown as { readonly annotations: readonly { readonly text: string }[] }).annotations;
	return {
		...drawn,
		points: data.filter(({ mode }) => mode === 'markers'),
		x: axes.xaxis.range,
		y: axes.yaxis.range,
		words: words.map(({ text }) => text),
	};
}

const lost: LayerBehavior = { status: 'mismatch', tensor: null, snrDb: null, maxAbs: null, bound: null };

test('a point of each layer leads to it, and the first difference is marked', () => {
	const behind = agreement(12, { status: 'behind' });
	const { points, words, layout, summary, notes, y } = figure(
		comparisonOf([agreement(140), agreement(138), lost, behind], { firstDifference: 'bn2_out' }),
	);
	assert.deepEqual(
		points.map(({ marker, x, y, customdata }) => [marker?.symbol, x, y, customdata?.map(([layer]) => layer)]),
		[
			['circle', [1, 2], [140, 138], [0, 1]],
			['square-open', [4], [12], [3]],
			['x-thin', [3], [0], [2]],
		],
	);
	assert.ok(words.includes('first difference'));
	assert.ok(layout.shapes.some(({ x0, line }) => x0 === 3 && (line as { color: string }).color === theme.error));
	assert.match(summary, /^4 layers, 12 to 140 dB\. first difference: bn2$/);
	assert.match(
		notes[0],
		/● same values, up to rounding · □ similar values behind the first difference · ✕ no similar values \(below 6 dB\), drawn at 0\./,
	);
	assert.ok(y[0] < 0 && y[1] > 140);
});

test('equal values are drawn at 200 dB, and a single layer fills the axis', () => {
	const { points, x, y, words, notes } = figure(comparisonOf([agreement(Number.POSITIVE_INFINITY)]));
	assert.deepEqual([points[0].x, points[0].y], [[1], [200]]);
	assert.match(String(points[0].customdata?.[0][3]), /^equal values, same values, up to rounding$/);
	assert.ok(x[0] < 1 && x[1] > 1 && Number.isFinite(y[0]) && y[1] > 200);
	assert.deepEqual(words, ['float32', 'float16', '8 bits']);
	assert.match(notes.join(' '), /No difference beyond rounding\./);
});

test('300 layers have smaller points, in a trace per group', () => {
	const many = comparisonOf(Array.from({ length: 300 }, (_, index) => agreement(140 - index / 10)));
	const few = comparisonOf([agreement(140)]);
	const size = (comparison: Comparison) => Number(figure(comparison).points[0].marker?.size);
	assert.ok(size(many) < size(few));
	assert.equal(figure(many).points.length, 1);
	assert.equal(figure(many).points[0].x.length, 300);
});

test('layers without a point are counted with the reason, and no picture is drawn of none', () => {
	const reason = 'The noise was not estimated.';
	const skipped = { ...lost, status: 'skipped', reason } as const;
	const { notes, points } = figure(comparisonOf([agreement(40, { status: 'skipped' }), skipped, skipped]));
	assert.match(notes.join(' '), /2 layers without a point\. The noise was not estimated\./);
	assert.deepEqual(
		points.map(({ marker }) => marker?.symbol),
		['circle-open'],
	);
	const none = comparisonOf([skipped, undefined]);
	assert.deepEqual([hasRatios(none), partingFigure(none, theme)], [false, null]);
});

test('a name from a model is no markup in the hover text', () => {
	const comparison = comparisonOf([agreement(100)]);
	const named = { ...comparison, layers: comparison.layers.map((layer) => ({ ...layer, name: '%{y}<b>x</b>' })) };
	const drawn = figure(named);
	assert.doesNotMatch(JSON.stringify([drawn.data, drawn.layout]), /<b>/);
	assert.doesNotMatch(String(drawn.points[0].hovertemplate), /x<\/b>|%\{y\}/);
});

const quantizedOf = (ratios: readonly number[], overrides: Partial<Comparison> = {}): Comparison => {
	const comparison = comparisonOf(
		ratios.map((ratio) => agreement(ratio, ratio < 8 ? { status: 'skipped' } : {})),
		{ firstDifference: null, ...overrides },
	);
	const causes = ['quantized-int8'] as const;
	return { ...comparison, layers: comparison.layers.map((layer) => ({ ...layer, cause: causes[0], causes })) };
};

test('levels of a quantized model say how large the error is, and none lies above all points', () => {
	const { words, layout, notes, y } = figure(quantizedOf([40, 30, 22]));
	assert.deepEqual(words, ['error 1 %', '10 %', '100 %']);
	const levels = layout.shapes.map(({ y0 }) => Number(y0));
	assert.ok(levels.every((level) => level >= y[0] && level <= 40));
	assert.match(notes[0], /^● the right values, with the noise of quantization\.$/);
	assert.match(notes.at(-1) ?? '', /^Quantization explains every difference\.$/);
});

test('the layer to blame for distorted outputs is marked, and values that are not judged are counted', () => {
	const outputs = { status: 'match', maxAbs: 1, maxRel: 1, bound: 2, snrDb: 3 } as const;
	const { words, layout, notes } = figure(quantizedOf([40, 38, 4, 3], { outputs }));
	assert.ok(words.includes('largest drop') && words.includes('warning below'));
	assert.ok(layout.shapes.some(({ x0, x1 }) => x0 === 3 && x1 === 3));
	assert.match(
		notes.at(-1) ?? '',
		/^None of the 2 layers with judged values .* the values of 2 are too noisy to judge/,
	);
	const sound = figure(quantizedOf([40, 38], { outputs: { ...outputs, snrDb: 35 } }));
	assert.ok(!sound.words.includes('largest drop') && !sound.words.includes('warning below'));
});

test('a ratio that rises behind the first difference is explained', () => {
	const behind = (ratio: number) => agreement(ratio, { status: 'behind' });
	const first = { firstDifference: 'bn1_out' };
	const rising = figure(comparisonOf([agreement(140), lost, behind(12), behind(20)], first));
	assert.match(
		rising.notes.join(' '),
		/Layers behind the first difference get other inputs, .* The ratio may rise there: /,
	);
	const falling = figure(comparisonOf([agreement(140), agreement(40, { status: 'mismatch' }), behind(30)], first));
	assert.doesNotMatch(falling.notes.join(' '), /may rise/);
});
