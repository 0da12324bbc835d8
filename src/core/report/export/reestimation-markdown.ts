import { shortNumber } from '../../text/numbers.js';
import { count } from '../../text/sentences.js';
import { dataOfStatistics, type ReestimatedLayer, type ReestimationResult } from '../reestimation.js';
import { code, joinBlocks, type MarkdownColumn, markdownTable, prose } from './text/markdown-text.js';

/** Maximum number of channels listed for each layer, the largest changes of the mean first. */
const MAX_CHANNELS = 8;

const LAYERS: readonly MarkdownColumn[] = [
	{ title: 'Layer', align: 'left' },
	{ title: 'Channels', align: 'right' },
	{ title: 'Largest shift of a mean', align: 'right' },
	{ title: 'New variance / old', align: 'right' },
];

const CHANNELS: readonly MarkdownColumn[] = [
	{ title: 'Channel', align: 'right' },
	{ title: 'Mean before', align: 'right' },
	{ title: 'Mean after', align: 'right' },
	{ title: 'Variance before', align: 'right' },
	{ title: 'Variance after', align: 'right' },
];

/** Renders running statistics before and after as GitHub-flavored Markdown: per layer, and the channels that moved most. */
export function reestimationMarkdown(result: ReestimationResult): string {
	const { written, layers, kept, notes, check } = result;
	const rows = layers.map(({ name, channels, largestShift, varianceRatio: { min, max } }) => [
		code(name),
		String(channels),
		`${shortNumber(largestShift)} standard deviations`,
		`${shortNumber(min)} to ${shortNumber(max)}`,
	]);
	return `${joinBlocks(
		'# Re-estimated statistics',
		written ? `${code(written.path)}: ${count(layers.length, 'layer')}` : '',
		prose(dataOfStatistics(result)),
		prose(check.status === 'match' ? check.evidence : check.reason),
		...notes.map(prose),
		...kept.map(({ name, reason }) => `Not re-estimated: ${code(name)}: ${prose(reason)}.`),
		markdownTable(LAYERS, rows),
		...layers.map(channelTable),
	)}\n`;
}

function channelTable({ name, before, after }: ReestimatedLayer): string {
	const moved = Array.from(after.mean, (mean, c) => ({
		c,
		// A variance of 0 makes every move of the mean the largest.
		shift: mean === before.mean[c] ? 0 : Math.abs(mean - before.mean[c]) / Math.sqrt(before.variance[c]),
	})).sort((a, b) => b.shift - a.shift);
	const rows = moved
		.slice(0, MAX_CHANNELS)
		.map(({ c }) => [
			String(c),
			...[before.mean, after.mean, before.variance, after.variance].map((v) => shortNumber(v[c])),
		]);
	const more =
		moved.length > MAX_CHANNELS ? `The ${MAX_CHANNELS} of ${moved.length} channels whose mean moved most.` : '';
	return joinBlocks(`## ${code(name)}`, more, markdownTable(CHANNELS, rows));
}
