import type { LayerReport } from '../../core/report/types.js';
import type { ChannelTableOptions } from '../shared/channel-table.js';
import { channelName, layerFacts } from '../shared/layer-facts.js';
import { badges } from '../text/finding-words.js';
import type { Column } from '../ui/data-grid.js';
import { strings } from './strings.js';

/** The channel table of a layer of a model. */
export const CHANNEL_TABLE: ChannelTableOptions<LayerReport> = {
	titles: strings.channel.columns,
	digits: 5,
	onlyMarked: { text: strings.channel.flaggedOnly },
	size: (layer) => layerFacts(layer).size,
	series: channelSeries,
	extraColumns: (layer) => [flagColumn(layer)],
	isMarked: (layer, channel) => layerFacts(layer).flags.has(channel),
	name: (layer, channel) => channelName(layer.axes, channel),
	rowLabel: (layer, channel) => {
		const found = layerFacts(layer).flags.get(channel) ?? [];
		const name = channelName(layer.axes, channel);
		return found.length > 0 ? `${name}, ${badges(found)}` : name;
	},
};

/** Returns the arrays of a layer, indexed by channel, under the ids of their columns. Missing arrays are left out. */
function channelSeries(layer: LayerReport): ReadonlyMap<string, ArrayLike<number>> {
	const { parameters, affine, batch, recompute } = layer;
	// Statistics of random input would read like statistics of data.
	const data = batch?.isRandom ? undefined : batch;
	const all: readonly (readonly [string, ArrayLike<number> | undefined])[] = [
		['gamma', parameters?.gamma],
		['beta', parameters?.beta],
		['mean', parameters?.mean],
		['variance', parameters?.variance],
		['scale', affine?.scale],
		['shift', affine?.shift],
		['batchMean', data?.mean],
		['batchVariance', data?.variance],
		['error', recompute.perChannel?.maxAbs],
		['bound', recompute.perChannel?.bound],
	];
	return new Map(all.filter((entry): entry is [string, ArrayLike<number>] => entry[1] !== undefined));
}

function flagColumn(layer: LayerReport): Column<number> {
	const { flags } = layerFacts(layer);
	const text = (channel: number): string => badges(flags.get(channel) ?? []);
	const [title, description] = strings.channel.columns.flags ?? ['', ''];
	return {
		id: 'flags',
		title,
		description,
		kind: 'text',
		priority: 1,
		// Puts flagged channels first at the first click.
		value: (channel) => text(channel) || null,
		render: (channel, cell) => {
			cell.textContent = text(channel);
		},
	};
}
