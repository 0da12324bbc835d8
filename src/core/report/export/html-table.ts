import { escapeMarkup, shorten, visible } from '../../text/names.js';
import { formatRange } from '../../text/numbers.js';
import { epsilonText, NOT_KNOWN } from '../layer-words.js';
import { answer } from '../summary.js';
import type { LayerReport, Report } from '../types.js';

const MAX_NAME = 120;
const MAX_ANSWER = 1000;

const COLUMNS = ['#', 'Layer', 'C', 'Epsilon', 'Running variance', 'Scale', 'Recomputed', 'Findings'];

/** Renders answer and layers as plain HTML without scripts and styles, for sites that do not know our outputs. */
export function toHtmlTable(report: Report): string {
	const head = COLUMNS.map((title) => `<th>${title}</th>`).join('');
	const rows = report.layers.map((layer, index) => `<tr>${cells(layer, index).map(cell).join('')}</tr>`);
	const table = rows.length === 0 ? [] : [`<table><tr>${head}</tr>`, ...rows, '</table>'];
	return [`<p>${plain(answer(report), MAX_ANSWER)}</p>`, ...table].join('\n');
}

function cells(layer: LayerReport, index: number): string[] {
	const { name, channels, parameters, affine, recompute, findings } = layer;
	return [
		String(index + 1),
		name,
		String(channels),
		epsilonText(layer),
		parameters === null ? NOT_KNOWN : formatRange(parameters.variance),
		affine === null ? '' : formatRange(affine.scale),
		recompute.status,
		[...new Set(findings.map(({ code }) => code))].join(', '),
	];
}

function cell(text: string): string {
	return `<td>${plain(text, MAX_NAME)}</td>`;
}

function plain(text: string, length: number): string {
	return escapeMarkup(visible(shorten(text, length)));
}
