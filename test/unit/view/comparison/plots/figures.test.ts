import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LayerComparison } from '../../../../../src/core/report/comparison/comparison.js';
import { plotDefinition } from '../../../../../src/view/comparison/plots/figures.js';
import type { Theme } from '../../../../../src/view/plots/theme.js';
import { COMPARISON_PLOTS, type ComparisonPlot } from '../../../../../src/view/ui/attributes.js';
import { comparedLayer, emptyLayer, wrongEpsilon } from '../../../support/sample-comparison.js';

const color = 'rgb(1, 2, 3)';
const theme: Theme = {
	...{ foreground: color, muted: color, background: color, grid: color, first: color, second: color },
	...{ flag: color, error: 'rgb(255, 0, 0)', hoverBackground: color, hoverForeground: color, hoverBorder: color },
	...{ font: 'sans-serif', fontSize: 11, highContrast: false, dark: true },
};

function figure(kind: ComparisonPlot, layer: LayerComparison) {
	const built = plotDefinition(kind).build(layer, theme);
	assert.ok(built, kind);
	return built;
}

const range = (layout: object, axis: string): readonly [number, number] =>
	(layout as Record<string, { range: readonly [number, number] }>)[axis]?.range ?? [Number.NaN, Number.NaN];

const biasWrong = comparedLayer({ channels: 10, bias: (channel) => (channel === 4 ? 0.5 : 0) }, { cause: 'unknown' });
const missing = (kind: ComparisonPlot, layer: LayerComparison): string => plotDefinition(kind).missing(layer);
const has = (layer: LayerComparison) => COMPARISON_PLOTS.filter((kind) => plotDefinition(kind).has(layer));
const marksOf = ({ data }: ReturnType<typeof figure>, symbol: string) =>
	data.find(({ marker }) => marker?.symbol === symbol);

test('a layer without compared values has no figure; a drawn figure has all its parts', () => {
	const nothing = emptyLayer({ name: 'a', status: 'unmatched' });
	assert.deepEqual(has(nothing), []);
	for (const kind of COMPARISON_PLOTS) {
		assert.equal(plotDefinition(kind).build(nothing, theme), null);
		assert.ok(figure(kind, wrongEpsilon()).summary.length > 10);
	}
	assert.deepEqual(has(wrongEpsilon()), ['weights', 'explained']);
});

test('a plot without data shows a sentence', () => {
	assert.deepEqual(has(comparedLayer()), []);
	assert.match(
		missing('bias', comparedLayer()),
		/ is right: the largest difference is .*e-\d, and rounding allows 2e-7\.$/,
	);
	assert.match(missing('weights', comparedLayer()), /^The weights of all 32 channels are right: /);
	assert.equal(missing('explained', comparedLayer()), '');
	assert.deepEqual(has(biasWrong), ['bias']);
	assert.match(missing('explained', biasWrong), /^No cause was named/);
});

test('wrong channels are marks of their own', () => {
	for (const layer of [biasWrong, comparedLayer({ channels: 10, scale: (channel) => (channel === 4 ? 1.5 : 1) })]) {
		for (const kind of has(layer)) {
			const wrong = marksOf(figure(kind, layer), 'diamond-open');
			assert.deepEqual(
				wrong?.customdata?.map(([channel]) => channel),
				[4],
				kind,
			);
		}
	}
});

test('residuals are found minus expected, with the values that the named cause predicts', () => {
	const layer = wrongEpsilon('a', 64);
	const { weightRatio, expectedRatio, biasError } = layer.perChannel;
	const residuals = Array.from(weightRatio, (found, channel) => found / (expectedRatio?.[channel] ?? 0) - 1);
	const weights = figure('weights', layer);
	assert.deepEqual(weights.data[0]?.y, residuals);
	assert.deepEqual(marksOf(weights, 'line-ew')?.y, residuals, 'the cause explains every channel');
	const bias = figure('bias', layer);
	assert.deepEqual(bias.data[0]?.y, [...biasError]);
	assert.deepEqual(marksOf(bias, 'line-ew')?.y, new Array(64).fill(0));
	assert.match(bias.summary, /largest bound 2e-7/);
});

test('found and predicted values share a range on both axes, and unexplained channels are marked', () => {
	const layer = { ...wrongEpsilon('a', 64), details: { unexplained: [3] } };
	const explained = figure('explained', layer);
	assert.deepEqual(range(explained.layout, 'xaxis'), range(explained.layout, 'yaxis'));
	assert.deepEqual(range(explained.layout, 'xaxis2'), range(explained.layout, 'yaxis2'));
	assert.match(explained.summary, /64 channels, 1 of them not explained/);
	assert.deepEqual(
		marksOf(explained, 'diamond-open')?.customdata?.map(([channel]) => channel),
		[3],
	);
});

test('rounding does not fill the plot of weights; a wild factor does not flatten it', () => {
	const [low, high] = range(figure('weights', comparedLayer()).layout, 'yaxis');
	assert.ok(low < 0 && high > 0 && high - low > 1e-5 && high - low < 1e-4);
	const wild = comparedLayer({ channels: 5, scale: (channel) => (channel === 2 ? 1e9 : 1) });
	const [, top] = range(figure('weights', wild).layout, 'yaxis');
	assert.ok(top < 20);
	assert.deepEqual(marksOf(figure('weights', wild), 'diamond-open')?.y, [top], 'marked at the end of the axis');
	assert.match(figure('weights', wild).notes.join(' '), /1 channel beyond the axis/);
});

test('factors that are not finite are marked and counted', () => {
	const layer = comparedLayer({ channels: 5, scale: (channel) => (channel === 1 ? Number.NaN : 1) });
	const weights = figure('weights', layer);
	const cross = marksOf(weights, 'x-thin');
	assert.deepEqual([cross?.x, cross?.y, weights.notes.length], [[1], [0], 1]);
});

test("names from a model are kept out of plotly's templates", () => {
	const name = '%{y}<b>x</b>';
	for (const kind of COMPARISON_PLOTS) {
		assert.ok(!JSON.stringify(figure(kind, { ...wrongEpsilon(), name })).includes('<b>x</b>'));
	}
});
