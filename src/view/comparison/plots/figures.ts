import { rangeOf } from '../../../core/numbers/arrays.js';
import type { LayerComparison } from '../../../core/report/comparison.js';
import { formatNumber } from '../../../core/text/numbers.js';
import type { PlotDefinition } from '../../shared/plot-panel.js';
import type { ComparisonPlot } from '../../ui/attributes.js';
import { strings } from '../strings.js';
import { biasFigure } from './bias.js';
import { explainedFigure } from './explained.js';
import { areWeightsWrong, weightResiduals, weightsFigure } from './weights.js';

type Plot = Pick<PlotDefinition<LayerComparison>, 'has' | 'build' | 'missing'>;

const words = strings.plots;

/** Figures of a compared layer, in the page's order. A plot that would show nothing says so instead. */
const PLOTS: Readonly<Record<ComparisonPlot, Plot>> = {
	weights: {
		has: (layer) => weightResiduals(layer).length > 0 && areWeightsWrong(layer),
		build: weightsFigure,
		missing: (layer) => {
			const found = weightResiduals(layer);
			return found.length === 0
				? words.noWeights
				: words.weightsRight(found.length, formatNumber(rangeOf(found.map(Math.abs)).max, 2));
		},
	},
	bias: {
		has: ({ perChannel: { biasError } }) => biasError.some((error) => error !== 0),
		build: biasFigure,
		missing: ({ perChannel: { biasError } }) =>
			biasError.length === 0 ? words.noBias : words.biasExact(biasError.length),
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
