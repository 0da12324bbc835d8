import { rangeOf } from '../../../core/numbers/arrays.js';
import type { LayerComparison } from '../../../core/report/comparison/comparison.js';
import { formatNumber } from '../../../core/text/numbers.js';
import type { Figure } from '../../plots/plotly.js';
import type { Theme } from '../../plots/theme.js';
import { channelsWhere } from '../../plots/traces.js';
import { strings as shared } from '../../text/strings.js';
import { isWrong, relativeRatios } from '../facts.js';
import { strings } from '../strings.js';
import { comparedHover } from './hover.js';
import { residualFigure } from './residuals.js';

/** Largest relative error of the weights that a plot would not show. float32 rounds to 1.2e-7, float16 to 1e-3. */
const MIN_DEVIATION = 1e-5;
/** Maximum half height of the axis. A longer axis would flatten all other channels. */
const MAX_DEVIATION = 10;
/** Minimum share of a row that is no multiple of the original row and makes its factor meaningless. */
const MIN_TURNED = 0.01;

/** Returns found over expected factor minus 1, indexed by channel; empty if either is unknown. */
export function weightResiduals(layer: LayerComparison): Float64Array {
	return relativeRatios(layer).map((ratio) => ratio - 1);
}

/**
 * Returns the channels of a wrong layer whose weight error exceeds MIN_DEVIATION and all right channels' errors,
 * ascending.
 */
export function wrongWeights(layer: LayerComparison): number[] {
	if (layer.status !== 'mismatch') {
		return [];
	}
	const errors = weightResiduals(layer).map((value, channel) =>
		Math.max(Math.abs(value), layer.perChannel.weightResidual[channel] ?? 0),
	);
	const right = errors.filter((_, channel) => !isWrong(layer, channel));
	const rounding = right.reduce((most, value) => (value > most ? value : most), MIN_DEVIATION);
	return channelsWhere(errors, (error) => !(error <= rounding));
}

/** Draws the relative difference between found and expected factor of each channel. */
export function weightsFigure(layer: LayerComparison, theme: Theme): Figure | null {
	const found = weightResiduals(layer);
	if (found.length === 0) {
		return null;
	}
	const { perChannel } = layer;
	const { expectedRatio = found, explainedRatio, weightRatio, weightResidual } = perChannel;
	const explained = explainedRatio?.map((value, channel) => value / (expectedRatio[channel] ?? Number.NaN) - 1);
	const words = strings.plots;
	const hover = comparedHover(layer, [
		{ name: words.weightsDifference, values: found },
		{ name: words.weightsExpected, values: expectedRatio },
		{ name: words.weightsFound, values: weightRatio },
		...(explainedRatio ? [{ name: words.weightsExplained, values: explainedRatio }] : []),
		{ name: words.residual, values: weightResidual },
	]);
	const wrong = wrongWeights(layer);
	const figure = residualFigure(
		{
			found,
			wrong,
			...(explained && { explained }),
			title: words.weightsDifference,
			least: MIN_DEVIATION,
			most: MAX_DEVIATION,
			hover,
		},
		theme,
	);
	const turned = weightResidual.filter((residual) => residual > MIN_TURNED).length;
	const { min, max } = rangeOf(found);
	return {
		...figure,
		summary: words.weightsSummary(shared.range(formatNumber(min, 3), formatNumber(max, 3)), wrong.length),
		notes: [...figure.notes, ...(turned > 0 ? [words.turned(turned)] : [])],
	};
}
