import type { LayerComparison } from '../../../core/report/comparison/comparison.js';
import type { Figure } from '../../plots/plotly.js';
import { type ScatterPlot, scatterPair } from '../../plots/scatter-pair.js';
import type { Theme } from '../../plots/theme.js';
import { strings as shared } from '../../text/strings.js';
import { channelCount } from '../facts.js';
import { strings } from '../strings.js';
import { comparedHover } from './hover.js';

/**
 * Draws values predicted from the named causes (x) against found values (y). The left plot has the factors on the
 * weights, the right plot the biases.
 */
export function explainedFigure(layer: LayerComparison, theme: Theme): Figure | null {
	const { explainedRatio, weightRatio, explainedBias, foundBias } = layer.perChannel;
	const size = channelCount(layer);
	if (size === 0) {
		return null;
	}
	const none = new Float64Array(size).fill(Number.NaN);
	const words = strings.plots;
	const weights: ScatterPlot = {
		x: explainedRatio ?? none,
		y: weightRatio,
		titles: [words.weightsExplained, words.weightsFound],
		log: false,
	};
	const bias: ScatterPlot = {
		x: explainedBias ?? none,
		y: foundBias ?? none,
		titles: [words.biasExplained, words.biasFound],
		log: false,
	};
	const hover = comparedHover(
		layer,
		[weights, bias].flatMap(({ x, y, titles }) => [
			{ name: titles[0], values: x },
			{ name: titles[1], values: y },
		]),
	);
	const marked = new Set(layer.details.unexplained ?? []);
	const { data, layout, mark, shown } = scatterPair([weights, bias], {
		theme,
		size,
		hover,
		marked,
		mark: { name: words.unexplained, color: theme.error },
	});
	return {
		data,
		layout,
		summary: words.explainedSummary(size, marked.size),
		notes: shown < size ? [shared.plots.sampled(shown, size)] : [],
		mark,
	};
}
