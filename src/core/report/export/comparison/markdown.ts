import { formatNumber } from '../../../text/numbers.js';
import { baselineSentence } from '../../baseline.js';
import type { Comparison, LayerComparison } from '../../comparison/comparison.js';
import { noiseSentences } from '../../comparison/signal.js';
import { formatDecibels } from '../../comparison/signal-to-noise.js';
import {
	causeAdvice,
	causeTitles,
	comparisonAnswer,
	GRID_NOTE,
	hasConfidence,
	isOnGrid,
	isToExplain,
	namedCauses,
	outputSentence,
	STATUS_WORDS,
	worstFirst,
} from '../../comparison/summary.js';
import { formatWords, isCheckpoint } from '../../formats.js';
import type { ModelSummary } from '../../types.js';
import { portableComparison } from '../portable.js';
import { code, joinBlocks, type MarkdownColumn, markdownTable, prose } from '../text/markdown-text.js';

const COLUMNS: readonly MarkdownColumn[] = [
	{ title: '#', align: 'right' },
	{ title: 'Layer', align: 'left' },
	{ title: 'Folded into', align: 'left' },
	{ title: 'Status', align: 'left' },
	{ title: 'Cause', align: 'left' },
	{ title: 'Confidence', align: 'right' },
	{ title: 'Max error', align: 'right' },
	{ title: 'Bound', align: 'right' },
	{ title: 'SNR (dB)', align: 'right' },
];

/**
 * Renders a comparison as GitHub-flavored Markdown that is also readable as text: answer, models, table of layers with
 * the wrong layers first, evidence and advice, outputs.
 */
export function comparisonToMarkdown(whole: Comparison): string {
	const comparison = portableComparison(whole);
	const { layers, notes, outputs } = comparison;
	const text = joinBlocks(
		'# BatchNorm comparison',
		prose(comparisonAnswer(comparison)),
		[modelLine('original', comparison.original), modelLine('deployed', comparison.deployed)].join('\n'),
		// Without layers the first note is the answer.
		(layers.length === 0 ? notes.slice(1) : notes).map((note) => `- ${prose(note)}`).join('\n'),
		layers.length === 0 ? '' : markdownTable(COLUMNS, worstFirst(layers).map(cells)),
		layers.some(isOnGrid) ? prose(GRID_NOTE) : '',
		...evidence(layers),
		outputs ? prose(`${outputSentence(outputs)} ${noiseSentences(comparison)}`.trim()) : '',
		comparison.baseline ? prose(baselineSentence(comparison.baseline)) : '',
	);
	return `${text}\n`;
}

function modelLine(role: string, model: ModelSummary): string {
	const { path, opset, producer, nodes, bytes } = model;
	const facts = isCheckpoint(model)
		? formatWords(model)
		: `opset ${opset}, ${producer === '' ? 'producer not stated' : prose(producer)}, ${nodes} nodes`;
	return `- ${role} ${code(path)}: ${facts}, ${bytes} bytes`;
}

function cells({ layer, index }: { readonly layer: LayerComparison; readonly index: number }): string[] {
	const { name, into, status, confidence, maxAbs, bound } = layer;
	return [
		String(index + 1),
		code(name),
		into === null ? '' : `${code(into.op)} ${code(into.name)}`,
		status === 'mismatch' ? '**mismatch**' : STATUS_WORDS[status],
		prose(causeTitles(layer)),
		hasConfidence(layer) ? `${Math.floor(confidence * 100)} %` : '',
		maxAbs === null ? '' : formatNumber(maxAbs),
		bound === null ? '' : formatNumber(bound),
		prose(formatDecibels(layer)),
	];
}

/** Lists every layer that is not simply right, with its evidence and the advice on its causes. */
function evidence(layers: readonly LayerComparison[]): string[] {
	const lines = worstFirst(layers)
		.filter(({ layer }) => isToExplain(layer))
		.map(({ layer }) => {
			const advice = namedCauses(layer).map((cause) => prose(causeAdvice(cause, layer)));
			return `- ${layer.known ? 'known ' : ''}${code(layer.name)}: ${[prose(layer.evidence), ...advice].join(' ')}`;
		});
	return lines.length === 0 ? [] : ['## Layers to look at', lines.join('\n')];
}
