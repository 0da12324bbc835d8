import { findingWords } from '../../../core/report/findings.js';
import type { LayerReport } from '../../../core/report/types.js';
import { type Hover, type HoverValue, hoverOf } from '../../plots/hover.js';
import { layerFacts } from '../../shared/layer-facts.js';
import { strings as shared } from '../../text/strings.js';

/** Text that the pointer shows for a channel: its values and the names of its findings. */
export function channelHover(layer: LayerReport, values: readonly HoverValue[]): Hover {
	const { flags } = layerFacts(layer);
	return hoverOf({
		axis: shared.plots.axisOf[layer.axes],
		values,
		remark: (channel) => (flags.get(channel) ?? []).map((finding) => `<br>${findingWords(finding).badge}`).join(''),
	});
}
