import { CAUSES } from '../core/report/causes.js';
import type { Comparison, LayerComparison } from '../core/report/comparison.js';
import { causeTitle, comparisonAnswer, outputSentence } from '../core/report/comparison-summary.js';
import type { ModelSummary } from '../core/report/types.js';
import { type Column, formatNumber, formatTable, sanitize, shorten } from './text.js';

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
		(layers.length === 0 ? comparison.notes.slice(1) : comparison.notes).map((note) => sanitize(note)).join('\n'),
		layers.length === 0 ? '' : formatTable(COLUMNS, layers.map(layerRow)),
		layers
			.filter(({ status }) => status !== 'match' && status !== 'kept')
			.map(explain)
			.join('\n\n'),
		outputs && layers.length > 0 ? sanitize(outputSentence(outputs)) : '',
	];
	return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function describe({ path, opset, producer, nodes }: ModelSummary): string {
	return `${sanitize(path)}  (opset ${opset}, ${sanitize(producer) || 'unknown producer'}, ${nodes} nodes)`;
}

function layerRow(layer: LayerComparison, index: number): string[] {
	const { name, into, status, maxAbs, bound } = layer;
	return [
		String(index),
		shorten(sanitize(withoutOperator(name)), MAX_NAME),
		into === null ? '' : shorten(sanitize(`${into.op} ${into.name}`), MAX_NAME),
		status === 'mismatch' ? 'MISMATCH' : status,
		causeTitle(layer),
		layer.cause === null || layer.cause === 'unknown' || layer.cause === 'not-identifiable'
			? ''
			: `${Math.floor(layer.confidence * 100)} %`,
		maxAbs === null ? '' : formatNumber(maxAbs),
		bound === null ? '' : formatNumber(bound),
	];
}

/** PyTorch's exporter ends every such name in the operator's: in a table of them it only hides what differs. */
function withoutOperator(name: string): string {
	return name.replace(/(?<=.)\/BatchNormalization$/, '');
}

/** Why, and what to do about it. */
function explain({ name, evidence, causes }: LayerComparison): string {
	const advice = causes.map((cause) => `\n  ${CAUSES[cause].advice}`);
	return `${sanitize(name)}: ${sanitize(evidence)}${advice.join('')}`;
}

function emphasise(text: string, colour: boolean): string {
	return colour ? `\u001b[1m${sanitize(text)}\u001b[0m` : sanitize(text);
}
