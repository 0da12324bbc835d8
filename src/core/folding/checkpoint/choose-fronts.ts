import type { FrontCandidate, TensorOrder } from '../../formats/checkpoint.js';
import { nameDistance } from '../../formats/layers/names.js';
import { operatorName } from '../../formats/model/build.js';
import { median } from '../../numbers/arrays.js';
import { FLOAT_FORMATS } from '../../numbers/float-formats.js';
import { type LayerRun, MAX_CHAIN, namedRunsOf, runsOf } from './layer-runs.js';
import { affineOf, type LayerValues } from './layer-values.js';
import { meanResidual, type PairedWeight } from './read-weights.js';

/** An operator in front of a layer of the checkpoint. */
export interface ChosenFront {
	readonly weight: PairedWeight;
	/** True if the deployed weights equal the checkpoint's times this layer's scale. */
	readonly confirmed: boolean;
	/** Consecutive layers that belong to the same weights, this one among them, from the operator on. */
	readonly chain: readonly LayerValues[];
	/** Layers of the chain with scales whose product the weights carry; empty if none is confirmed. */
	readonly fitted: readonly LayerValues[];
}

/** Median relative error of the scale up to which it confirms an operator: quantization to 8 bits stays below. */
const SAME_SCALE = 0.02;
/** Error of a scale that rounding of float32 explains, so that rows without any scale carry it as well. */
const ROUNDED_SCALE = 1e-5;
/** Minimum channels that confirm a layer by its ratios. Fewer values are multiples too easily. */
const MIN_CHANNELS = 2;
/** Mean part of a row that may be no multiple of the checkpoint's: quantization to 4 bits stays below. */
const MAX_RESIDUAL = 0.25;
/** Layers and weights among which operators are chosen. */
export interface FrontSearch {
	/** Layers without a place yet, in the order of the checkpoint. */
	readonly layers: readonly LayerValues[];
	/** Weights that no kept layer has taken. */
	readonly weights: readonly PairedWeight[];
	/** Possible values of an epsilon that the checkpoint does not state. */
	readonly epsilons: readonly number[];
	/** Order of the layers. */
	readonly order: TensorOrder;
	/** True for a layer that a whole deployed model must have. */
	readonly isExpected: (layer: LayerValues) => boolean;
}

/**
 * Chooses the operator in front of each folded layer: layer index -> front. First the operators whose deployed rows carry
 * the layer's scale, then those that carry the scales of consecutive layers; at last, for layers with a wrong fold, the
 * checkpoint's own candidates in their order, and operators that another scale multiplied.
 */
export function chooseFronts({
	layers,
	weights,
	epsilons,
	order,
	isExpected,
}: FrontSearch): ReadonlyMap<number, ChosenFront> {
	const fronts = new FrontMap();
	const isOpen = ({ index }: LayerValues) => !fronts.has(index);
	const singles = fitsOf(
		layers.map((layer): LayerRun => [layer]),
		weights,
		epsilons,
	);
	const runs = order === 'names' ? namedRunsOf(layers) : runsOf(layers);
	const fits = [
		...singles,
		...fitsOf(runs, weights, epsilons).filter(
			({ error, weight }) => order !== 'names' || error <= roundedError(weight),
		),
	];
	for (const { chain, weight } of fits.sort(byError)) {
		fronts.take(chain, weight, chain[0].layer.channels >= MIN_CHANNELS);
	}
	fronts.takeCopies(layers.filter(isOpen), weights);
	// A layer may connect a chain with a later layer, which then gets another try.
	for (let open = layers.filter(isOpen), before = 0; open.length !== before; ) {
		before = open.length;
		for (const layer of open) {
			fronts.extend(layer, ownWeight(layer, weights), { epsilons, isExpected });
		}
		open = open.filter(isOpen);
	}
	for (const chain of runsOf(layers.filter(isOpen))) {
		const weight = ownWeight(chain[0], weights);
		if (weight && !chain.some((layer) => hasNamesake(layer, weight))) {
			fronts.take(chain, weight, false);
		}
	}
	for (const qualifies of [isNear, () => true]) {
		for (const layer of layers.filter(isOpen)) {
			for (const { weight: tensor } of layer.layer.front.filter((candidate) => qualifies(layer, candidate))) {
				const weight = weights.find(({ reading, ratio }) => {
					return reading.weight === tensor && ratio.length === layer.layer.channels;
				});
				if (weight) {
					fronts.take([layer], weight, false);
				}
			}
		}
	}
	for (const layer of layers.filter(isOpen)) {
		const free = weights.filter((weight) => fronts.isFree(weight) && hasRowsFor(weight, layer));
		const scaled = free.filter(isScaled);
		const named = (isExpected(layer) ? free : scaled).find((weight) => hasSamePlace(weight, layer));
		const weight = named ?? scaled[0];
		if (weight) {
			fronts.take([layer], weight, false);
		}
	}
	return fronts;
}

/**
 * Finds layers that stand behind the operator of each other: index of the layer -> name of the other. Each has an operator
 * directly in front in the file, and the deployed weights carry them the other way round.
 */
export function findExchangedFronts(
	layers: readonly LayerValues[],
	fronts: ReadonlyMap<number, ChosenFront>,
): ReadonlyMap<number, string> {
	const placed = layers.flatMap((layer) => {
		const front = fronts.get(layer.index);
		const [own] = layer.layer.front;
		const isSingle = front?.confirmed === true && front.chain.length === 1 && own?.layersBetween === 0;
		return isSingle ? [{ layer, own: own.weight, found: front.weight.copyOf ?? front.weight.reading.weight }] : [];
	});
	const byOwn = new Map(placed.map((each) => [each.own, each]));
	return new Map(
		placed.flatMap(({ layer, own, found }) => {
			const other = found === own ? undefined : byOwn.get(found);
			return other?.found === own ? [[layer.index, other.layer.layer.name] as const] : [];
		}),
	);
}

/** Fronts by the index of the layer; a weight belongs to a single chain of layers. */
class FrontMap extends Map<number, ChosenFront> {
	readonly #used = new Set<PairedWeight>();

	isFree(weight: PairedWeight): boolean {
		return !this.#used.has(weight);
	}

	/** Gives layers without a front a free weight. */
	take(chain: readonly LayerValues[], weight: PairedWeight, confirmed: boolean): void {
		if (!chain.some(({ index }) => this.has(index)) && this.isFree(weight)) {
			for (const { index } of chain) {
				this.set(index, { weight, confirmed, chain, fitted: confirmed ? chain : [] });
			}
			this.#used.add(weight);
		}
	}

	/** Gives each layer whose own weight is taken a free copy of that weight. */
	takeCopies(layers: readonly LayerValues[], weights: readonly PairedWeight[]): void {
		for (const layer of layers) {
			const own = ownWeight(layer, weights);
			const isFreeCopy = (weight: PairedWeight) => own !== undefined && isCopyOf(weight, own) && this.isFree(weight);
			const copy = own && !this.isFree(own) ? weights.find(isFreeCopy) : undefined;
			if (copy) {
				this.take([layer], copy, false);
			}
		}
	}

	/**
	 * Adds a layer to the chain of the weight that stands in front of both, if the weight carries its scale as well or
	 * the layer was lost. The scale of an untrained layer is another epsilon of the layer before.
	 */
	extend(
		layer: LayerValues,
		weight: PairedWeight | undefined,
		{ epsilons, isExpected }: Pick<FrontSearch, 'epsilons' | 'isExpected'>,
	): void {
		const taken = [...this.values()].find((front) => front.weight === weight);
		if (!weight || !taken?.confirmed || taken.chain.length >= MAX_CHAIN) {
			return;
		}
		const chain = [...taken.chain, layer].sort((a, b) => a.index - b.index);
		const [first, ...rest] = chain;
		const isRun = rest.every(
			(other, at) => other.layer.front[0]?.weight === weight.reading.weight && other.index === first.index + at + 1,
		);
		if (!isRun || hasNamesake(layer, weight)) {
			return;
		}
		const known = scaleError(taken.fitted, weight, epsilons);
		const isFit = scaleError(chain, weight, epsilons) <= Math.max(known, roundedError(weight));
		if (!isFit && !isExpected(layer)) {
			return;
		}
		const fitted = isFit ? chain : taken.fitted;
		for (const each of chain) {
			this.set(each.index, { weight, confirmed: this.get(each.index)?.confirmed ?? false, chain, fitted });
		}
	}
}

/** Difference of a ratio from 1 up to which a row is the checkpoint's own: rounding to float16. */
const UNSCALED = 2 ** -10;

/** True if a weight has a row for each channel of a layer, and the deployed rows are multiples of the checkpoint's. */
function hasRowsFor(weight: PairedWeight, { layer }: LayerValues): boolean {
	return weight.ratio.length === layer.channels && meanResidual(weight) <= MAX_RESIDUAL;
}

/** True if a scale other than 1 multiplied the rows of a weight. */
function isScaled({ ratio }: PairedWeight): boolean {
	return ratio.some((value) => Math.abs(value - 1) > UNSCALED);
}

/** True if the names of a weight and a layer have the same numbers: "convs.3.weight" and "bns.3". */
function hasSamePlace({ reading }: PairedWeight, { layer }: LayerValues): boolean {
	const numbers = (name: string) => name.match(/\d+/g)?.join() ?? '';
	return numbers(operatorName(reading.weight)) === numbers(layer.name);
}

/** Consecutive layers and a weight that carries the product of their scales. */
interface Fit {
	readonly chain: LayerRun;
	readonly weight: PairedWeight;
	/** Median relative error of the scale. */
	readonly error: number;
	/** Position among the first layer's own candidates. */
	readonly rank: number;
}

/** Returns the weights that carry the scales of each chain. */
function fitsOf(
	chains: readonly LayerRun[],
	weights: readonly PairedWeight[],
	epsilons: readonly number[],
): readonly Fit[] {
	return chains.flatMap((chain) => {
		const [first] = chain;
		return weights
			.filter((weight) => weight.ratio.length === first.layer.channels && meanResidual(weight) <= MAX_RESIDUAL)
			.map((weight) => ({ chain, weight, error: scaleError(chain, weight, epsilons), rank: rankOf(first, weight) }))
			.filter(
				({ error, weight }) => error <= Math.min(SAME_SCALE, Math.max(errorOfNone(weight) / 2, roundedError(weight))),
			);
	});
}

/** Sorts the best fits first. Small layers fit by chance, so errors of one size leave the decision to the order. */
function byError(a: Fit, b: Fit): number {
	const size = ({ error, weight }: Fit) => sizeOf(Math.max(error, unitRoundoff(weight)));
	return size(a) - size(b) || a.chain.length - b.chain.length || a.rank - b.rank || a.error - b.error;
}

/** Returns the unit roundoff of the wider rounding: of the deployed weight or of the checkpoint's. */
function unitRoundoff({ stored, source }: PairedWeight): number {
	return Math.max(FLOAT_FORMATS[stored].unitRoundoff, FLOAT_FORMATS[source].unitRoundoff);
}

/** Returns the error of a scale that rounding the weights explains. */
function roundedError(weight: PairedWeight): number {
	return Math.max(ROUNDED_SCALE, unitRoundoff(weight));
}

/** Returns the median relative error of the rows' ratios as those of an operator without a layer. */
function errorOfNone({ ratio }: PairedWeight): number {
	return medianError(ratio, new Float64Array(ratio.length).fill(1));
}

/** Returns the weight directly in front of a layer in the checkpoint. */
function ownWeight({ layer }: LayerValues, weights: readonly PairedWeight[]): PairedWeight | undefined {
	const [front] = layer.front;
	return weights.find(({ reading, ratio }) => reading.weight === front?.weight && ratio.length === layer.channels);
}

/** True for another deployed operator with the rows of the same weight. */
const isCopyOf = ({ copyOf }: PairedWeight, { reading }: PairedWeight): boolean => copyOf === reading.weight;

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

/** Order of magnitude of an error; errors of float32 rounding have the same. */
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
	return Math.min(...(isKnown ? [0] : epsilons).map((epsilon) => medianError(ratio, scaleOf(chain, epsilon))));
}

/** Returns the median relative error of the rows' ratios as the given scales. */
function medianError(ratio: Float64Array, scale: Float64Array): number {
	const errors = Array.from(
		ratio,
		(found, row) => Math.abs(Math.abs(found) - Math.abs(scale[row])) / Math.abs(scale[row]),
	);
	const known = errors.filter((error) => !Number.isNaN(error));
	return known.length > 0 ? median(known) : Number.POSITIVE_INFINITY;
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
