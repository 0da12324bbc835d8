import { CAUSES, type CauseCode } from '../core/report/causes.js';
import type { Comparison, LayerComparison } from '../core/report/comparison.js';
import { causeAdvice, causeTitle, comparisonAnswer, outputSentence } from '../core/report/comparison-summary.js';
import type { ModelSummary } from '../core/report/types.js';
import { shorten, shortLayerName, visible } from '../core/text/names.js';
import { formatNumber } from '../core/text/numbers.js';
import { type Column, formatTable } from './text.js';

/** Where the text goes: colour only for a terminal that wants it (https://no-color.org). */
export interface Destination {
	readonly isTTY?: boolean;
}

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

/** The comparison for people: answer, table, what is wrong with the evidence and what to do, and what was run. */
export function renderComparison(comparison: Comparison, destination: Destination): string {
	const colour = destination.isTTY === true && process.env.NO_COLOR === undefined;
	const { layers, outputs } = comparison;
	const parts = [
		`original  ${describe(comparison.original)}\ndeployed  ${describe(comparison.deployed)}`,
		emphasise(comparisonAnswer(comparison), colour),
		(layers.length === 0 ? comparison.notes.slice(1) : comparison.notes).map((note) => visible(note)).join('\n'),
		layers.length === 0 ? '' : formatTable(COLUMNS, layers.map(layerRow)),
		explanations(layers.filter(({ status }) => status !== 'match' && status !== 'kept')),
		outputs && layers.length > 0 ? visible(outputSentence(outputs)) : '',
	];
	return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function describe({ path, opset, producer, nodes }: ModelSummary): string {
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

/** Layers with one cause that are explained one by one; of more of them only the first is. */
const MAX_EXPLAINED = 3;

function explanations(layers: readonly LayerComparison[]): string {
	const groups = new Map<string, LayerComparison[]>();
	for (const layer of layers) {
		const key = [layer.status, causeTitle(layer), ...layer.causes].join('\0');
		groups.set(key, [...(groups.get(key) ?? []), layer]);
	}
	const explained = [...groups.values()].flatMap((group) => {
		const shown = group.slice(0, group.length > MAX_EXPLAINED ? 1 : MAX_EXPLAINED);
		return shown.map((layer) => explain(layer, group.length - shown.length));
	});
	return explained.join('\n\n');
}

/** Why a layer is as it is, of how many more the same can be said, and what to do about it. */
function explain(layer: LayerComparison, more: number): string {
	const { name, evidence, causes, alternatives } = layer;
	const others = alternatives.map(({ causes, confidence }) => `${titles(causes)} (${percent(confidence)})`);
	return [
		`${visible(name)}: ${visible(evidence)}`,
		...causes.map((cause) => causeAdvice(cause, layer)),
		...(others.length > 0 ? [`Other explanations: ${others.join('; ')}.`] : []),
		...(more > 0
			? [`It is the same with ${more} more layers; the table has their numbers, --json their evidence.`]
			: []),
	].join('\n  ');
}

const titles = (causes: readonly CauseCode[]): string => causes.map((cause) => CAUSES[cause].title).join(' and ');

const percent = (confidence: number): string => `${Math.floor(confidence * 100)} %`;

function emphasise(text: string, colour: boolean): string {
	return colour ? `\u001b[1m${visible(text)}\u001b[0m` : visible(text);
}
