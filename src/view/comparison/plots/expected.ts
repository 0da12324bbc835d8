import type { LayerComparison } from '../../../core/report/comparison.js';
import type { Figure } from '../../plots/plotly.js';
import { type ScatterPlot, scatterPair } from '../../plots/scatter-pair.js';
import type { Theme } from '../../plots/theme.js';
import { strings as shared } from '../../text/strings.js';
import { channelCount, wrongChannels } from '../facts.js';
import { strings } from '../strings.js';
import { comparedHover } from './hover.js';

/** Draws expected (x) against found (y): the factor on the weights on the left, the bias on the right. */
export function expectedFigure(layer: LayerComparison, theme: Theme): Figure | null {
	const { expectedRatio, weightRatio, expectedBias, foundBias } = layer.perChannel;
	const size = channelCount(layer);
	if (size === 0) {
		return null;
	}
	const none = new Float64Array(size).fill(Number.NaN);
	const words = strings.plots;
	const weights: ScatterPlot = {
		x: expectedRatio ?? none,
		y: weightRatio,
		titles: [words.weightsExpected, words.weightsFound],
		log: false,
	};
	const bias: ScatterPlot = {
		x: expectedBias ?? none,
		y: foundBias ?? none,
		titles: [words.biasExpected, words.biasFound],
		log: false,
	};
	const hover = comparedHover(
		layer,
		[weights, bias].flatMap(({ x, y, titles }) => [
			{ name: titles[0], values: x },
			{ name: titles[1], values: y },
		]),
	);
	const marked = new Set(wrongChannels(layer));
	const { data, layout, mark, shown } = scatterPair([weights, bias], {
		theme,
		size,
		hover,
		marked,
		mark: { name: words.wrong, color: theme.error },
	});
	return {
		data,
		layout,
		summary: words.expectedSummary(size, marked.size),
		notes: shown < size ? [shared.plots.sampled(shown, size)] : [],
		mark,
	};
}
