import type { LayerValues } from './layer-values.js';

/** Consecutive layers. */
export type LayerRun = readonly [LayerValues, ...LayerValues[]];

/** Most layers in a row that one operator takes in. */
export const MAX_CHAIN = 4;

/**
 * Returns the runs of two or more layers of one size with consecutive names in one module. A file that sorts its names
 * does not show which layers follow each other.
 */
export function namedRunsOf(layers: readonly LayerValues[]): readonly LayerRun[] {
	const parent = ({ layer }: LayerValues) => layer.name.replace(/\.?[^.]*$/, '');
	const isNext = (first: LayerValues, other: LayerValues, steps: number) =>
		other.index === first.index + steps &&
		other.layer.channels === first.layer.channels &&
		parent(other) === parent(first) &&
		!other.layer.input;
	return consecutive(layers, isNext);
}

/** Returns the runs of two or more layers between which the checkpoint has no weight, the longest first. */
export function runsOf(layers: readonly LayerValues[]): readonly LayerRun[] {
	return consecutive(layers, follows);
}

/** Returns the parts of a list in which each layer follows the first by its number of steps, the longest first. */
function consecutive(layers: readonly LayerValues[], isNext: typeof follows): readonly LayerRun[] {
	const runs: LayerRun[] = [];
	for (const [start, first] of layers.entries()) {
		for (let length = 2; length <= MAX_CHAIN; length++) {
			const rest = layers.slice(start + 1, start + length);
			if (rest.length === length - 1 && rest.every((layer, at) => isNext(first, layer, at + 1))) {
				runs.push([first, ...rest]);
			}
		}
	}
	return runs.sort((a, b) => b.length - a.length);
}

/** True if a layer comes `steps` layers after another, with the same weight nearest in front of both. */
function follows(first: LayerValues, { layer, index }: LayerValues, steps: number): boolean {
	const [own] = first.layer.front;
	const [other] = layer.front;
	const isSame = own !== undefined && own.weight === other?.weight && own.layersBetween === 0;
	return isSame && index === first.index + steps && other.layersBetween === steps && !layer.input;
}
