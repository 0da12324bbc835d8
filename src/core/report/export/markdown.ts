import { formatNumber, formatRange } from '../../text/numbers.js';
import { baselineSentence } from '../baseline.js';
import { formatWords, isCheckpoint } from '../formats.js';
import { epsilonText, NOT_KNOWN } from '../layer-words.js';
import { answer, normalizationLine } from '../summary.js';
import type { Finding, LayerReport, Recompute, Report } from '../types.js';
import { portable } from './portable.js';
import { code, joinBlocks, type MarkdownColumn, markdownTable, prose } from './text/markdown-text.js';

const COLUMNS: readonly MarkdownColumn[] = [
	{ title: '#', align: 'right' },
	{ title: 'Layer', align: 'left' },
	{ title: 'Fed by', align: 'left' },
	{ title: 'C', align: 'right' },
	{ title: 'Epsilon', align: 'right' },
	{ title: 'Running variance', align: 'right' },
	{ title: 'Scale', align: 'right' },
	{ title: 'Recomputed', align: 'left' },
	{ title: 'Max error', align: 'right' },
	{ title: 'Bound', align: 'right' },
];

/**
 * Renders the report as GitHub-flavored Markdown that is also readable as text: answer, table of layers, findings, run.
 */
export function toMarkdown(report: Report): string {
	const { head, layers, details } = markdownParts(report);
	return `${joinBlocks(head, layers, details)}\n`;
}

/** Renders the same in parts, so that other content can stand between them; '' for an empty part. */
export function markdownParts(report: Report): {
	readonly head: string;
	readonly layers: string;
	readonly details: string;
} {
	const shown = portable(report);
	const { model, layers } = shown;
	return {
		head: joinBlocks('# BatchNorm report', prose(answer(report)), model.path === '' ? '' : modelLine(shown)),
		layers: layers.length === 0 ? '' : markdownTable(COLUMNS, layers.map(cells)),
		details: joinBlocks(
			...findings(report),
			...reasonsOf('skipped', 'Not recomputed', layers),
			...reasonsOf('match', 'How far it was recomputed', layers),
			prose(normalizationLine(report)),
			runLine(shown),
		),
	};
}

function modelLine({ model }: Report): string {
	if (isCheckpoint(model)) {
		const file = `${code(model.path)}: ${formatWords(model)}, ${model.bytes} bytes`;
		return [file, ...(model.notes ?? []).map(prose)].join('\n\n');
	}
	const producer = model.producer === '' ? 'producer not stated' : prose(model.producer);
	return `${code(model.path)}: opset ${model.opset}, ${producer}, ${model.nodes} nodes, ${model.bytes} bytes`;
}

function cells(layer: LayerReport, index: number): string[] {
	const { recompute, source, parameters, affine, inferred = [] } = layer;
	return [
		String(index + 1),
		code(layer.name),
		source === null ? (inferred.includes('source') ? 'not known' : 'input') : code(source.op),
		String(layer.channels),
		epsilonText(layer),
		parameters === null ? NOT_KNOWN : formatRange(parameters.variance),
		affine === null ? '' : formatRange(affine.scale),
		recompute.status === 'mismatch' ? '**mismatch**' : recompute.status,
		recompute.maxAbs === undefined ? '' : formatNumber(recompute.maxAbs),
		recompute.bound === undefined ? '' : formatNumber(recompute.bound),
	];
}

function findings(report: Report): string[] {
	const lines = [
		...report.findings.map((finding) => findingLine(finding, '')),
		...report.layers.flatMap((layer) => layer.findings.map((finding) => findingLine(finding, layer.name))),
	];
	const baseline = report.baseline ? [prose(baselineSentence(report.baseline))] : [];
	return lines.length === 0 ? baseline : ['## Findings', lines.join('\n'), ...baseline];
}

function findingLine({ severity, code: rule, message, known }: Finding, layer: string): string {
	const weight = severity === 'info' ? severity : `**${severity}**`;
	return `- ${known ? 'known ' : ''}${weight} ${code(rule)}: ${layer === '' ? '' : `${code(layer)}: `}${prose(message)}`;
}

/** Lists the reasons of layers with this verdict, each reason once, with the number of layers. */
function reasonsOf(verdict: Recompute['status'], title: string, layers: readonly LayerReport[]): string[] {
	const reasons = new Map<string, number>();
	for (const { recompute } of layers) {
		if (recompute.status === verdict && recompute.reason !== undefined) {
			reasons.set(recompute.reason, (reasons.get(recompute.reason) ?? 0) + 1);
		}
	}
	const lines = [...reasons].map(([reason, count]) => `- ${count} layer${count === 1 ? '' : 's'}: ${prose(reason)}`);
	return lines.length === 0 ? [] : [`## ${title}`, lines.join('\n')];
}

function runLine({ run }: Report): string {
	if (run.status !== 'ok') {
		return run.reason === undefined ? '' : prose(run.reason);
	}
	const inputs = run.inputs.map(
		({ name, shape, dtype, from }) => `${code(name)} ${prose(`[${shape.join(', ')}] ${dtype}, ${from}`)}`,
	);
	return [
		`Ran with ${prose(run.runtime)} on ${inputs.join('; ')}.`,
		prose(run.reason ?? ''),
		prose(run.data?.sentence ?? ''),
	]
		.join(' ')
		.trim();
}
