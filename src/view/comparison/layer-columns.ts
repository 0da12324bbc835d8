import { CAUSES } from '../../core/report/causes.js';
import type { LayerComparison } from '../../core/report/comparison/comparison.js';
import { formatDecibels } from '../../core/report/comparison/signal-to-noise.js';
import { causeTitle, causeTitles, hasConfidence, isOnGrid, layerRank } from '../../core/report/comparison/summary.js';
import { formatInteger, formatRatio } from '../../core/text/numbers.js';
import { columnMaker, errorAndBound, filterRows, nameCells } from '../shared/layer-column.js';
import type { LayersOptions, Row } from '../shared/layers-panel.js';
import { type DistinctNames, fullLabel, label } from '../text/names.js';
import type { Column } from '../ui/data-grid.js';
import { append, type ElementBuilder } from '../ui/dom.js';
import { icon } from '../ui/icons.js';
import { boundRatio, channelCount, STATUS_ICONS } from './facts.js';
import { strings } from './strings.js';

export type ComparedRow = Row<LayerComparison>;

/** The table of a comparison's layers. */
export function comparedOptions(h: ElementBuilder): LayersOptions<LayerComparison> {
	return {
		placeholder: strings.layers.filter,
		columns: (shared) => comparisonColumns(h, shared),
		filter: filterCompared,
		rowData: ({ status }) => ({ status }),
		rowLabel: (layer) =>
			strings.layers.rowLabel(fullLabel(layer.name), strings.statuses[layer.status], causeTitle(layer)),
	};
}

/** @param shared parts of all names, which the name column leaves out. */
export function comparisonColumns(h: ElementBuilder, shared: DistinctNames): readonly Column<ComparedRow>[] {
	return [
		column('index', 'number', 1, {
			value: ({ index }) => index,
			render: ({ index }, cell) => append(cell, [formatInteger(index + 1)]),
		}),
		column('name', 'text', 1, nameCells(h, shared)),
		intoColumn(h),
		column('channels', 'number', 3, {
			value: ({ layer }) => channelCount(layer) || null,
			render: ({ layer }, cell) => append(cell, [channelCount(layer) ? formatInteger(channelCount(layer)) : '']),
		}),
		statusColumn(h),
		causeColumn(h),
		column('confidence', 'number', 3, {
			value: ({ layer }) => (hasConfidence(layer) ? layer.confidence : null),
			render: ({ layer }, cell) => append(cell, [hasConfidence(layer) ? strings.confidence(layer.confidence) : '']),
		}),
		column('snr', 'number', 3, {
			value: ({ layer: { behavior } }) => behavior?.snrDb ?? null,
			render: ({ layer }, cell) => append(cell, [formatDecibels(layer)]),
		}),
		column('error', 'number', 2, {
			value: ({ layer }) => boundRatio(layer),
			render: ({ layer }, cell) => {
				const ratio = boundRatio(layer);
				const isGrid = isOnGrid(layer);
				const amount = errorAndBound(layer.maxAbs, layer.bound);
				cell.textContent = ratio === null ? '' : isGrid ? strings.layers.halfStep : formatRatio(ratio);
				cell.title = ratio !== null && isGrid ? strings.layers.halfStepOf(amount) : amount;
			},
		}),
	];
}

const column = columnMaker<LayerComparison>(strings.layers.columns);

function intoColumn(h: ElementBuilder): Column<ComparedRow> {
	return column('into', 'text', 3, {
		value: ({ layer }) => (layer.into ? `${layer.into.op} ${layer.into.name}` : null),
		render: ({ layer: { into } }, cell) => {
			if (!into) {
				append(cell, [h('span', { class: 'bnl-muted' }, strings.layers.nowhere)]);
				return;
			}
			cell.title = `${fullLabel(into.op)} ${fullLabel(into.name)}`;
			append(cell, [label(into.op, 40), ' ', h('span', { class: 'bnl-muted' }, label(into.name))]);
		},
	});
}

function statusColumn(h: ElementBuilder): Column<ComparedRow> {
	return column('status', 'text', 1, {
		value: ({ layer }) => layerRank(layer),
		render: ({ layer: { status } }, cell) => {
			const text = h('span', { class: 'bnl-verdict-text' }, strings.statuses[status]);
			cell.append(
				h(
					'span',
					{ class: `bnl-verdict bnl-verdict-${status}`, bnl: 'status', data: { status } },
					icon(h, ...STATUS_ICONS[status]),
					text,
				),
			);
		},
	});
}

function causeColumn(h: ElementBuilder): Column<ComparedRow> {
	return column('cause', 'text', 1, {
		value: ({ layer }) => causeTitle(layer) || null,
		render: ({ layer }, cell) => {
			cell.dataset.bnl = 'cause';
			cell.dataset.cause = layer.cause ?? '';
			cell.title = layer.causes.map((code) => CAUSES[code].title).join(', ');
			const isLost = (layer.findings ?? []).length > 0;
			append(cell, [
				causeTitles(layer),
				isLost && `, ${strings.layers.precisionLost} `,
				isLost && icon(h, 'warning', 'warning'),
			]);
		},
	});
}

/** Keeps rows that contain every word of the filter in name, operator, status or cause, regardless of case. */
export function filterCompared(rows: readonly ComparedRow[], filter: string): readonly ComparedRow[] {
	return filterRows(rows, filter, (layer) => [
		layer.name,
		layer.into ? `${layer.into.op} ${layer.into.name}` : strings.layers.nowhere,
		strings.statuses[layer.status],
		causeTitle(layer),
		...layer.causes.map((code) => `${code} ${CAUSES[code].title}`),
	]);
}
