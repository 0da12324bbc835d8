import type { LayerReport, ModelSummary, Report } from '../report/types.js';

/**
 * Describes the first difference between two reports' models, phrased to follow "…: "; undefined if they are the same.
 * Paths may differ.
 */
export function differenceBetween(a: Report, b: Report): string | undefined {
	const difference = modelDifference(a.model, b.model);
	if (difference !== undefined) {
		return difference;
	}
	if (a.layers.length !== b.layers.length) {
		return `it has ${b.layers.length} layers, not ${a.layers.length}`;
	}
	for (const [index, layer] of a.layers.entries()) {
		const difference = layerDifference(layer, b.layers[index]);
		if (difference !== undefined) {
			return difference;
		}
	}
	return undefined;
}

/** Describes the first difference between two model files, as {@link differenceBetween} does. */
export function modelDifference(a: ModelSummary, b: ModelSummary): string | undefined {
	for (const [key, words] of [
		['bytes', 'the file has another size'],
		['opset', 'it has another opset'],
		['nodes', 'it has another number of nodes'],
		['producer', 'it has another producer'],
	] as const) {
		if (a[key] !== b[key]) {
			return `${words} (${b[key]}, not ${a[key]})`;
		}
	}
	return undefined;
}

function layerDifference(a: LayerReport, b: LayerReport): string | undefined {
	if (a.name !== b.name) {
		return `it has a layer "${b.name}" where the other has "${a.name}"`;
	}
	if (a.channels !== b.channels || a.epsilon !== b.epsilon || a.mode !== b.mode || a.axes !== b.axes) {
		return `layer "${a.name}" is another kind of layer`;
	}
	const other = (['gamma', 'beta', 'mean', 'variance'] as const).find(
		(name) => !sameValues(a.parameters?.[name], b.parameters?.[name]),
	);
	return other === undefined ? undefined : `layer "${a.name}" has another ${WORDS[other]}`;
}

const WORDS = { gamma: 'gamma', beta: 'beta', mean: 'running mean', variance: 'running variance' };

/** NaN equals NaN here. Parameters known to a single run do not contradict the other run. */
function sameValues(a: Float64Array | undefined, b: Float64Array | undefined): boolean {
	return !a || !b || (a.length === b.length && a.every((value, i) => Object.is(value, b[i]) || value === b[i]));
}
