import { baselineSentence } from '../../core/report/baseline.js';
import { isCheckpoint } from '../../core/report/formats.js';
import { epsilonText, NOT_KNOWN } from '../../core/report/layer-words.js';
import { headline } from '../../core/report/summary.js';
import type { LayerReport, Recompute, Report } from '../../core/report/types.js';
import { shorten, shortLayerName, visible } from '../../core/text/names.js';
import { formatBytes, formatInteger, formatNumber, formatRange, formatRatio } from '../../core/text/numbers.js';
import { count } from '../../core/text/sentences.js';
import { renderAxes } from './axes.js';
import { renderFindings } from './findings.js';
import { modelFacts } from './model-facts.js';
import { type Column, type Destination, emphasize, formatTable, wantsColor, widthOf, wrap } from './text.js';

const COLUMNS: readonly Column[] = [
	{ title: '#', align: 'right' },
	{ title: 'layer', align: 'left', least: 24 },
	{ title: 'fed by', align: 'left', drop: 4, least: 12 },
	{ title: 'C', align: 'right' },
	{ title: 'epsilon', align: 'right', drop: 5 },
	{ title: 'running variance', align: 'left', drop: 3 },
	{ title: 'scale', align: 'left', drop: 2 },
	{ title: 'recomputed', align: 'left' },
	{ title: 'max error', align: 'right', drop: 1 },
	{ title: 'of allowed', align: 'right', drop: 6 },
];

const MAX_NAME = 60;
/** Maximum number of rows of the table. In longer tables matching layers are left out. */
const MAX_ROWS = 60;

export interface RenderOptions {
	/** True to explain the axes with formulas. */
	readonly isExplained?: boolean;
}

/** Renders a report as text: headline, findings with advice, table, axes, and the run. */
export function renderReport(
	report: Report,
	destination: Destination,
	{ isExplained = false }: RenderOptions = {},
): string {
	const width = widthOf(destination);
	const { model, run } = report;
	const wrapped = (text: string) => (text === '' ? '' : wrap(text, width));
	const parts = [
		wrapped(`${visible(model.path)}  (${modelFacts(model)}, ${formatBytes(model.bytes)})`),
		emphasize(wrap(headline(report), width), wantsColor(destination)),
		renderFindings(report, destination),
		report.baseline ? wrapped(visible(baselineSentence(report.baseline))) : '',
		report.layers.length > 0 ? renderLayers(report.layers, width) : '',
		...(model.notes ?? []).map((note) => wrapped(visible(note))),
		isCheckpoint(model) ? '' : renderSkipped(report.layers, width),
		renderAxes(report, destination, isExplained),
		run.status === 'ok' ? wrapped(visible(run.data?.sentence ?? '')) : '',
		wrapped(renderRun(report)),
	];
	return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

/** Renders the table of layers. A last column appears if a layer is unusual. */
function renderLayers(layers: readonly LayerReport[], width: number): string {
	const forms = layers.map(unusualForm);
	const hasForms = forms.some((form) => form !== '');
	const shown = shownLayers(layers);
	const rows = shown.map((index) => {
		const layer = layers[index];
		return layer ? [...layerRow(layer, index), ...(hasForms ? [forms[index] ?? ''] : [])] : [];
	});
	const columns: readonly Column[] = hasForms ? [...COLUMNS, { title: 'form', align: 'left', least: 28 }] : COLUMNS;
	const hidden = layers.length - shown.length;
	return [
		formatTable(columns, rows, width),
		...(hidden > 0 ? [`${count(hidden, 'more layer')} that match; --json lists every layer.`] : []),
	].join('\n');
}

/**
 * Returns the indices of the layers to list, ascending. All layers without a match are listed, then matching layers as
 * far as rows are left.
 */
function shownLayers(layers: readonly LayerReport[]): number[] {
	const indices = layers.map((_, index) => index);
	if (layers.length <= MAX_ROWS) {
		return indices;
	}
	const isMatch = (index: number) => layers[index]?.recompute.status === 'match';
	const others = indices.filter((index) => !isMatch(index));
	const room = Math.max(0, MAX_ROWS - others.length);
	return [...others, ...indices.filter(isMatch).slice(0, room)].sort((a, b) => a - b);
}

function unusualForm(layer: LayerReport): string {
	const isAffineOnly = layer.parameters === null && layer.affine !== null;
	return [
		layer.kind === 'decomposed' ? (isAffineOnly ? 'scale and shift only' : 'decomposed') : '',
		layer.kind === 'handbuilt' ? 'written by hand' : layer.mode === 'training' ? 'training mode' : '',
		layer.axes === 'activation' ? 'per activation (spatial=0)' : '',
		layer.graph === '' ? '' : `inside ${shorten(visible(layer.graph), MAX_NAME)}`,
		layer.parameters === null && layer.parametersFrom !== undefined
			? `parameters: ${visible(layer.parametersFrom)}`
			: '',
	]
		.filter((part) => part !== '')
		.join(', ');
}

function layerRow(layer: LayerReport, index: number): string[] {
	const { recompute, source, parameters, affine, inferred = [] } = layer;
	return [
		String(index + 1),
		shorten(visible(shortLayerName(layer.name)), MAX_NAME),
		source === null ? (inferred.includes('source') ? 'not known' : 'input') : visible(source.op),
		String(layer.channels),
		epsilonText(layer),
		parameters === null ? NOT_KNOWN : formatRange(parameters.variance),
		affine === null ? '' : formatRange(affine.scale),
		verdict(recompute),
		recompute.maxAbs === undefined ? '' : formatNumber(recompute.maxAbs),
		errorShare(recompute),
	];
}

function verdict(recompute: Recompute): string {
	return recompute.status === 'mismatch' ? 'MISMATCH' : recompute.status;
}

/** Returns the largest error as a share of its bound; '' without a measurement. */
function errorShare({ maxAbs, bound, perChannel }: Recompute): string {
	const ratios = perChannel?.boundRatio;
	const ratio = ratios?.length ? ratios.reduce((a, b) => Math.max(a, b)) : (maxAbs ?? 0) / (bound ?? Number.NaN);
	return maxAbs === undefined || bound === undefined ? '' : formatRatio(maxAbs === 0 ? 0 : ratio);
}

/** Lists the reasons for unknown parameters and skipped checks, each reason once, with the number of layers. */
function renderSkipped(layers: readonly LayerReport[], width: number): string {
	const reasons = new Map<string, number>();
	for (const { recompute, parameters, parametersReason, findings } of layers) {
		const isFinding = findings.some(({ message }) => message === parametersReason);
		const own = [
			parameters === null && !isFinding ? parametersReason : undefined,
			// For a mismatch the finding states the reason.
			recompute.status === 'mismatch' ? undefined : recompute.reason,
		];
		for (const reason of own.filter((text) => text !== undefined)) {
			reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
		}
	}
	return [...reasons].map(([reason, n]) => wrap(`${count(n, 'layer')}: ${visible(reason)}`, width)).join('\n');
}

function renderRun({ run, layers }: Report): string {
	if (run.status !== 'ok') {
		// The reason of a failed run goes to stderr, where a pipe does not hide it. The headline names a lack of layers.
		return run.status === 'failed' || layers.length === 0 ? '' : visible(run.reason ?? '');
	}
	const inputs = run.inputs.map(
		({ name, shape, dtype, from }) => `${visible(name)} [${shape.join(', ')}] ${dtype}, ${visible(from)}`,
	);
	const total = run.milliseconds.total;
	return [
		`Ran with ${run.runtime}${total === undefined ? '' : ` in ${formatInteger(total)} ms`} on ${inputs.join('; ')}.`,
		visible(run.reason ?? ''),
	]
		.filter((part) => part !== '')
		.join(' ');
}
