import { formatNumber } from '../../core/text/numbers.js';
import { type DistinctNames, fullLabel, label, withoutShared } from '../text/names.js';
import type { Column } from '../ui/data-grid.js';
import type { ElementBuilder } from '../ui/dom.js';
import { bothEnds } from '../ui/phrases.js';
import type { Row } from './layers-panel.js';

type Titles = Readonly<Record<string, readonly [title: string, description: string]>>;
type LayerColumn<Layer> = Column<Row<Layer>>;
type MakeColumn<Layer> = (
	id: string,
	kind: LayerColumn<Layer>['kind'],
	priority: LayerColumn<Layer>['priority'],
	cells: Pick<LayerColumn<Layer>, 'value' | 'render'>,
) => LayerColumn<Layer>;

/** Returns a function that makes columns of a table of layers, with titles looked up by their ids. */
export function columnMaker<Layer>(titles: Titles): MakeColumn<Layer> {
	return (id, kind, priority, cells) => {
		const [title, description] = titles[id] ?? [id, id];
		return { id, title, description, kind, priority, ...cells };
	};
}

/** Longest name of a layer that a cell shows. */
const MAX_NAME = 160;

/** Cells with layer names, without their shared parts. */
export function nameCells<Layer extends { readonly name: string }>(
	h: ElementBuilder,
	shared: DistinctNames,
	tooltip: (layer: Layer) => string = ({ name }) => fullLabel(name),
): Pick<LayerColumn<Layer>, 'value' | 'render'> {
	return {
		value: ({ layer }) => layer.name,
		render: ({ layer }, cell) => {
			cell.title = tooltip(layer);
			cell.append(bothEnds(h, label(withoutShared(layer.name, shared), MAX_NAME)));
		},
	};
}

/** "1.2e-7 / 3.4e-6": error and bound, or ''. */
export function errorAndBound(error: number | null | undefined, bound: number | null | undefined): string {
	if (error === null || error === undefined) {
		return '';
	}
	return `${formatError(error)} / ${bound === null || bound === undefined ? '?' : formatError(bound)}`;
}

/** Two digits are enough to compare an error with its bound. */
function formatError(value: number): string {
	return value === 0 || !Number.isFinite(value) ? formatNumber(value) : value.toExponential(1);
}

/** Keeps rows that contain every word of the filter. */
export function filterRows<Layer>(
	rows: readonly Row<Layer>[],
	filter: string,
	textsOf: (layer: Layer) => readonly (string | null | undefined)[],
): readonly Row<Layer>[] {
	const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
	if (words.length === 0) {
		return rows;
	}
	return rows.filter(({ layer }) => {
		const text = textsOf(layer).join(' ').toLowerCase();
		return words.every((word) => text.includes(word));
	});
}
