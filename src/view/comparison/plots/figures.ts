import { rangeOf } from '../../../core/numbers/arrays.js';
import type { LayerComparison } from '../../../core/report/comparison/comparison.js';
import { formatNumber } from '../../../core/text/numbers.js';
import type { PlotDefinition } from '../../shared/plot-panel.js';
import type { ComparisonPlot } from '../../ui/attributes.js';
import { strings } from '../strings.js';
import { biasBounds, biasFigure, wrongBiases } from './bias.js';
import { explainedFigure } from './explained.js';
import { weightResiduals, weightsFigure, wrongWeights } from './weights.js';

type Plot = Pick<PlotDefinition<LayerComparison>, 'has' | 'build' | 'missing'>;

const words = strings.plots;

/** Figures of a compared layer, in the page's order. A plot without data shows a sentence instead. */
const PLOTS: Readonly<Record<ComparisonPlot, Plot>> = {
	weights: {
		has: (layer) => wrongWeights(layer).length > 0,
		build: weightsFigure,
		missing: (layer) => {
			const found = weightResiduals(layer);
			return found.length === 0
				? words.noWeights
				: words.weightsRight(found.length, formatNumber(rangeOf(found.map(Math.abs)).max, 2));
		},
	},
	bias: {
		has: (layer) => wrongBiases(layer).length > 0,
		build: biasFigure,
		missing: (layer) => {
			const { biasError } = layer.perChannel;
			const [error, bound] = [biasError.map(Math.abs), biasBounds(layer)].map((values) =>
				formatNumber(rangeOf(values).max, 2),
			);
			return biasError.length === 0 ? words.noBias : words.biasRight(biasError.length, error ?? '', bound ?? '');
		},
	},
	explained: {
		has: ({ perChannel: { explainedRatio, explainedBias } }) =>
			explainedRatio !== undefined || explainedBias !== undefined,
		build: explainedFigure,
		missing: ({ status, cause }) =>
			status === 'mismatch' ? (cause === null || cause === 'unknown' ? words.noCause : words.noPrediction) : '',
	},
};

export function plotDefinition(kind: ComparisonPlot): PlotDefinition<LayerComparison> {
	return { kind, title: words.titles[kind], caption: words.captions[kind], ...PLOTS[kind] };
}
