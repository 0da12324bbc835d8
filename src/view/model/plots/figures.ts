import { driftByChance, layerDrift } from '../../../core/inspection/layer-drift.js';
import type { LayerReport } from '../../../core/report/types.js';
import type { Figure } from '../../plots/plotly.js';
import type { Theme } from '../../plots/theme.js';
import type { PlotDefinition } from '../../shared/plot-panel.js';
import type { PlotKind } from '../../ui/attributes.js';
import { strings } from '../strings.js';
import { batchFigure } from './batch.js';
import { recomputeFigure } from './recompute.js';
import { stackedFigure } from './stacked.js';

/** A kind of plot for the layers of a report. */
export function plotDefinition(kind: PlotKind): PlotDefinition<LayerReport> {
	return {
		kind,
		title: strings.plots.titles[kind],
		caption: strings.plots.captions[kind],
		has: (layer) => hasFigure(kind, layer),
		build: (layer, theme) => buildFigure(kind, layer, theme),
		// A sentence above all plots explains missing parameters.
		missing: (layer) => (layer.parameters === null ? '' : missingReason(kind, layer)),
	};
}

function missingReason(kind: PlotKind, { batch }: LayerReport): string {
	const needsData = kind === 'batch' || kind === 'drift';
	return needsData && batch?.isRandom ? strings.plots.needsFiles : strings.plots.missing[kind];
}

/** Returns true if a report has the values that a figure needs. Much faster than building the figure. */
export function hasFigure(kind: PlotKind, { parameters, affine, batch, recompute }: LayerReport): boolean {
	switch (kind) {
		case 'gamma-beta':
		case 'statistics':
			return parameters !== null;
		case 'affine':
			return affine !== null;
		case 'batch':
		case 'drift':
			return parameters !== null && batch !== null && !batch.isRandom;
		case 'recompute':
			return recompute.perChannel !== undefined;
		default:
			return kind satisfies never;
	}
}

/** Builds the figure of a kind; null if the report has no values for it (yet). */
export function buildFigure(kind: PlotKind, layer: LayerReport, theme: Theme): Figure | null {
	switch (kind) {
		case 'gamma-beta':
			return gammaBeta(layer, theme);
		case 'affine':
			return affine(layer, theme);
		case 'statistics':
			return statistics(layer, theme);
		case 'batch':
			return batchFigure(layer, theme);
		case 'drift':
			return drift(layer, theme);
		case 'recompute':
			return recomputeFigure(layer, theme);
		default:
			return kind satisfies never;
	}
}

function gammaBeta(layer: LayerReport, theme: Theme): Figure | null {
	return (
		layer.parameters &&
		stackedFigure(
			layer,
			[
				{ title: strings.plots.gamma, values: layer.parameters.gamma, color: theme.first },
				{ title: strings.plots.beta, values: layer.parameters.beta, color: theme.second },
			],
			theme,
		)
	);
}

function affine(layer: LayerReport, theme: Theme): Figure | null {
	return (
		layer.affine &&
		stackedFigure(
			layer,
			[
				{ title: strings.plots.scale, values: layer.affine.scale, color: theme.first },
				{ title: strings.plots.shift, values: layer.affine.shift, color: theme.second },
			],
			theme,
		)
	);
}

function statistics(layer: LayerReport, theme: Theme): Figure | null {
	return (
		layer.parameters &&
		stackedFigure(
			layer,
			[
				{ title: strings.plots.mean, values: layer.parameters.mean, color: theme.first },
				{
					title: strings.plots.variance,
					values: layer.parameters.variance,
					color: theme.second,
					log: true,
					...(layer.epsilon > 0 ? { line: layer.epsilon } : {}),
				},
			],
			theme,
		)
	);
}

/** Draws the drift of mean and variance, each with the band that chance explains. */
function drift(layer: LayerReport, theme: Theme): Figure | null {
	const values = layerDrift(layer);
	const chance = driftByChance(layer);
	return (
		values &&
		stackedFigure(
			layer,
			[
				{ title: strings.plots.driftMean, values: values.shift, color: theme.first, band: chance.shift },
				{ title: strings.plots.driftVariance, values: values.spread, color: theme.second, band: chance.spread },
			],
			theme,
		)
	);
}
