import type { LayerReport } from '../core/report/types.js';
import { formatInteger } from './format.js';
import { strings } from './strings.js';

/**
 * Over which axes a layer's statistics are taken, in words and numbers. The methods are the three conceivable ways for a
 * feature map (N, C, spatial…): 1 per location, 2 per activation, 3 per channel (arXiv 1502.03167, section 3.2).
 */
export interface AxesExplanation {
	readonly method: 2 | 3;
	/** Axis names of the input, "N", "C", "H", "W" …; spatial ones unknown: "…". */
	readonly axes: readonly string[];
	/** Names of the axes that are averaged, for example "N, H, W". */
	readonly over: string;
	/** "m' = 1 × 112 × 112 = 12,544", or symbols before the shape is known. */
	readonly count: string;
	readonly sentence: string;
	/** Statistics that each method would keep, in the order 1, 2, 3: a number, or symbols. */
	readonly statistics: readonly [string, string, string];
}

const SPATIAL: Readonly<Record<number, readonly string[]>> = {
	2: [],
	3: ['L'],
	4: ['H', 'W'],
	5: ['D', 'H', 'W'],
};

export function explainAxes(layer: LayerReport): AxesExplanation {
	const shape = layer.inputShape;
	const spatial = shape ? (SPATIAL[shape.length] ?? shape.slice(2).map((_, i) => `D${i + 1}`)) : ['H', 'W'];
	const method = layer.axes === 'activation' ? 2 : 3;
	const averaged = method === 2 ? ['N'] : ['N', ...spatial];
	const words = strings.axes;
	const sizes = shape && [shape[0] ?? 1, ...(method === 2 ? [] : shape.slice(2))];
	const count = countText(averaged, sizes);
	return {
		method,
		axes: ['N', 'C', ...spatial],
		over: averaged.join(', '),
		count,
		sentence: [
			words.over(averaged, method, count),
			method === 2 ? words.perActivation : shape?.length === 2 ? words.withoutSpace : words.perChannel,
			words.mode[layer.mode],
		].join(' '),
		statistics: statistics(spatial, shape),
	};
}

/** "m' = 1 × 112 × 112 = 12,544"; one factor needs no product. */
function countText(names: readonly string[], sizes: readonly number[] | undefined): string {
	if (!sizes) {
		return `m' = ${names.join(' × ')}`;
	}
	const product = formatInteger(sizes.reduce((a, b) => a * b, 1));
	return sizes.length === 1 ? `m' = ${product}` : `m' = ${sizes.map(formatInteger).join(' × ')} = ${product}`;
}

function statistics(spatial: readonly string[], shape: readonly number[] | undefined): [string, string, string] {
	if (!shape) {
		return [spatial.join(' × ') || '1', ['C', ...spatial].join(' × '), 'C'];
	}
	const places = shape.slice(2).reduce((a, b) => a * b, 1);
	const channels = shape[1] ?? 1;
	return [formatInteger(places), formatInteger(channels * places), formatInteger(channels)];
}
