import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LayerComparison } from '../../../../src/core/report/comparison.js';
import { plotDefinition } from '../../../../src/view/comparison/plots/figures.js';
import type { Theme } from '../../../../src/view/plots/theme.js';
import { COMPARISON_PLOTS, type ComparisonPlot } from '../../../../src/view/ui/attributes.js';
import { comparedLayer, emptyLayer, wrongEpsilon } from '../../support/sample-comparison.js';

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

test('a layer without compared values has no figure; a drawn figure has all its parts', () => {
	const nothing = emptyLayer({ name: 'a', status: 'unmatched' });
	for (const kind of COMPARISON_PLOTS) {
		const plot = plotDefinition(kind);
		assert.equal(plot.has(nothing), false);
		assert.equal(plot.build(nothing, theme), null);
		assert.equal(plot.has(comparedLayer()), true);
		assert.ok(plot.missing(nothing).length > 0);
	}
});

test('wrong channels are marks of their own, in each figure', () => {
	const layer = comparedLayer({ channels: 10, bias: (channel) => (channel === 4 ? 0.5 : 0) });
	for (const kind of COMPARISON_PLOTS) {
		const wrong = figure(kind, layer).data.find(({ marker }) => marker?.symbol === 'diamond-open');
		assert.deepEqual(
			wrong?.customdata?.map(([channel]) => channel),
			[4],
			kind,
		);
	}
});

test('expected against found: both axes have one range, so that right values lie on the diagonal', () => {
	const { layout, summary } = figure('expected', wrongEpsilon('a', 64));
	assert.deepEqual(range(layout, 'xaxis'), range(layout, 'yaxis'));
	assert.deepEqual(range(layout, 'xaxis2'), range(layout, 'yaxis2'));
	assert.match(summary, /64 channels, \d+ of them wrong/);
});

test('thousands of channels are thinned, and every wrong channel stays', () => {
	const layer = comparedLayer({ channels: 5000, bias: (channel) => (channel % 1000 === 7 ? 1 : 0) });
	const { data, notes } = figure('expected', layer);
	assert.ok(data.every(({ x }) => x.length <= 1500));
	assert.match(notes[0] ?? '', /of 5,000 channels/);
	const wrong = data.find(({ marker }) => marker?.symbol === 'diamond-open');
	assert.deepEqual(
		wrong?.customdata?.map(([channel]) => channel),
		[7, 1007, 2007, 3007, 4007],
	);
});

test('rounding does not fill the plot of factors; a wild factor does not flatten it', () => {
	const [low, high] = range(figure('ratio', comparedLayer()).layout, 'yaxis');
	assert.ok(low < 1 && high > 1 && high - low > 1e-5 && high - low < 1e-4);
	const wild = comparedLayer({ channels: 5, scale: (channel) => (channel === 2 ? 1e9 : 1) });
	const [, top] = range(figure('ratio', wild).layout, 'yaxis');
	assert.ok(top < 20);
	const mark = figure('ratio', wild).data.find(({ marker }) => marker?.symbol === 'diamond-open');
	assert.deepEqual(mark?.y, [top], 'marked at the end of the axis');
});

test('factors that are not finite are marked and counted', () => {
	const layer = comparedLayer({ channels: 5, scale: (channel) => (channel === 1 ? Number.NaN : 1) });
	const { data, notes } = figure('ratio', layer);
	const cross = data.find(({ marker }) => marker?.symbol === 'x-thin');
	assert.deepEqual([cross?.x, cross?.y, notes.length], [[1], [1], 1]);
});

test('the error of the bias is drawn under its bound, an exact bias not at all', () => {
	const exact = comparedLayer({ channels: 6 });
	const perChannel = { ...exact.perChannel, biasError: new Float64Array(6) };
	const { data, summary } = figure('bias', { ...exact, perChannel });
	assert.deepEqual(data[0]?.y, new Array(6).fill(null));
	assert.deepEqual(data[1]?.y, new Array(6).fill(2e-7));
	assert.match(summary, /largest error 0, largest bound 2e-7, 0 channels above/);
});

test("names from a model are kept out of plotly's templates", () => {
	const name = '%{y}<b>x</b>';
	for (const kind of COMPARISON_PLOTS) {
		assert.ok(!JSON.stringify(figure(kind, comparedLayer({ name }))).includes('<b>x</b>'));
	}
});
