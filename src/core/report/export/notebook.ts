import { visible } from '../../text/names.js';
import { encodeReport, type JsonObject } from '../json.js';
import { answer } from '../summary.js';
import type { LayerReport, Report } from '../types.js';
import { toHtmlTable } from './html-table.js';
import { markdownParts } from './markdown.js';
import { MIME_TYPE } from './mime-type.js';
import { portable } from './portable.js';

/**
 * Maximum length of an output, in characters of JSON, because notebooks are kept in version control and opened whole.
 */
const MAX_OUTPUT = 2_000_000;

/** Parts left out of an output that would be too large, the least important first. */
const REDUCTIONS: readonly { readonly what: string; readonly apply: (layer: LayerReport) => LayerReport }[] = [
	{
		what: 'the recompute error of each channel',
		apply: ({ recompute: { perChannel: _, ...recompute }, ...layer }) => ({ ...layer, recompute }),
	},
	{ what: 'batch statistics', apply: (layer) => ({ ...layer, batch: null }) },
	{
		what: 'gamma, beta, mean and variance',
		apply: (layer) => ({ ...layer, parameters: null, parametersReason: 'Left out to keep the notebook small.' }),
	},
	{ what: 'scale and shift', apply: (layer) => ({ ...layer, affine: null }) },
];

/**
 * Renders the report as a notebook (nbformat 4.5, as text): the answer, an output for the renderer, and the findings.
 * Sites without the renderer show a table instead of the output. Numbers have nine digits, enough to distinguish any
 * two float32 values.
 */
export function toNotebook(report: Report): string {
	const { payload, omitted } = fit(portable(report));
	const { head, details } = markdownParts(report);
	const note = omitted.length === 0 ? '' : `\n\nLeft out to keep this notebook small: ${omitted.join('; ')}.`;
	const markdown = (id: string, text: string) => ({ cell_type: 'markdown', id, metadata: {}, source: lines(text) });
	const output = {
		output_type: 'display_data',
		metadata: {},
		data: {
			[MIME_TYPE]: payload,
			'text/html': lines(toHtmlTable(report)),
			'text/plain': lines(visible(answer(report))),
		},
	};
	const cells = [
		markdown('answer', head + note),
		{
			cell_type: 'code',
			id: 'report',
			metadata: {},
			execution_count: null,
			source: ['# Saved by BatchNorm Lens: the output below is the report, nothing has to be run.'],
			outputs: [output],
		},
		...(details === '' ? [] : [markdown('details', details)]),
	];
	const metadata = { language_info: { name: 'python' } };
	return `${JSON.stringify({ cells, metadata, nbformat: 4, nbformat_minor: 5 }, null, 1)}\n`;
}

function fit(report: Report): { readonly payload: JsonObject; readonly omitted: readonly string[] } {
	let shown = report;
	const omitted: string[] = [];
	for (const { what, apply } of [{ what: '', apply: (layer: LayerReport) => layer }, ...REDUCTIONS]) {
		shown = { ...shown, layers: shown.layers.map(apply) };
		if (what !== '') {
			omitted.push(what);
		}
		const json = JSON.stringify({ kind: 'report', report: encodeReport(shown) }, nineDigits);
		if (json.length <= MAX_OUTPUT) {
			return { payload: JSON.parse(json), omitted };
		}
	}
	// With thousands of layers the output cannot be reduced further; the table of layers remains.
	return { payload: JSON.parse(JSON.stringify({ kind: 'report', report: encodeReport(shown) }, nineDigits)), omitted };
}

function nineDigits(_key: string, value: unknown): unknown {
	return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(9)) : value;
}

/** The notebook format stores text as lines, each with its end. */
function lines(text: string): string[] {
	return text.split(/(?<=\n)/);
}
