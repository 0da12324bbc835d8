import { baselineSentence } from '../core/report/baseline.js';
import { formatWords, isCheckpoint } from '../core/report/formats.js';
import type { Severity } from '../core/report/severity.js';
import { answer, normalizationLine } from '../core/report/summary.js';
import type { Finding, LayerReport, ModelSummary, Recompute, Report } from '../core/report/types.js';
import { shorten, shortLayerName, visible } from '../core/text/names.js';
import { formatBytes, formatNumber, formatRange } from '../core/text/numbers.js';
import { type Column, type Destination, emphasize, formatTable, wantsColor } from './text.js';

const COLUMNS: readonly Column[] = [
	{ title: '#', align: 'right' },
	{ title: 'layer', align: 'left' },
	{ title: 'fed by', align: 'left' },
	{ title: 'C', align: 'right' },
	{ title: 'epsilon', align: 'right' },
	{ title: 'running variance', align: 'left' },
	{ title: 'scale', align: 'left' },
	{ title: 'recomputed', align: 'left' },
	{ title: 'max error', align: 'right' },
	{ title: 'bound', align: 'right' },
];

const MAX_NAME = 44;

/** Renders a report as text: answer, table, findings, and the run. */
export function renderReport(report: Report, destination: Destination): string {
	const isColored = wantsColor(destination);
	const { model } = report;
	const parts = [
		`${visible(model.path)}  (${modelFacts(model)}, ${formatBytes(model.bytes)})`,
		emphasize(answer(report), isColored),
	];
	if (report.layers.length > 0) {
		parts.push(renderLayers(report.layers));
	}
	const findings = renderFindings(report, isColored);
	if (findings !== '') {
		parts.push(findings);
	}
	if (report.baseline) {
		parts.push(visible(baselineSentence(report.baseline)));
	}
	parts.push(...(model.notes ?? []).map(visible));
	const skipped = isCheckpoint(model) ? '' : renderSkipped(report.layers);
	if (skipped !== '') {
		parts.push(skipped);
	}
	const { run } = report;
	parts.push(normalizationLine(report), run.status === 'ok' ? (run.data?.sentence ?? '') : '', renderRun(report));
	return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function modelFacts(model: ModelSummary): string {
	return isCheckpoint(model)
		? formatWords(model)
		: `opset ${model.opset}, ${visible(model.producer) || 'unknown producer'}, ${model.nodes} nodes`;
}

/** Renders the table of layers. A last column appears if a layer is unusual. */
function renderLayers(layers: readonly LayerReport[]): string {
	const forms = layers.map(unusualForm);
	if (forms.every((form) => form === '')) {
		return formatTable(COLUMNS, layers.map(layerRow));
	}
	const rows = layers.map((layer, index) => [...layerRow(layer, index), forms[index]]);
	return formatTable([...COLUMNS, { title: 'form', align: 'left' }], rows);
}

function unusualForm(layer: LayerReport): string {
	return [
		layer.kind === 'decomposed' ? 'decomposed' : '',
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
		String(index),
		shorten(visible(shortLayerName(layer.name)), MAX_NAME),
		source === null ? (inferred.includes('source') ? 'not known' : 'input') : visible(source.op),
		String(layer.channels),
		formatNumber(layer.epsilon),
		parameters === null ? 'not known' : formatRange(parameters.variance),
		affine === null ? '' : formatRange(affine.scale),
		verdict(recompute),
		recompute.maxAbs === undefined ? '' : formatNumber(recompute.maxAbs),
		recompute.bound === undefined ? '' : formatNumber(recompute.bound),
	];
}

function verdict(recompute: Recompute): string {
	return recompute.status === 'mismatch' ? 'MISMATCH' : recompute.status;
}

function renderFindings(report: Report, isColored: boolean): string {
	const lines = [
		...report.findings.map((finding) => findingLine(finding, '', isColored)),
		...report.layers.flatMap((layer) => layer.findings.map((finding) => findingLine(finding, layer.name, isColored))),
	];
	return lines.length === 0 ? '' : `Findings\n${lines.join('\n')}`;
}

const SEVERITY_COLOURS: Readonly<Record<Severity, number>> = { error: 31, warning: 33, info: 36 };

function findingLine({ severity, code, message, known }: Finding, layer: string, isColored: boolean): string {
	const word = isColored ? `\u001b[${SEVERITY_COLOURS[severity]}m${severity}\u001b[0m` : severity;
	return `  ${known ? 'known ' : ''}${word} ${code}: ${layer === '' ? '' : `${visible(layer)}: `}${visible(message)}`;
}

/** Lists the reasons for unknown parameters and skipped checks, each reason once, with the number of layers. */
function renderSkipped(layers: readonly LayerReport[]): string {
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
	return [...reasons].map(([reason, count]) => `${count} layer${count > 1 ? 's' : ''}: ${visible(reason)}`).join('\n');
}

function renderRun({ run }: Report): string {
	if (run.status !== 'ok') {
		// The reason of a failed run goes to stderr, where a pipe does not hide it.
		return run.status === 'failed' ? '' : `${run.reason ?? ''}`;
	}
	const inputs = run.inputs.map(
		({ name, shape, dtype, from }) => `${visible(name)} [${shape.join(', ')}] ${dtype}, ${visible(from)}`,
	);
	const total = run.milliseconds.total;
	return [
		`Ran with ${run.runtime}${total === undefined ? '' : ` in ${total.toFixed(0)} ms`} on ${inputs.join('; ')}.`,
		run.reason ?? '',
	]
		.filter((part) => part !== '')
		.join(' ');
}
