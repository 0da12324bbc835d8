import type { Range } from '../../core/numbers/arrays.js';
import { findingWords } from '../../core/report/findings.js';
import { isEpsilonKnown, NOT_KNOWN } from '../../core/report/layer-words.js';
import type { Finding, LayerReport } from '../../core/report/types.js';
import { formatInteger, formatNumber, formatRatio } from '../../core/text/numbers.js';
import { columnMaker, errorAndBound, filterRows, nameCells } from '../shared/layer-column.js';
import { boundRatio, findingTone, findingWeight, layerFacts } from '../shared/layer-facts.js';
import type { LayersOptions, Row } from '../shared/layers-panel.js';
import { badges } from '../text/finding-words.js';
import { type DistinctNames, fullLabel, label } from '../text/names.js';
import { strings as shared } from '../text/strings.js';
import type { Column } from '../ui/data-grid.js';
import { append, type ElementBuilder } from '../ui/dom.js';
import { severityIcon, verdictIcon } from '../ui/icons.js';
import { strings } from './strings.js';

export type LayerRow = Row<LayerReport>;

/** The table of a report's layers. */
export function layersOptions(h: ElementBuilder): LayersOptions<LayerReport> {
	return {
		placeholder: strings.layers.filter,
		columns: (shared) => layerColumns(h, shared),
		filter: filterLayers,
		rowLabel: (layer) =>
			strings.layers.rowLabel(fullLabel(layer.name), strings.verdicts[layer.recompute.status], badges(layer.findings)),
	};
}

/** @param shared parts of all names, which the name column leaves out. */
export function layerColumns(h: ElementBuilder, shared: DistinctNames): readonly Column<LayerRow>[] {
	return [
		number('index', 1, {
			value: ({ index }) => index,
			text: ({ index }) => formatInteger(index + 1),
		}),
		column('name', 'text', 1, nameCells(h, shared, nameTooltip)),
		sourceColumn(h),
		number('channels', 2, {
			value: ({ layer }) => layer.channels || null,
			text: ({ layer }) => (layer.channels ? formatInteger(layer.channels) : '?'),
		}),
		number('epsilon', 3, {
			value: ({ layer }) => (isEpsilonKnown(layer) ? layer.epsilon : null),
			text: ({ layer }) => (isEpsilonKnown(layer) ? formatNumber(layer.epsilon, 3) : '?'),
			tooltip: ({ layer }) => (isEpsilonKnown(layer) ? '' : NOT_KNOWN),
		}),
		rangeColumn(h, 'gamma', ({ layer }) => layerFacts(layer).gamma),
		rangeColumn(h, 'variance', ({ layer }) => layerFacts(layer).variance),
		rangeColumn(h, 'scale', ({ layer }) => layerFacts(layer).scale),
		findingsColumn(h),
		verdictColumn(h),
		number('error', 2, {
			value: ({ layer }) => boundRatio(layer),
			text: ({ layer }) => ratioText(boundRatio(layer)),
			tooltip: ({ layer }) => errorAndBound(layer.recompute.maxAbs, layer.recompute.bound),
		}),
	];
}

function sourceColumn(h: ElementBuilder): Column<LayerRow> {
	return column('source', 'text', 4, {
		value: ({ layer }) => (layer.source ? `${layer.source.op} ${layer.source.name}` : null),
		render: ({ layer }, cell) => {
			const { source } = layer;
			cell.title = source ? `${fullLabel(source.op)} ${fullLabel(source.name)}` : strings.layers.noSource(layer);
			append(
				cell,
				source ? [label(source.op, 40)] : [h('span', { class: 'bnl-muted' }, strings.layers.noSource(layer))],
			);
		},
	});
}

const column = columnMaker<LayerReport>(strings.layers.columns);

interface NumberCells {
	readonly value: Column<LayerRow>['value'];
	readonly text: (row: LayerRow) => string;
	readonly tooltip?: (row: LayerRow) => string;
}

const ratioText = (ratio: number | null): string => (ratio === null ? '' : formatRatio(ratio));

function number(
	id: string,
	priority: Column<LayerRow>['priority'],
	{ value, text, tooltip }: NumberCells,
): Column<LayerRow> {
	return column(id, 'number', priority, {
		value,
		render: (row, cell) => {
			cell.textContent = text(row);
			cell.title = tooltip?.(row) ?? '';
		},
	});
}

/** Column of ranges, sorted by the value farthest from zero. */
function rangeColumn(h: ElementBuilder, id: string, range: (row: LayerRow) => Range | null): Column<LayerRow> {
	return column(id, 'number', 3, {
		value: (row) => {
			const found = range(row);
			return found && Math.max(Math.abs(found.min), Math.abs(found.max));
		},
		render: (row, cell) => {
			const found = range(row);
			if (!found) {
				append(cell, [h('span', { class: 'bnl-muted' }, NOT_KNOWN)]);
				return;
			}
			const { min, max, nonFinite } = found;
			if (nonFinite > 0) {
				cell.textContent = strings.notFinite(nonFinite);
				cell.title = Number.isNaN(min) ? '' : shared.range(formatNumber(min), formatNumber(max));
				return;
			}
			// Aligns the smallest and the largest values down the table.
			const [low, high] = [formatEnd(min), formatEnd(max)];
			if (low === high) {
				cell.textContent = low;
				return;
			}
			cell.append(
				h('span', { class: 'bnl-range' }, h('span', {}, low), h('span', {}, strings.to), h('span', {}, high)),
			);
		},
	});
}

/** Formats an end of a range: three digits, two below 0.1, a power of ten below 0.001. */
function formatEnd(value: number): string {
	const size = Math.abs(value);
	return size > 0 && size < 1e-3
		? Number(value.toPrecision(2)).toExponential()
		: formatNumber(value, size < 0.1 ? 2 : 3);
}

/** Share of a layer's channels from which a finding is printed bold. */
const LOUD_SHARE = 0.1;

function findingsColumn(h: ElementBuilder): Column<LayerRow> {
	return column('findings', 'text', 1, {
		// Sorts by severity, then by the share of the layer's channels, both descending.
		value: ({ layer }) => -Math.max(0, ...layer.findings.map((finding) => findingWeight(finding, layer))),
		render: ({ layer }, cell) => {
			const [first, ...others] = [...layer.findings].sort((a, b) => findingWeight(b, layer) - findingWeight(a, layer));
			if (first) {
				cell.append(badge(h, first, layer));
			}
			if (others.length > 0) {
				cell.append(' ', furtherBadge(h, others));
			}
		},
	});
}

/** Counts the findings after the gravest. A cut badge would hide its number, so the tooltip has their sentences. */
function furtherBadge(h: ElementBuilder, others: readonly Finding[]): HTMLElement {
	const areNotes = others.every(({ severity }) => severity === 'info');
	const attributes = { title: others.map(({ message }) => fullLabel(message)).join('\n') };
	const [{ code, severity }] = others as readonly [Finding, ...Finding[]];
	return h(
		'span',
		{ class: 'bnl-badge bnl-badge-further', bnl: 'badge', data: { code, severity }, attributes },
		strings.more(others.length, areNotes),
	);
}

function badge(h: ElementBuilder, finding: Finding, layer: LayerReport): HTMLElement {
	const { code, severity, channels, message } = finding;
	const { size } = layerFacts(layer);
	const name = findingWords(finding).badge;
	const isLoud = findingTone(finding) !== 'info' && (channels.length === 0 || channels.length >= LOUD_SHARE * size);
	return h(
		'span',
		{
			class: `bnl-badge${isLoud ? ' bnl-badge-loud' : ''}`,
			bnl: 'badge',
			data: { code, severity },
			attributes: { title: fullLabel(message) },
		},
		severityIcon(h, findingTone(finding)),
		channels.length > 0 ? strings.ofChannels(name, channels.length) : name,
		channels.length > 0 && h('span', { class: 'bnl-badge-of' }, strings.ofAll(size)),
	);
}

function verdictColumn(h: ElementBuilder): Column<LayerRow> {
	const order = { mismatch: 0, skipped: 1, pending: 2, match: 3 };
	return column('verdict', 'text', 1, {
		value: ({ layer }) => order[layer.recompute.status],
		render: ({ layer: { recompute } }, cell) => {
			const { status, reason } = recompute;
			const attributes: Record<string, string> = reason ? { title: fullLabel(reason) } : {};
			cell.append(
				h(
					'span',
					{ class: `bnl-verdict bnl-verdict-${status}`, bnl: 'verdict', data: { status }, attributes },
					verdictIcon(h, status),
					h('span', { class: 'bnl-verdict-text' }, strings.verdicts[status]),
				),
			);
		},
	});
}

function nameTooltip({ name, graph }: LayerReport): string {
	return graph ? `${fullLabel(name)} (${strings.detail.inGraph(fullLabel(graph))})` : fullLabel(name);
}

/** Keeps rows that contain every word of the filter in name, graph, source, verdict or findings, regardless of case. */
export function filterLayers(rows: readonly LayerRow[], filter: string): readonly LayerRow[] {
	return filterRows(rows, filter, (layer) => [
		layer.name,
		layer.graph,
		layer.source ? `${layer.source.op} ${layer.source.name}` : strings.layers.noSource(layer),
		strings.verdicts[layer.recompute.status],
		...layer.findings.map((finding) => `${finding.code} ${findingWords(finding).badge}`),
	]);
}
