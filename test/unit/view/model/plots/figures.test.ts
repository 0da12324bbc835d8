import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chanceLimits } from '../../../../../src/core/batchnorm/drift.js';
import type { LayerReport } from '../../../../../src/core/report/types.js';
import { buildFigure, hasFigure } from '../../../../../src/view/model/plots/figures.js';
import type { Figure, Trace } from '../../../../../src/view/plots/plotly.js';
import type { Theme } from '../../../../../src/view/plots/theme.js';
import { channelTrace, MAX_LINE, MAX_POINTS } from '../../../../../src/view/plots/traces.js';
import { PLOT_KINDS, type PlotKind } from '../../../../../src/view/ui/attributes.js';
import { MATCH, sampleLayer } from '../../../support/sample-report.js';

const THEME: Theme = {
	foreground: 'rgb(1, 1, 1)',
	muted: 'rgb(2, 2, 2)',
	background: 'rgb(3, 3, 3)',
	grid: 'rgb(4, 4, 4)',
	first: 'rgb(5, 5, 5)',
	second: 'rgb(6, 6, 6)',
	flag: 'rgb(7, 7, 7)',
	error: 'rgb(8, 8, 8)',
	hoverBackground: 'rgb(9, 9, 9)',
	hoverForeground: 'rgb(10, 10, 10)',
	hoverBorder: 'rgb(11, 11, 11)',
	font: 'sans-serif',
	fontSize: 11,
	highContrast: false,
	dark: true,
};

function figure(kind: PlotKind, layer: LayerReport): Figure {
	const built = buildFigure(kind, layer, THEME);
	assert.ok(built, `${kind} has something to draw`);
	return built;
}

const named = ({ data }: Figure, name: string): Trace[] => data.filter((trace) => trace.name === name);

const fill = (channels: number, value: (channel: number) => number): Float64Array =>
	Float64Array.from({ length: channels }, (_, channel) => value(channel));

/** A layer of many channels, all of them well. */
function wideLayer(channels: number): LayerReport {
	const values = fill(channels, (channel) => 1 + Math.sin(channel));
	return sampleLayer({
		channels,
		parameters: { gamma: values, beta: values, mean: values, variance: values.map((value) => value + 1) },
		affine: { scale: values, shift: values },
		batch: { count: 9, mean: values, variance: values.map((value) => value + 1) },
		recompute: {
			...MATCH,
			perChannel: { maxAbs: fill(channels, () => 1e-7), bound: fill(channels, () => 1e-6) },
		},
	});
}

describe('every figure', () => {
	it('holds only numbers where plotly would read markup', () => {
		const hostile = '<b onclick="x">%{y}</b> https://example.com';
		const layer = sampleLayer({
			name: hostile,
			output: hostile,
			source: { op: hostile, name: hostile },
			findings: [{ code: 'dead-channel', severity: 'warning', channels: [1], message: hostile }],
		});
		for (const kind of PLOT_KINDS) {
			const { data, layout } = figure(kind, layer);
			assert.doesNotMatch(JSON.stringify([data, layout]), /onclick|example\.com/);
		}
	});

	it('resolves every color: no variable reaches plotly', () => {
		for (const kind of PLOT_KINDS) {
			assert.doesNotMatch(JSON.stringify(figure(kind, sampleLayer()).layout), /var\(|color-mix/);
		}
	});

	it('says which findings a channel has', () => {
		const layer = sampleLayer({
			findings: [{ code: 'dead-channel', severity: 'warning', channels: [1], message: 'dead' }],
		});
		const rows = figure('gamma-beta', layer).data[0]?.customdata;
		assert.deepEqual(rows, [
			[0, 1, 0, ''],
			[1, -0.5, 2, '<br>always 0'],
		]);
	});

	it('is left out if the report lacks its data', () => {
		const bare = sampleLayer({ parameters: null, affine: null, batch: null, recompute: { status: 'pending' } });
		for (const kind of PLOT_KINDS) {
			assert.equal(buildFigure(kind, bare, THEME), null);
			assert.equal(hasFigure(kind, bare), false);
			assert.equal(hasFigure(kind, sampleLayer()), true);
		}
	});

	it('stays a handful of elements at ten thousand channels', () => {
		for (const kind of PLOT_KINDS) {
			const { data } = figure(kind, wideLayer(10_000));
			const elements = data
				.filter((trace) => trace.type === 'bar' || trace.mode === 'markers')
				.reduce((sum, { x }) => sum + x.length, 0);
			assert.ok(elements <= 2 * MAX_POINTS, `${kind} draws ${elements} elements`);
		}
	});

	it('names the channel and its numbers to the pointer, and to a click', () => {
		for (const kind of PLOT_KINDS) {
			const hovered = figure(kind, sampleLayer()).data.filter(({ hovertemplate }) => hovertemplate !== undefined);
			assert.match(
				hovered[0]?.hovertemplate ?? '',
				/^channel %\{customdata\[0\]\}<br>[^<]+ %\{customdata\[1\]:\.6~g\}/,
			);
			assert.deepEqual(
				hovered[0]?.customdata?.map(([channel]) => channel),
				[0, 1],
			);
		}
	});
});

describe('gamma and beta', () => {
	const layer = sampleLayer({
		parameters: {
			gamma: Float64Array.of(1, Number.NaN, -2),
			beta: Float64Array.of(0, 1, Number.POSITIVE_INFINITY),
			mean: new Float64Array(3),
			variance: Float64Array.of(1, 1, 1),
		},
		channels: 3,
		findings: [{ code: 'dead-channel', severity: 'warning', channels: [2], message: 'dead' }],
	});

	it('are bars over the channels, above each other', () => {
		const [gamma] = named(figure('gamma-beta', layer), 'γ');
		const [beta] = named(figure('gamma-beta', layer), 'β');
		assert.deepEqual(gamma?.y, [1, null, -2]);
		assert.deepEqual([gamma?.type, gamma?.yaxis, beta?.yaxis], ['bar', 'y', 'y2']);
	});

	it('mark flagged channels with a shape of their own in both panels', () => {
		const flags = named(figure('gamma-beta', layer), 'flagged');
		assert.deepEqual(
			flags.map(({ x, yaxis }) => [x, yaxis]),
			[[[2], 'y']],
			'beta of channel 2 cannot be drawn',
		);
		assert.equal(flags[0]?.marker?.symbol, 'diamond-open');
	});

	it('mark and count values that are not finite with a cross', () => {
		const built = figure('gamma-beta', layer);
		assert.deepEqual(
			named(built, 'not finite').map(({ x, y }) => [x, y]),
			[
				[[1], [0]],
				[[2], [0]],
			],
		);
		assert.deepEqual(built.notes, ['2 values are not finite, marked with a cross.']);
		assert.match(built.summary, /^γ -2 to 1 \(1 not finite\); β 0 to 1 \(1 not finite\); 1 flagged$/);
	});

	it('do not call a variance of 0 not finite', () => {
		const { parameters } = sampleLayer();
		assert.ok(parameters);
		const variance = parameters.variance.map((value, channel) => (channel === 0 ? 0 : value));
		const { notes } = figure('statistics', sampleLayer({ parameters: { ...parameters, variance } }));
		assert.deepEqual(notes, ['1 value of 0 or below, which a logarithmic axis cannot show, marked with a cross.']);
	});
});

describe('drift', () => {
	const layer = (images?: number) =>
		sampleLayer({
			epsilon: 0,
			parameters: {
				gamma: Float64Array.of(1, 1),
				beta: Float64Array.of(0, 0),
				mean: Float64Array.of(2, 3),
				variance: Float64Array.of(4, 9),
			},
			batch: {
				count: 4096,
				mean: Float64Array.of(6, 0),
				variance: Float64Array.of(4 * Math.exp(2), 9),
				...(images !== undefined && { images }),
			},
		});
	const linesOf = (built: Figure, yref: string) =>
		built.layout.shapes.filter((shape) => shape.yref === yref).map(({ y0 }) => y0);

	it('is in running standard deviations, and as the log ratio of the spreads', () => {
		const built = figure('drift', layer(64));
		assert.deepEqual(named(built, 'Δμ / σ')[0]?.y, [2, -1]);
		assert.deepEqual(named(built, '½ ln σ² ratio')[0]?.y, [1, 0]);
	});

	it('is held against the chance of the images, not of the pixels', () => {
		const built = figure('drift', layer(33));
		const chance = chanceLimits(33, 4);
		assert.deepEqual(linesOf(built, 'y'), [-chance.shift, chance.shift]);
		assert.deepEqual(linesOf(built, 'y2'), [-chance.spread, chance.spread]);
	});

	it('has no band for the variance with a single image, and no band at all with an unknown number of images', () => {
		// The band of one image is ±16 deviations, far beyond the values, which it would flatten.
		const built = figure('drift', layer(1));
		assert.deepEqual(linesOf(built, 'y'), []);
		assert.deepEqual(built.notes, [
			'Δμ / σ: all values are far within the range that chance explains, ±16, which is not drawn.',
		]);
		const [low = 0, high = 0] = (built.layout.yaxis as { range?: number[] }).range ?? [];
		assert.ok(low > -2 && high < 4, `scaled to the data: ${low} to ${high}`);
		assert.deepEqual(linesOf(figure('drift', layer(1)), 'y2'), []);
		assert.deepEqual([...linesOf(figure('drift', layer()), 'y'), ...linesOf(figure('drift', layer()), 'y2')], []);
	});
});

describe('running statistics', () => {
	it('show the variance on a logarithmic axis with epsilon in sight', () => {
		const { layout } = figure('statistics', sampleLayer());
		const axis = layout.yaxis2 as { type: string; range: number[] };
		assert.equal(axis.type, 'log');
		assert.ok((axis.range[0] ?? 0) <= -5);
		assert.equal((layout.shapes[0] as { y0: number }).y0, Math.fround(1e-5));
	});

	it('mark a variance that has no logarithm', () => {
		const layer = sampleLayer();
		assert.ok(layer.parameters);
		const built = figure('statistics', {
			...layer,
			parameters: { ...layer.parameters, variance: Float64Array.of(0, -1) },
		});
		assert.deepEqual(named(built, 'not finite')[0]?.x, [0, 1]);
	});
});

describe('running against batch', () => {
	it('counts the channels that it cannot draw, for example with a variance of 0', () => {
		const layer = sampleLayer();
		assert.ok(layer.batch);
		const variance = layer.batch.variance.map((value, channel) => (channel < 2 ? 0 : value));
		const { notes } = figure('batch', { ...layer, batch: { ...layer.batch, variance } });
		assert.equal(notes.length, 1);
		assert.match(notes[0] ?? '', /^2 channels are not drawn in one panel \(variance 0/);
	});

	it('are points about a diagonal, with a ring round a chosen channel in both halves', () => {
		const built = figure('batch', sampleLayer());
		const [mean, variance] = built.data;
		assert.deepEqual(
			[mean?.x, mean?.y],
			[
				[0.25, Math.fround(0.1)],
				[0.2, 0.1],
			],
		);
		assert.deepEqual(
			[variance?.x, variance?.y],
			[
				[1, 4],
				[0.9, 4.2],
			],
		);
		assert.deepEqual(
			built.mark(1).map((shape) => [shape.xref, shape.xanchor, shape.yanchor]),
			[
				['x', Math.fround(0.1), 0.1],
				['x2', 4, 4.2],
			],
		);
	});

	it('show a sample of many channels: extremes, flagged channels and an even share', () => {
		const channels = 5000;
		const layer = wideLayer(channels);
		assert.ok(layer.batch && layer.parameters);
		const mean = layer.batch.mean.slice();
		mean[3333] = 99;
		const flagged = { code: 'dead-channel', severity: 'warning', channels: [4321], message: '' } as const;
		const built = figure('batch', { ...layer, batch: { ...layer.batch, mean }, findings: [flagged] });
		const shown = built.data.slice(0, 2).flatMap(({ customdata }) => (customdata ?? []).map(([channel]) => channel));
		assert.ok(shown.includes(3333) && shown.includes(4321));
		assert.match(built.notes[0] ?? '', /^Shows 1,[45]\d\d of 5,000 channels/);
	});

	it('say where the mean drifted most', () =>
		assert.match(
			figure('batch', sampleLayer()).summary,
			/over 64 values each; the mean differs most in channel 0, by 0\.05 standard/,
		));
});

describe('recompute errors', () => {
	const layer = sampleLayer({
		channels: 4,
		parameters: null,
		recompute: {
			status: 'mismatch',
			reason: 'It differs.',
			perChannel: {
				maxAbs: Float64Array.of(1e-7, 0, 1e-3, Number.NaN),
				bound: Float64Array.of(1e-6, 1e-6, 1e-6, 1e-6),
			},
		},
	});

	it('stand below a line, exact channels without a dot', () => {
		const built = figure('recompute', layer);
		assert.deepEqual(named(built, 'error')[0]?.y, [1e-7, null, 1e-3, null]);
		assert.deepEqual(named(built, 'bound')[0]?.y, [1e-6, 1e-6, 1e-6, 1e-6]);
		assert.deepEqual(named(built, 'flagged')[0]?.x, [2]);
		assert.deepEqual(named(built, 'not finite')[0]?.x, [3]);
	});

	it('let the line answer the pointer, so that exact channels have numbers too', () => {
		const built = figure('recompute', layer);
		assert.equal(named(built, 'error')[0]?.hoverinfo, 'skip');
		assert.deepEqual(named(built, 'bound')[0]?.customdata?.[1], [1, 0, 1e-6, '']);
	});

	it('keep their scale beside the bound of a dead channel, which keeps a mark in sight', () => {
		const perChannel = {
			maxAbs: Float64Array.of(1e-7, 2e-7, 3e-7, 1e-30),
			bound: Float64Array.of(1e-6, 1e-6, 1e-6, 9e-45),
		};
		const built = figure(
			'recompute',
			sampleLayer({ recompute: { status: 'mismatch', reason: 'It differs.', perChannel } }),
		);
		const [low = 0, high = 0] = (built.layout.yaxis as { readonly range?: readonly number[] }).range ?? [];
		assert.ok(low > -15 && high > -6, `${low} to ${high}`);
		assert.deepEqual(named(built, 'flagged')[0]?.y, [10 ** low]);
	});

	it('believe the judgement per element over the channel’s own numbers', () => {
		const perChannel = {
			maxAbs: Float64Array.of(1e-7, 1e-7),
			bound: Float64Array.of(1e-6, 1e-6),
			boundRatio: Float64Array.of(1.2, 0.1),
		};
		const built = figure(
			'recompute',
			sampleLayer({ recompute: { status: 'mismatch', reason: 'It differs.', perChannel } }),
		);
		assert.deepEqual(named(built, 'flagged')[0]?.x, [0]);
	});
});

it('lines of many channels show the extremes of each group, and every channel below a limit', () => {
	const drawable = (value: number) => value > 0;
	const hover = { template: '', row: (channel: number) => [channel] as const };
	const shown = (values: Float64Array) =>
		channelTrace({ name: 'n', values, color: '#fff', as: 'dots', hover }, THEME, drawable);
	const few = shown(new Float64Array(MAX_LINE).fill(1));
	assert.equal(few.x.length, MAX_LINE);
	const values = Float64Array.from({ length: 1_000_000 }, (_, c) => 2 + Math.sin(c));
	values[123_456] = 100;
	values[654_321] = 0.001;
	values.fill(-1, 700_000, 800_000);
	const { x, y, customdata = [] } = shown(values);
	assert.ok(x.length < MAX_LINE, `${x.length}`);
	for (const channel of [123_456, 654_321]) {
		const at = x.indexOf(channel);
		assert.equal(y[at], values[channel]);
		assert.deepEqual(customdata[at], [channel]);
	}
	assert.ok(x.every((channel, i) => i === 0 || Number(channel) > Number(x[i - 1])));
	assert.ok(!x.some((channel) => Number(channel) >= 700_000 && Number(channel) < 800_000));
});
