import { median } from '../../numbers/arrays.js';
import { affineOf, type LayerValues } from './layer-values.js';
import type { PairedWeight } from './read-weights.js';

/** An operator in front of a layer of the checkpoint. */
export interface ChosenFront {
	readonly weight: PairedWeight;
	/** True if the deployed weights equal the checkpoint's times this layer's scale. */
	readonly confirmed: boolean;
}

/** Median relative error of the scale up to which it confirms an operator: quantization to 8 bits stays below. */
const SAME_SCALE = 0.02;
/** Minimum channels that confirm a layer by its ratios. Fewer values are multiples too easily. */
const MIN_CHANNELS = 2;

/**
 * Chooses the operator in front of each folded layer: layer index -> front. Operators with deployed rows that carry the
 * layer's scale come first. Layers with a wrong fold then get the checkpoint's own candidates, in their order.
 * @param weights that no kept layer has taken
 * @param epsilons possible values of an epsilon that the checkpoint does not state
 */
export function chooseFronts(
	layers: readonly LayerValues[],
	weights: readonly PairedWeight[],
	epsilons: readonly number[],
): ReadonlyMap<number, ChosenFront> {
	const fronts = new Map<number, ChosenFront>();
	const used = new Set<PairedWeight>();
	const take = (index: number, weight: PairedWeight, confirmed: boolean) => {
		if (!fronts.has(index) && !used.has(weight)) {
			fronts.set(index, { weight, confirmed });
			used.add(weight);
		}
	};
	const fits = layers.flatMap((layer) => {
		const known = layer.layer.epsilon;
		const possible = known === undefined ? epsilons : [known];
		return weights
			.filter(({ ratio }) => ratio.length === layer.layer.channels)
			.map((weight) => ({ layer, weight, error: scaleError(layer, weight, possible), rank: rankOf(layer, weight) }))
			.filter(({ error }) => error <= SAME_SCALE);
	});
	// Small layers fit by chance, so the order decides among errors of equal magnitude.
	fits.sort((a, b) => sizeOf(a.error) - sizeOf(b.error) || a.rank - b.rank || a.error - b.error);
	for (const { layer, weight } of fits) {
		take(layer.index, weight, layer.layer.channels >= MIN_CHANNELS);
	}
	for (const layer of layers) {
		for (const { weight: tensor } of layer.layer.front) {
			const weight = weights.find(({ reading, ratio }) => {
				return reading.weight === tensor && ratio.length === layer.layer.channels;
			});
			if (weight) {
				take(layer.index, weight, false);
			}
		}
	}
	return fronts;
}

/** Order of magnitude of an error; equal for all errors of float32 rounding. */
function sizeOf(error: number): number {
	return Math.max(-5, Math.round(Math.log10(error)));
}

/** Position among the layer's own candidates; behind them for other weights. */
function rankOf({ layer }: LayerValues, { reading }: PairedWeight): number {
	const position = layer.front.findIndex(({ weight }) => weight === reading.weight);
	return position < 0 ? layer.front.length : position;
}

/** Returns the median relative error of the rows' ratios as the layer's scale, with the best epsilon. */
function scaleError(layer: LayerValues, { ratio }: PairedWeight, epsilons: readonly number[]): number {
	return Math.min(
		...epsilons.map((epsilon) => {
			const { scale } = affineOf(layer, epsilon);
			const errors = Array.from(
				ratio,
				(found, row) => Math.abs(Math.abs(found) - Math.abs(scale[row])) / Math.abs(scale[row]),
			);
			const known = errors.filter((error) => !Number.isNaN(error));
			return known.length > 0 ? median(known) : Number.POSITIVE_INFINITY;
		}),
	);
}
