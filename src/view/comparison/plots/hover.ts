import type { LayerComparison } from '../../../core/report/comparison/comparison.js';
import { type Hover, type HoverValue, hoverOf } from '../../plots/hover.js';
import { strings as shared } from '../../text/strings.js';
import { isWrong } from '../facts.js';
import { strings } from '../strings.js';

/** Tooltip of a channel: its values, and a remark on wrong channels. */
export function comparedHover(layer: LayerComparison, values: readonly HoverValue[]): Hover {
	return hoverOf({
		axis: shared.plots.axisOf.channel,
		values,
		remark: (channel) => (isWrong(layer, channel) ? `<br>${strings.plots.wrong}` : ''),
	});
}
