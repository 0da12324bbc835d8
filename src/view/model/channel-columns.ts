import type { LayerReport } from '../../core/report/types.js';
import { columnFormatter, formatInteger } from '../../core/text/numbers.js';
import { layerFacts } from '../shared/layer-facts.js';
import { badges } from '../text/finding-words.js';
import { strings } from '../text/strings.js';
import type { Column } from '../ui/data-grid.js';

/** The per-channel arrays of a layer under the ids of their columns; those that the report lacks are absent. */
export function channelSeries(layer: LayerReport): ReadonlyMap<string, ArrayLike<number>> {
	const { parameters, affine, batch, recompute } = layer;
	const all: readonly (readonly [string, ArrayLike<number> | undefined])[] = [
		['gamma', parameters?.gamma],
		['beta', parameters?.beta],
		['mean', parameters?.mean],
		['variance', parameters?.variance],
		['scale', affine?.scale],
		['shift', affine?.shift],
		['batchMean', batch?.mean],
		['batchVariance', batch?.variance],
		['error', recompute.perChannel?.maxAbs],
		['bound', recompute.perChannel?.bound],
	];
	return new Map(all.filter((entry): entry is [string, ArrayLike<number>] => entry[1] !== undefined));
}

/** The columns of a layer's channel table: a row is a channel index. */
export function channelColumns(layer: LayerReport): readonly Column<number>[] {
	const columns: Column<number>[] = [column('channel', (channel) => channel, formatInteger)];
	for (const [id, values] of channelSeries(layer)) {
		const value = (channel: number): number => values[channel] ?? Number.NaN;
		const format = columnFormatter(values);
		columns.push(column(id, value, (channel) => format(value(channel))));
	}
	columns.push(flagColumn(layer));
	return columns;
}

function column(id: string, value: (channel: number) => number, text: (channel: number) => string): Column<number> {
	const [title, description] = strings.channel.columns[id] ?? [id, id];
	return {
		id,
		title,
		description,
		kind: 'number',
		priority: 1,
		value,
		render: (channel, cell) => {
			cell.textContent = text(channel);
		},
	};
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
		// Flagged channels first when sorted the first time.
		value: (channel) => text(channel) || null,
		render: (channel, cell) => {
			cell.textContent = text(channel);
		},
	};
}
