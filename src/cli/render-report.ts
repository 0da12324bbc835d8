import type { Severity } from '../core/report/severity.js';
import { answer, normalizationLine } from '../core/report/summary.js';
import type { Finding, LayerReport, Recompute, Report } from '../core/report/types.js';
import { shorten, shortLayerName, visible } from '../core/text/names.js';
import { formatBytes, formatNumber, formatRange } from '../core/text/numbers.js';
import { type Column, formatTable } from './text.js';

/** Where the text goes: colour only for a terminal that wants it (https://no-color.org). */
export interface Destination {
	readonly isTTY?: boolean;
}

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

/** The report for people: answer, table, findings, and what was run. */
export function renderReport(report: Report, destination: Destination): string {
	const colour = destination.isTTY === true && process.env.NO_COLOR === undefined;
	const { model } = report;
	const parts = [
		`${visible(model.path)}  (opset ${model.opset}, ${visible(model.producer) || 'unknown producer'}, ${model.nodes} nodes, ${formatBytes(model.bytes)})`,
		emphasise(answer(report), colour),
	];
	if (report.layers.length > 0) {
		parts.push(renderLayers(report.layers));
	}
	const findings = renderFindings(report, colour);
	if (findings !== '') {
		parts.push(findings);
	}
	const skipped = renderSkipped(report.layers);
	if (skipped !== '') {
		parts.push(skipped);
	}
	parts.push(normalizationLine(report), renderRun(report));
	return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

/** The table of layers; a last column names what is unusual about a layer, where anything is. */
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
		layer.mode === 'training' ? 'training mode' : '',
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
	const { recompute, source, parameters, affine } = layer;
	return [
		String(index),
		shorten(visible(shortLayerName(layer.name)), MAX_NAME),
		source === null ? 'input' : visible(source.op),
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

function renderFindings(report: Report, colour: boolean): string {
	const lines = [
		...report.findings.map((finding) => findingLine(finding, '', colour)),
		...report.layers.flatMap((layer) => layer.findings.map((finding) => findingLine(finding, layer.name, colour))),
	];
	return lines.length === 0 ? '' : `Findings\n${lines.join('\n')}`;
}

const SEVERITY_COLOURS: Readonly<Record<Severity, number>> = { error: 31, warning: 33, info: 36 };

function findingLine({ severity, code, message }: Finding, layer: string, colour: boolean): string {
	const word = colour ? `\u001b[${SEVERITY_COLOURS[severity]}m${severity}\u001b[0m` : severity;
	return `  ${word} ${code}: ${layer === '' ? '' : `${visible(layer)}: `}${visible(message)}`;
}

/** Why parameters are not known or a layer was not checked, or how far it was: each reason once, with how many layers it concerns. */
function renderSkipped(layers: readonly LayerReport[]): string {
	const reasons = new Map<string, number>();
	for (const { recompute, parameters, parametersReason } of layers) {
		const own = [
			parameters === null ? parametersReason : undefined,
			// Of a mismatch it is the finding.
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
		// A failed run is told on stderr, where it is not lost in a pipe.
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

function emphasise(text: string, colour: boolean): string {
	return colour ? `\u001b[1m${visible(text)}\u001b[0m` : visible(text);
}
