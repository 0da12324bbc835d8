import { baselineSentence } from '../core/report/baseline.js';
import { CAUSES, type CauseCode } from '../core/report/causes.js';
import type { Comparison, LayerComparison } from '../core/report/comparison.js';
import { causeAdvice, causeTitle, comparisonAnswer, outputSentence } from '../core/report/comparison-summary.js';
import { formatWords, isCheckpoint } from '../core/report/formats.js';
import type { ModelSummary } from '../core/report/types.js';
import { shorten, shortLayerName, visible } from '../core/text/names.js';
import { formatNumber } from '../core/text/numbers.js';
import { type Column, type Destination, emphasize, formatTable, wantsColor } from './text.js';

const COLUMNS: readonly Column[] = [
	{ title: '#', align: 'right' },
	{ title: 'layer', align: 'left' },
	{ title: 'folded into', align: 'left' },
	{ title: 'status', align: 'left' },
	{ title: 'cause', align: 'left' },
	{ title: 'confidence', align: 'right' },
	{ title: 'max error', align: 'right' },
	{ title: 'bound', align: 'right' },
];

const MAX_NAME = 44;

/** Renders a comparison as text: answer, table, wrong layers with evidence and advice, and the run. */
export function renderComparison(comparison: Comparison, destination: Destination): string {
	const isColored = wantsColor(destination);
	const { layers, outputs } = comparison;
	const parts = [
		`original  ${describe(comparison.original)}\ndeployed  ${describe(comparison.deployed)}`,
		emphasize(comparisonAnswer(comparison), isColored),
		(layers.length === 0 ? comparison.notes.slice(1) : comparison.notes).map((note) => visible(note)).join('\n'),
		layers.length === 0 ? '' : formatTable(COLUMNS, layers.map(layerRow)),
		explanations(layers.filter(({ status }) => status !== 'match' && status !== 'kept')),
		outputs && layers.length > 0 ? visible(outputSentence(outputs)) : '',
		comparison.baseline ? visible(baselineSentence(comparison.baseline)) : '',
	];
	return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function describe(model: ModelSummary): string {
	const { path, opset, producer, nodes } = model;
	if (isCheckpoint(model)) {
		return `${visible(path)}  (${formatWords(model)})`;
	}
	return `${visible(path)}  (opset ${opset}, ${visible(producer) || 'unknown producer'}, ${nodes} nodes)`;
}

function layerRow(layer: LayerComparison, index: number): string[] {
	const { name, into, status, maxAbs, bound } = layer;
	return [
		String(index),
		shorten(visible(shortLayerName(name)), MAX_NAME),
		into === null ? '' : shorten(visible(`${into.op} ${into.name}`), MAX_NAME),
		status === 'mismatch' ? 'MISMATCH' : status,
		causeTitle(layer),
		layer.cause === null || layer.cause === 'unknown' || layer.cause === 'not-identifiable'
			? ''
			: percent(layer.confidence),
		maxAbs === null ? '' : formatNumber(maxAbs),
		bound === null ? '' : formatNumber(bound),
	];
}

/** Maximum number of layers per cause that are explained separately. Of more layers only the first is. */
const MAX_EXPLAINED = 3;

function explanations(layers: readonly LayerComparison[]): string {
	const groups = new Map<string, LayerComparison[]>();
	for (const layer of layers) {
		const key = [layer.status, causeTitle(layer), String(layer.known), ...layer.causes].join('\0');
		groups.set(key, [...(groups.get(key) ?? []), layer]);
	}
	const explained = [...groups.values()].flatMap((group) => {
		const shown = group.slice(0, group.length > MAX_EXPLAINED ? 1 : MAX_EXPLAINED);
		return shown.map((layer) => explain(layer, group.length - shown.length));
	});
	return explained.join('\n\n');
}

/** Explains a layer, with its advice and the number of equal layers. */
function explain(layer: LayerComparison, more: number): string {
	const { name, evidence, causes, alternatives, known } = layer;
	const others = alternatives.map(({ causes, confidence }) => `${titles(causes)} (${percent(confidence)})`);
	return [
		`${known ? 'known: ' : ''}${visible(name)}: ${visible(evidence)}`,
		...causes.map((cause) => causeAdvice(cause, layer)),
		...(others.length > 0 ? [`Other explanations: ${others.join('; ')}.`] : []),
		...(more > 0
			? [`It is the same with ${more} more layers; the table has their numbers, --json their evidence.`]
			: []),
	].join('\n  ');
}

const titles = (causes: readonly CauseCode[]): string => causes.map((cause) => CAUSES[cause].title).join(' and ');

const percent = (confidence: number): string => `${Math.floor(confidence * 100)} %`;
