import { shorten, visible } from '../../text/names.js';
import { formatNumber, formatRange } from '../../text/numbers.js';
import { formatWords, isCheckpoint } from '../formats.js';
import { answer, normalizationLine } from '../summary.js';
import type { Finding, LayerReport, Recompute, Report } from '../types.js';

const MAX_NAME = 120;
const MAX_SENTENCE = 2000;

const COLUMNS = [
	'#',
	'Layer',
	'Fed by',
	'C',
	'Epsilon',
	'Running variance',
	'Scale',
	'Recomputed',
	'Max error',
	'Bound',
];

/**
 * Renders the report as GitHub-flavored Markdown that is also readable as text: answer, table of layers, findings, run.
 */
export function toMarkdown(report: Report): string {
	const { head, layers, details } = markdownParts(report);
	return `${[head, layers, details].filter((part) => part !== '').join('\n\n')}\n`;
}

/** Renders the same in parts, so that other content can stand between them; '' for an empty part. */
export function markdownParts(report: Report): {
	readonly head: string;
	readonly layers: string;
	readonly details: string;
} {
	const { model, layers } = report;
	const join = (...blocks: readonly string[]) => blocks.filter((block) => block !== '').join('\n\n');
	return {
		head: join('# BatchNorm report', prose(answer(report)), model.path === '' ? '' : modelLine(report)),
		layers: layers.length === 0 ? '' : table(layers),
		details: join(
			...findings(report),
			...reasonsOf('skipped', 'Not recomputed', layers),
			...reasonsOf('match', 'How far it was recomputed', layers),
			prose(normalizationLine(report)),
			runLine(report),
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

function table(layers: readonly LayerReport[]): string {
	const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
	const ruler = COLUMNS.map((_, i) => ([1, 2, 7].includes(i) ? '---' : '---:'));
	return [row(COLUMNS), row(ruler), ...layers.map((layer, index) => row(cells(layer, index)))].join('\n');
}

function cells(layer: LayerReport, index: number): string[] {
	const { recompute, source, parameters, affine, inferred = [] } = layer;
	return [
		String(index),
		code(layer.name),
		source === null ? (inferred.includes('source') ? 'not known' : 'input') : code(source.op),
		String(layer.channels),
		formatNumber(layer.epsilon),
		parameters === null ? 'not constant' : formatRange(parameters.variance),
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
	return lines.length === 0 ? [] : ['## Findings', lines.join('\n')];
}

function findingLine({ severity, code: rule, message }: Finding, layer: string): string {
	const weight = severity === 'info' ? severity : `**${severity}**`;
	return `- ${weight} ${code(rule)}: ${layer === '' ? '' : `${code(layer)}: `}${prose(message)}`;
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

/**
 * Formats a string of the model as a code span, in which markup, HTML and links are inactive. Characters that could end
 * the span or the table's cell become \uXXXX.
 */
function code(text: string): string {
	const safe = visible(shorten(text, MAX_NAME)).replace(/[`|]/g, escapeUnicode);
	return safe.trim() === '' ? '(no name)' : `\`${safe}\``;
}

function escapeUnicode(character: string): string {
	return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/**
 * Formats a sentence of ours that quotes the model. Words that a renderer could take for an address (also without a
 * scheme: example.com) become code, and all other punctuation of Markdown is escaped.
 */
function prose(text: string): string {
	return visible(shorten(text, MAX_SENTENCE))
		.split(' ')
		.map((word) => (/[/:@]\S|[a-z]\.[a-z]/i.test(word) ? codeWord(word) : word.replace(/[\\`*_[\]<>|#!~&$]/g, '\\$&')))
		.join(' ');
}

/** Punctuation around a quoted name is not part of it. */
function codeWord(word: string): string {
	const [, before = '', inner = '', after = ''] = /^(["'(]*)(.*?)([.,;:)"']*)$/s.exec(word) ?? [];
	return `${before}${code(inner)}${after}`;
}
