import { baselineSentence } from '../../core/report/baseline.js';
import { CAUSES, type CauseCode } from '../../core/report/causes.js';
import type { Comparison, LayerComparison } from '../../core/report/comparison/comparison.js';
import { noiseSentences } from '../../core/report/comparison/signal.js';
import { formatDecibels } from '../../core/report/comparison/signal-to-noise.js';
import {
	causeAdvice,
	causeTitle,
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
} from '../../core/report/comparison/summary.js';
import { shorten, shortLayerName, visible } from '../../core/text/names.js';
import { formatNumber } from '../../core/text/numbers.js';
import { count } from '../../core/text/sentences.js';
import { modelFacts } from './model-facts.js';
import { type Column, type Destination, emphasize, formatTable, wantsColor, widthOf, wrap } from './text.js';

const COLUMNS: readonly Column[] = [
	{ title: '#', align: 'right' },
	{ title: 'layer', align: 'left', least: 22 },
	{ title: 'folded into', align: 'left', drop: 2, least: 16 },
	{ title: 'status', align: 'left' },
	{ title: 'explanation', align: 'left', least: 18 },
	{ title: 'confidence', align: 'right', drop: 1 },
	{ title: 'max error', align: 'right', drop: 4 },
	{ title: 'bound', align: 'right', drop: 3 },
	{ title: 'SNR (dB)', align: 'right' },
];

const MAX_NAME = 60;
/** Maximum number of rows of the table. In longer tables correct layers are left out first. */
const MAX_ROWS = 60;
/**
 * Maximum number of layers with the same cause that are explained separately. If there are more, only the first is
 * explained.
 */
const MAX_ALIKE = 3;
/** Maximum number of explanations. */
const MAX_EXPLAINED = 12;

/**
 * Renders a comparison as text: answer, table with the wrong layers first, wrong layers with evidence and advice, and
 * the run. Lines fit the destination's width, except for longer words.
 */
export function renderComparison(comparison: Comparison, destination: Destination): string {
	const width = widthOf(destination);
	const { layers, outputs, notes, baseline } = comparison;
	const wrapped = (text: string): string => (text === '' ? '' : wrap(visible(text), width));
	const model = (role: 'original' | 'deployed'): string => {
		const text = `${visible(comparison[role].path)}  (${modelFacts(comparison[role])})`;
		return wrap(text, width, ' '.repeat(role.length + 2), `${role}  `);
	};
	const parts = [
		`${model('original')}\n${model('deployed')}`,
		emphasize(wrap(comparisonAnswer(comparison), width), wantsColor(destination)),
		// Without layers the first note is the answer.
		(layers.length === 0 ? notes.slice(1) : notes).map(wrapped).join('\n'),
		layers.length === 0 ? '' : layerTable(layers, width),
		explanations(layers, width),
		outputs && layers.length > 0 ? wrapped(`${outputSentence(outputs)} ${noiseSentences(comparison)}`.trim()) : '',
		baseline ? wrapped(baselineSentence(baseline)) : '',
	];
	return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

/** Renders the table of layers without columns that would be empty. */
function layerTable(layers: readonly LayerComparison[], width: number): string {
	const shown = worstFirst(layers).slice(0, MAX_ROWS);
	const rows = shown.map(({ layer, index }) => layerRow(layer, index));
	const kept = COLUMNS.flatMap((_, i) => (rows.some((row) => row[i] !== '') ? [i] : []));
	const choose = <T>(cells: readonly T[]): T[] => kept.flatMap((i) => cells[i] ?? []);
	const hidden = layers.length - shown.length;
	return [
		formatTable(choose(COLUMNS), rows.map(choose), width),
		...(shown.some(({ layer }) => isOnGrid(layer)) ? [wrap(GRID_NOTE, width)] : []),
		...(hidden > 0 ? [wrap(`${count(hidden, 'more layer')} not listed; --json lists every layer.`, width)] : []),
	].join('\n');
}

function layerRow(layer: LayerComparison, index: number): string[] {
	const { name, into, status, maxAbs, bound } = layer;
	return [
		String(index + 1),
		shorten(visible(shortLayerName(name)), MAX_NAME),
		into === null ? '' : shorten(visible(`${into.op} ${into.name}`), MAX_NAME),
		status === 'mismatch' ? 'MISMATCH' : STATUS_WORDS[status],
		causeTitles(layer),
		hasConfidence(layer) ? percent(layer.confidence) : '',
		maxAbs === null ? '' : formatNumber(maxAbs, 3),
		bound === null ? '' : formatNumber(bound, 3),
		formatDecibels(layer),
	];
}

/** Explains the layers that are neither kept nor correct. Layers with the same cause share an explanation. */
function explanations(layers: readonly LayerComparison[], width: number): string {
	const groups = new Map<string, LayerComparison[]>();
	for (const { layer } of worstFirst(layers)) {
		if (isToExplain(layer)) {
			const { known, causes, findings = [] } = layer;
			const codes = findings.map(({ code }) => code);
			const key = [layer.status, causeTitle(layer), String(known), ...causes, ...codes].join('\0');
			groups.set(key, [...(groups.get(key) ?? []), layer]);
		}
	}
	const explained = [...groups.values()].flatMap((group) => {
		const shown = group.slice(0, group.length > MAX_ALIKE ? 1 : MAX_ALIKE);
		return shown.map((layer) => explain(layer, group.length - shown.length, width));
	});
	const more = explained.length - MAX_EXPLAINED;
	return [
		...explained.slice(0, MAX_EXPLAINED),
		...(more > 0 ? [wrap(`${count(more, 'more explanation')} in the output of --json.`, width)] : []),
	].join('\n\n');
}

/** Explains a layer, with its advice and the number of equal layers. */
function explain(layer: LayerComparison, more: number, width: number): string {
	const { name, evidence, alternatives, known } = layer;
	const others = alternatives.map(({ causes, confidence }) => `${titles(causes)} (${percent(confidence)})`);
	const first = wrap(`${known ? 'known: ' : ''}${visible(name)}: ${visible(evidence)}`, width, INDENT, '');
	const rest = [
		...namedCauses(layer).map((cause) => causeAdvice(cause, layer)),
		...(others.length > 0 ? [`Other explanations: ${others.join('; ')}.`] : []),
		...(more > 0
			? [`It is the same with ${count(more, 'more layer')}; the table has their numbers, --json their evidence.`]
			: []),
	];
	return [first, ...rest.map((sentence) => wrap(sentence, width, INDENT))].join('\n');
}

const INDENT = '  ';

const titles = (causes: readonly CauseCode[]): string => causes.map((cause) => CAUSES[cause].title).join(' and ');

const percent = (confidence: number): string => `${Math.floor(confidence * 100)} %`;
