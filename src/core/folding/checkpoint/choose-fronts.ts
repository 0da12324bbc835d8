import type { FrontCandidate } from '../../formats/checkpoint.js';
import { nameDistance } from '../../formats/layers/names.js';
import { operatorName } from '../../formats/model/build.js';
import { median } from '../../numbers/arrays.js';
import { affineOf, type LayerValues } from './layer-values.js';
import { meanResidual, type PairedWeight } from './read-weights.js';

/** An operator in front of a layer of the checkpoint. */
export interface ChosenFront {
	readonly weight: PairedWeight;
	/** True if the deployed weights equal the checkpoint's times this layer's scale. */
	readonly confirmed: boolean;
	/** Consecutive layers that went into the same weights, this one among them, from the operator on. */
	readonly chain: readonly LayerValues[];
}

/** Median relative error of the scale up to which it confirms an operator: quantization to 8 bits stays below. */
const SAME_SCALE = 0.02;
/** Minimum channels that confirm a layer by its ratios. Fewer values are multiples too easily. */
const MIN_CHANNELS = 2;
/** Mean part of a row that may be no multiple of the checkpoint's: quantization to 4 bits stays below. */
const MAX_RESIDUAL = 0.25;
/** Most layers in a row that one operator takes in. */
const MAX_CHAIN = 4;

/**
 * Chooses the operator in front of each folded layer: layer index -> front. First the operators whose deployed rows carry
 * the layer's scale, then those that carry the scales of consecutive layers; at last, for layers with a wrong fold, the
 * checkpoint's own candidates in their order.
 * @param layers without a place yet, in the order of the checkpoint
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
	const take = (chain: readonly LayerValues[], weight: PairedWeight, confirmed: boolean) => {
		if (!chain.some(({ index }) => fronts.has(index)) && !used.has(weight)) {
			for (const { index } of chain) {
				fronts.set(index, { weight, confirmed, chain });
			}
			used.add(weight);
		}
	};
	const isOpen = ({ index }: LayerValues) => !fronts.has(index);
	const chains = [...layers.map((layer): Fit['chain'] => [layer]), ...runsOf(layers)];
	for (const { chain, weight } of fitsOf(chains, weights, epsilons)) {
		take(chain, weight, chain[0].layer.channels >= MIN_CHANNELS);
	}
	for (const chain of runsOf(layers.filter(isOpen))) {
		const weight = ownWeight(chain[0], weights);
		if (weight && !chain.some((layer) => hasNamesake(layer, weight))) {
			take(chain, weight, false);
		}
	}
	for (const qualifies of [isNear, () => true]) {
		for (const layer of layers.filter(isOpen)) {
			for (const { weight: tensor } of layer.layer.front.filter((candidate) => qualifies(layer, candidate))) {
				const weight = weights.find(({ reading, ratio }) => {
					return reading.weight === tensor && ratio.length === layer.layer.channels;
				});
				if (weight) {
					take([layer], weight, false);
				}
			}
		}
	}
	return fronts;
}

/** Consecutive layers and a weight that carries the product of their scales. */
interface Fit {
	readonly chain: readonly [LayerValues, ...LayerValues[]];
	readonly weight: PairedWeight;
}

/** Returns the weights that carry the scales of each chain, the best first. */
function fitsOf(
	chains: readonly Fit['chain'][],
	weights: readonly PairedWeight[],
	epsilons: readonly number[],
): readonly Fit[] {
	const fits = chains.flatMap((chain) => {
		const [first] = chain;
		return weights
			.filter((weight) => weight.ratio.length === first.layer.channels && meanResidual(weight) <= MAX_RESIDUAL)
			.map((weight) => ({ chain, weight, error: scaleError(chain, weight, epsilons), rank: rankOf(first, weight) }))
			.filter(({ error }) => error <= SAME_SCALE);
	});
	// Small layers fit by chance, so errors of one size leave the decision to the order.
	return fits.sort(
		(a, b) =>
			sizeOf(a.error) - sizeOf(b.error) || a.chain.length - b.chain.length || a.rank - b.rank || a.error - b.error,
	);
}

/** Returns the runs of two or more layers between which the checkpoint has no weight, the longest first. */
function runsOf(layers: readonly LayerValues[]): readonly Fit['chain'][] {
	const runs: Fit['chain'][] = [];
	for (const [start, first] of layers.entries()) {
		for (let length = 2; length <= MAX_CHAIN; length++) {
			const rest = layers.slice(start + 1, start + length);
			if (rest.length === length - 1 && rest.every((layer, at) => follows(first, layer, at + 1))) {
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

/** Returns the weight directly in front of a layer in the checkpoint. */
function ownWeight({ layer }: LayerValues, weights: readonly PairedWeight[]): PairedWeight | undefined {
	const [front] = layer.front;
	return weights.find(({ reading, ratio }) => reading.weight === front?.weight && ratio.length === layer.channels);
}

/** True if the names give a layer another operator than a weight's. */
function hasNamesake({ layer }: LayerValues, { reading }: PairedWeight): boolean {
	return layer.front.some(
		({ weight }) => weight !== reading.weight && nameDistance(operatorName(weight), layer.name) === 0,
	);
}

/** True if names or order make an operator the likely neighbor of a layer, also where no scale confirms it. */
function isNear({ layer }: LayerValues, { weight, layersBetween }: FrontCandidate): boolean {
	return layersBetween === 0 || nameDistance(operatorName(weight), layer.name) === 0;
}

/** Order of magnitude of an error; all errors of float32 rounding are one. */
function sizeOf(error: number): number {
	return Math.max(-6, Math.round(Math.log10(error)));
}

/** Position among the layer's own candidates; behind them for other weights. */
function rankOf({ layer }: LayerValues, { reading }: PairedWeight): number {
	const position = layer.front.findIndex(({ weight }) => weight === reading.weight);
	return position < 0 ? layer.front.length : position;
}

/** Returns the median relative error of the rows' ratios as the product of the layers' scales, with the best epsilon. */
function scaleError(chain: readonly LayerValues[], { ratio }: PairedWeight, epsilons: readonly number[]): number {
	const isKnown = chain.every(({ layer }) => layer.epsilon !== undefined);
	return Math.min(
		...(isKnown ? [0] : epsilons).map((epsilon) => {
			const scale = scaleOf(chain, epsilon);
			const errors = Array.from(
				ratio,
				(found, row) => Math.abs(Math.abs(found) - Math.abs(scale[row])) / Math.abs(scale[row]),
			);
			const known = errors.filter((error) => !Number.isNaN(error));
			return known.length > 0 ? median(known) : Number.POSITIVE_INFINITY;
		}),
	);
}

/** Returns the product of the scales of consecutive layers. @param epsilon of the layers that do not state it */
export function scaleOf(chain: readonly LayerValues[], epsilon: number): Float64Array {
	const product = new Float64Array(chain[0]?.layer.channels ?? 0).fill(1);
	for (const layer of chain) {
		const { scale } = affineOf(layer, layer.layer.epsilon ?? epsilon);
		scale.forEach((value, channel) => {
			product[channel] *= value;
		});
	}
	return product;
}
