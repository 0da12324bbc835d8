import type { LayerComparison } from '../../core/report/comparison/comparison.js';
import type { ChannelTableOptions } from '../shared/channel-table.js';
import { strings as shared } from '../text/strings.js';
import { channelCount, isWrong, relativeRatios } from './facts.js';
import { strings } from './strings.js';

/** The channel table of a compared layer. */
export const COMPARED_CHANNEL_TABLE: ChannelTableOptions<LayerComparison> = {
	titles: strings.channel.columns,
	digits: 6,
	onlyMarked: { text: strings.channel.onlyWrong, bnl: 'only-wrong' },
	size: channelCount,
	series: comparedSeries,
	isMarked: isWrong,
	name: (_, channel) => shared.channel.name(channel),
	rowLabel: (layer, channel) => {
		const name = shared.channel.name(channel);
		return isWrong(layer, channel) ? `${name}, ${strings.plots.wrong}` : name;
	},
	rowData: (layer, channel) => ({ wrong: String(isWrong(layer, channel)) }),
};

/** Returns the arrays of a layer, indexed by channel, under the ids of their columns. Missing arrays are left out. */
export function comparedSeries(layer: LayerComparison): ReadonlyMap<string, ArrayLike<number>> {
	const { perChannel } = layer;
	const all: readonly (readonly [string, ArrayLike<number> | undefined])[] = [
		['expectedRatio', perChannel.expectedRatio],
		['weightRatio', perChannel.weightRatio],
		['rho', relativeRatios(layer)],
		['weightResidual', perChannel.weightResidual],
		['expectedBias', perChannel.expectedBias],
		['foundBias', perChannel.foundBias],
		['biasError', perChannel.biasError],
		['biasBound', perChannel.biasBound],
		['boundRatio', perChannel.boundRatio],
	];
	return new Map(all.filter((entry): entry is [string, ArrayLike<number>] => (entry[1]?.length ?? 0) > 0));
}
