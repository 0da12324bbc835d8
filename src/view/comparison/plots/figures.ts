import type { LayerComparison } from '../../../core/report/comparison.js';
import type { PlotDefinition } from '../../shared/plot-panel.js';
import type { ComparisonPlot } from '../../ui/attributes.js';
import { strings } from '../strings.js';
import { biasFigure } from './bias.js';
import { expectedFigure } from './expected.js';
import { ratioFigure } from './ratio.js';

type Plot = Pick<PlotDefinition<LayerComparison>, 'has' | 'build'>;

/** Figures of a compared layer, in the page's order. */
const PLOTS: Readonly<Record<ComparisonPlot, Plot>> = {
	expected: {
		has: ({ perChannel }) => perChannel.expectedRatio !== undefined || perChannel.expectedBias !== undefined,
		build: expectedFigure,
	},
	ratio: {
		has: ({ perChannel }) => perChannel.expectedRatio !== undefined && perChannel.weightRatio.length > 0,
		build: ratioFigure,
	},
	bias: { has: ({ perChannel }) => perChannel.biasError.length > 0, build: biasFigure },
};

export function plotDefinition(kind: ComparisonPlot): PlotDefinition<LayerComparison> {
	const { titles, captions, missing } = strings.plots;
	return { kind, title: titles[kind], caption: captions[kind], missing: () => missing, ...PLOTS[kind] };
}
