import type { LayerReport } from '../../core/report/types.js';
import { formatBytes, formatInteger, formatNumber } from '../../core/text/numbers.js';

/** Returns a number with its noun: "1 layer", "1,234 layers". */
export function count(n: number, one: string, many: string): string {
	return `${formatInteger(n)} ${n === 1 ? one : many}`;
}

/**
 * Words that several pages use; each page has its own words in its strings.ts. Functions put numbers into sentences.
 * Findings, causes and stages of a run have their words in core/report.
 */
export const strings = {
	model: {
		size: (bytes: number) => formatBytes(bytes),
		nodes: (nodes: number) => count(nodes, 'node', 'nodes'),
		producer: (name: string) => (name === '' ? 'producer not stated' : `written by ${name}`),
		noFile: 'Layer parameters',
	},
	run: {
		progress: (stage: string, done: number, total: number) =>
			total > 1 ? `${stage}: ${formatInteger(done)} of ${formatInteger(total)}` : `${stage}…`,
		cancel: 'Cancel',
		showLog: 'Show log',
	},
	failure: { unexpected: (message: string) => `Something in this page went wrong: ${message}` },
	layers: {
		title: 'Layers',
		filterLabel: 'Filter layers',
		shown: (shown: number, all: number) =>
			shown === all ? count(all, 'layer', 'layers') : `${formatInteger(shown)} of ${formatInteger(all)} layers`,
		none: 'No layer matches the filter.',
		shared: (pattern: string) => `Names shortened from ${pattern}`,
	},
	range: (min: string, max: string) => (min === max ? min : `${min} to ${max}`),
	detail: {
		label: (name: string) => `Layer ${name}`,
		position: (index: number, all: number) => `Layer ${formatInteger(index)} of ${formatInteger(all)}`,
		previous: 'Previous layer',
		next: 'Next layer',
		close: 'Close layer',
		more: (n: number) => `and ${formatInteger(n)} more`,
		table: 'Channel values',
		ulp: (ulp: number) => ` (${ulp < 1000 ? formatNumber(ulp, 3) : formatInteger(ulp)} ULP)`,
		noBound: 'an unknown amount',
	},
	channel: {
		name: (channel: number) => `channel ${formatInteger(channel)}`,
		activation: (index: number) => `activation ${formatInteger(index)}`,
		readoutHint: 'Choose a channel in a plot or in the table to see its numbers everywhere.',
		clear: 'Clear selection',
		shown: (shown: number, all: number) =>
			shown === all ? count(all, 'channel', 'channels') : `${formatInteger(shown)} of ${formatInteger(all)} channels`,
	},
	plots: {
		loading: 'Drawing…',
		unavailable: (message: string) => `The plot could not be drawn: ${message}. The table below holds its numbers.`,
		saveImage: 'Save image…',
		resetZoom: 'Reset zoom',
		notFinite: 'not finite',
		bound: 'bound',
		axisOf: { channel: 'channel', activation: 'activation' } satisfies Record<LayerReport['axes'], string>,
		sampled: (shown: number, all: number) =>
			`Shows ${formatInteger(shown)} of ${formatInteger(all)} channels: the extremes, the flagged ones and an even sample.`,
		extremes: (n: number) => `Lines show the smallest and the largest value of every ${formatInteger(n)} channels.`,
		hidden: (n: number) => `${count(n, 'value is', 'values are')} not finite, marked with a cross.`,
	},
} as const;
