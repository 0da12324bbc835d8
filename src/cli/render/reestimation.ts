import { dataOfStatistics, type ReestimationResult } from '../../core/report/reestimation.js';
import type { StatisticsReport } from '../../core/report/statistics.js';
import { shorten, shortLayerName, visible } from '../../core/text/names.js';
import { formatRange, shortNumber } from '../../core/text/numbers.js';
import { count } from '../../core/text/sentences.js';
import { grouped } from './grouped.js';
import { type Column, formatTable } from './text.js';

/** Longest name of a layer in a table, so that a row fits in 80 columns. */
const MAX_NAME = 30;

const CHANGES: readonly Column[] = [
	{ title: 'Layer', align: 'left' },
	{ title: 'Channels', align: 'right' },
	{ title: 'Largest shift', align: 'right' },
	{ title: 'Variance ratio', align: 'right' },
];

/** Renders the change of every layer, the layers that were kept, and the verification of the file. */
export function renderReestimation(result: ReestimationResult): string {
	const { written, layers, kept, switched, notes, check } = result;
	const rows = layers.map(({ name, channels, largestShift, varianceRatio: { min, max } }) => [
		shorten(visible(shortLayerName(name)), MAX_NAME),
		String(channels),
		`${shortNumber(largestShift)} sd`,
		`${shortNumber(min)} to ${shortNumber(max)}`,
	]);
	const words = check.status === 'match' ? check.evidence : check.reason;
	const lines = [
		`Re-estimated ${count(layers.length, 'layer')} in ${visible(written?.path ?? '')} (${written?.bytes} bytes).`,
		dataOfStatistics(result),
		'',
		formatTable(CHANGES, rows),
		'',
		'Largest shift: of a mean, in old standard deviations. Variance ratio: new to old.',
		...(switched > 0
			? [`${count(switched, 'operator')} in training mode ${switched === 1 ? 'was' : 'were'} switched to inference.`]
			: []),
		...grouped(kept, ({ reason }) => reason).map((line) => `not re-estimated: ${line}`),
		...notes.map(visible),
		visible(check.status === 'skipped' ? `Not verified by a run: ${words}` : words),
	];
	return `${lines.join('\n')}\n`;
}

const STATISTICS: readonly Column[] = [
	{ title: 'Layer', align: 'left' },
	{ title: 'Channels', align: 'right' },
	{ title: 'Values', align: 'right' },
	{ title: 'Mean', align: 'right' },
	{ title: 'Variance', align: 'right' },
];

/** Renders the range of every layer's statistics. */
export function renderStatistics({ model, batches, layers }: StatisticsReport): string {
	const rows = layers.map(({ name, channels, count: values, mean, variance }) => [
		shorten(visible(shortLayerName(name)), MAX_NAME),
		String(channels),
		String(values),
		formatRange(mean),
		formatRange(variance),
	]);
	return `Statistics of ${visible(model.path)}: ${batches === 1 ? '1 batch' : `${batches} batches`}.\n\n${formatTable(STATISTICS, rows)}\n`;
}
