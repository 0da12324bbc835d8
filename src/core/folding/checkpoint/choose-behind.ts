import { affine } from '../../batchnorm/affine.js';
import type { Checkpoint } from '../../formats/checkpoint.js';
import { listWrongMaps } from '../compare/forward-faults.js';
import { channelCount } from '../operators/layout.js';
import { foldMapForward, inputLayout } from '../targets/forward.js';
import { possibleEpsilons } from './infer-epsilon.js';
import { type LayerValues, readTensor } from './layer-values.js';
import {
	type CheckpointWeights,
	meanResidual,
	measurePair,
	type PairedValues,
	type PairedWeight,
} from './read-weights.js';

/** A layer that the weights of the operator behind it carry. */
export interface ForwardLayer {
	readonly layer: LayerValues;
	/** Weight of the operator behind, measured against the checkpoint's with the layer's scale on its input channels. */
	readonly weight: PairedWeight;
	/** Epsilons that explain the weights within rounding; empty if the scale is a wrong one. */
	readonly possible: readonly number[];
}

/** Result of the search: the forward layers by index, and all weights, measured again where a layer was found. */
export interface ForwardLayers {
	readonly found: ReadonlyMap<number, ForwardLayer>;
	readonly paired: readonly PairedWeight[];
}

/** Mean residual of a row above which something acted on its input channels. Quantization to 8 bits stays below. */
const UNFIT = 0.05;
/** Factor by which the scale of a layer on the input channels must lower the mean residual. */
const MIN_GAIN = 4;
/** Weights looked at per layer, and deployed operators per weight. */
const [MAX_WEIGHTS, MAX_PARTNERS] = [6, 12];
/** Difference of biases, relative to the shift that they carry, up to which the shift is the layer's. */
const SAME_BIAS = 0.02;
/** Residuals up to this multiple of the smallest count as equal. */
const SAME_RESIDUAL = 3;
/** Relative rounding of a float32 weight that two multiplications leave. */
const ROUNDING = 2 ** -22;
/** Weights measured in all, in elements. Two networks of other weights would cost minutes. */
const MAX_ELEMENTS = 1 << 27;

/**
 * Finds the layers that went into the operator behind them: the deployed weight is the checkpoint's with each input
 * channel multiplied by the layer's scale. The scales that the causes of the catalogue give count as well.
 * @param layers without a place yet
 * @param epsilons possible values of an epsilon that the checkpoint does not state
 */
export async function chooseBehind(
	layers: readonly LayerValues[],
	weights: Pick<CheckpointWeights, 'paired' | 'read'>,
	{ checkpoint, epsilons }: { readonly checkpoint: Checkpoint; readonly epsilons: readonly number[] },
): Promise<ForwardLayers> {
	const search = new ForwardSearch(weights, checkpoint, epsilons);
	for (const layer of layers) {
		await search.place(layer);
	}
	return search;
}

/** A layer in front of a weight, with a deployed operator as the weight's partner. */
interface Hypothesis {
	readonly layer: LayerValues;
	readonly weight: PairedWeight;
	/** Weight whose deployed operator is tried. */
	readonly partner: PairedWeight;
	readonly values: PairedValues;
}

interface Trial extends Hypothesis, Pick<ForwardLayer, 'possible'> {
	readonly measured: Measured;
}

type Measured = Pick<PairedWeight, 'ratio' | 'residual'> & { readonly mean: number };

class ForwardSearch implements ForwardLayers {
	readonly found = new Map<number, ForwardLayer>();
	paired: readonly PairedWeight[];
	readonly #read: CheckpointWeights['read'];
	readonly #positions: ReadonlyMap<unknown, number>;
	readonly #epsilons: readonly number[];
	#elements = 0;

	constructor(
		{ paired, read }: Pick<CheckpointWeights, 'paired' | 'read'>,
		{ tensors }: Checkpoint,
		epsilons: readonly number[],
	) {
		this.paired = paired;
		this.#read = read;
		this.#positions = new Map(tensors.map((tensor, position) => [tensor, position]));
		this.#epsilons = epsilons;
	}

	async place(layer: LayerValues): Promise<void> {
		const trial = await this.#search(layer);
		if (!trial) {
			return;
		}
		const { weight, partner, measured, possible } = trial;
		const { ratio, residual } = measured;
		const carrying = { ...weight, ratio, residual, pair: partner.pair, behind: layer };
		this.paired = this.paired.map((other) => {
			if (other === weight) {
				return carrying;
			}
			return other === partner ? { ...other, pair: weight.pair } : other;
		});
		this.found.set(layer.index, { layer, weight: carrying, possible });
	}

	async #search(layer: LayerValues): Promise<Trial | undefined> {
		const unfit = this.paired.filter((weight) => !weight.behind && meanResidual(weight) > UNFIT);
		const { channels } = layer.layer;
		const candidates = unfit.filter((weight) => inputChannels(weight) === channels);
		for (const weight of this.#byDistance(candidates, layer).slice(0, MAX_WEIGHTS)) {
			for (const partner of partnersOf(weight, unfit)) {
				const values = await this.#read(weight.trial, partner.pair.deployed);
				const trial = values && this.#fit({ layer, weight, partner, values });
				if (trial) {
					return trial;
				}
			}
		}
		return (await this.#searchDepthwise(layer)) ?? this.#searchByBias(layer);
	}

	/**
	 * Finds a depthwise weight behind the layer. Its input channels are its rows, so only the bias shows that the layer
	 * stood in front.
	 */
	async #searchDepthwise(layer: LayerValues): Promise<Trial | undefined> {
		const start = this.#positions.get(layer.layer.mean) ?? 0;
		const { channels } = layer.layer;
		const behind = this.paired.filter(
			(weight) =>
				!weight.behind && isDepthwise(weight, channels) && (this.#positions.get(weight.reading.weight) ?? 0) > start,
		);
		const possibleIn = new Map(behind.map((weight) => [weight, possibleEpsilons(layer, weight)]));
		const carrying = behind.filter((weight) => possibleIn.get(weight)?.length);
		for (const weight of this.#byDistance(carrying, layer).slice(0, MAX_WEIGHTS)) {
			const values = await this.#read(weight.trial, weight.pair.deployed);
			const bias = weight.reading.bias ? await readTensor(weight.reading.bias) : null;
			const possible = possibleIn.get(weight) ?? [];
			const hypothesis = values && { layer, weight, partner: weight, values };
			if (hypothesis && this.#hasShift(hypothesis, bias)) {
				const { gamma, beta, mean, variance } = layer.parameters;
				const { scale } = affine(gamma, beta, mean, variance, layer.layer.epsilon ?? possible[0] ?? 0);
				return { ...hypothesis, measured: this.#measure(hypothesis, scale), possible };
			}
		}
		return undefined;
	}

	/** Finds a weight without the layer's scale whose bias carries the layer's shift: a fold of the bias alone. */
	async #searchByBias(layer: LayerValues): Promise<Trial | undefined> {
		const { channels } = layer.layer;
		const same = this.paired.filter(
			(weight) => !weight.behind && isUnscaled(weight) && inputChannels(weight) === channels,
		);
		for (const weight of this.#byDistance(same, layer).slice(0, MAX_WEIGHTS)) {
			const values = await this.#read(weight.trial, weight.pair.deployed);
			const bias = weight.reading.bias ? await readTensor(weight.reading.bias) : null;
			if (values && this.#hasShift({ layer, weight, partner: weight, values }, bias)) {
				const measured = { ...weight, mean: meanResidual(weight) };
				return { layer, weight, partner: weight, values, measured, possible: [] };
			}
		}
		return undefined;
	}

	#hasShift({ layer, weight, values }: Hypothesis, bias: Float64Array | null): boolean {
		const original = { ...values.original, bias };
		const { gamma, beta, mean, variance } = layer.parameters;
		const known = layer.layer.epsilon;
		return (known === undefined ? this.#epsilons : [known]).some((epsilon) => {
			const { shift } = affine(gamma, beta, mean, variance, epsilon);
			const fold = foldMapForward({ operator: weight.trial, rows: undefined }, original, { scale: shift, shift });
			const expected = fold?.weights.bias ?? null;
			const added = distance(expected, bias);
			return added > 0 && distance(expected, values.deployedBias) <= SAME_BIAS * added;
		});
	}

	/** Sorts weights by their distance from a layer in the file; those behind the layer come first. */
	#byDistance(weights: readonly PairedWeight[], { layer }: LayerValues): readonly PairedWeight[] {
		const start = this.#positions.get(layer.mean) ?? 0;
		const distance = ({ reading }: PairedWeight) => {
			const steps = (this.#positions.get(reading.weight) ?? 0) - start;
			return steps > 0 ? steps : this.#positions.size - steps;
		};
		return weights.toSorted((a, b) => distance(a) - distance(b));
	}

	/** Measures a hypothesis with each scale that the layer may have had; undefined if none explains the weight. */
	#fit(hypothesis: Hypothesis): Trial | undefined {
		const { layer } = hypothesis;
		const { gamma, beta, mean, variance } = layer.parameters;
		const known = layer.layer.epsilon;
		const own = known === undefined ? this.#epsilons : [known];
		const limit = Math.min(UNFIT, meanResidual(hypothesis.weight) / MIN_GAIN);
		const measured = own.map((epsilon) => {
			return { epsilon, ...this.#measure(hypothesis, affine(gamma, beta, mean, variance, epsilon).scale) };
		});
		const [best] = measured.toSorted((a, b) => a.mean - b.mean);
		if (best && best.mean <= limit / MIN_GAIN) {
			const equal = measured.filter(({ mean }) => mean <= SAME_RESIDUAL * best.mean + ROUNDING);
			return { ...hypothesis, measured: best, possible: equal.map(({ epsilon }) => epsilon) };
		}
		const wrong = listWrongMaps({ gamma, beta, mean, variance, epsilon: own[0] ?? 0 }).map(({ map }) =>
			this.#measure(hypothesis, map.scale),
		);
		const [nearest] = [...measured, ...wrong].toSorted((a, b) => a.mean - b.mean);
		return nearest && nearest.mean <= limit ? { ...hypothesis, measured: nearest, possible: [] } : undefined;
	}

	#measure({ weight, values }: Hypothesis, scale: Float64Array): Measured {
		const { weight: elements } = values.original;
		this.#elements += elements.length;
		const isAllowed = this.#elements <= MAX_ELEMENTS;
		const map = { scale, shift: new Float64Array(scale.length) };
		const fold = isAllowed
			? foldMapForward({ operator: weight.trial, rows: undefined }, values.original, map)
			: undefined;
		const measured = fold && measurePair({ ...values, original: fold.weights });
		return { ...(measured ?? weight), mean: measured ? meanResidual(measured) : 1 };
	}
}

/** Sum of the differences of two biases; null stands for zeros. */
function distance(a: Float64Array | null, b: Float64Array | null): number {
	const length = a?.length ?? b?.length ?? 0;
	let sum = 0;
	for (let row = 0; row < length; row++) {
		sum += Math.abs((a?.[row] ?? 0) - (b?.[row] ?? 0));
	}
	return sum;
}

/** True for a weight with a single input channel for each of the layer's channels. */
export function isDepthwise({ trial, ratio }: PairedWeight, channels: number): boolean {
	return trial.kind === 'Conv' && trial.group === channels && ratio.length === channels && channels > 1;
}

/** True if the deployed rows are the checkpoint's. */
function isUnscaled(weight: PairedWeight): boolean {
	return meanResidual(weight) <= UNFIT && weight.ratio.every((ratio) => Math.abs(ratio - 1) <= UNFIT);
}

function inputChannels({ trial, reading }: PairedWeight): number | undefined {
	const layout = inputLayout(trial, reading.weight.dims);
	return layout && channelCount(layout);
}

/** Returns the weights whose deployed operators may be a weight's own: itself first, then weights of its shape. */
function partnersOf(weight: PairedWeight, unfit: readonly PairedWeight[]): readonly PairedWeight[] {
	const dims = String(weight.reading.weight.dims);
	const others = unfit.filter((other) => other !== weight && String(other.reading.weight.dims) === dims);
	return [weight, ...others].slice(0, MAX_PARTNERS);
}
