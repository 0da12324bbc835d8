/** Networks of which one layer is folded wrongly, quantized afterwards, in every form that quantizers write. */
import { compareModels } from '../../src/core/folding/compare/compare.js';
import type { Comparison, LayerComparison } from '../../src/core/report/comparison/comparison.js';
import { seededRandom } from '../../src/engine/child/tensors/random.js';
import { buildModel, type ModelSpec } from '../unit/support/model-builder.js';
import { openBytes } from '../unit/support/open.js';
import { type Grid, type QuantizedForm, quantized } from '../unit/support/quantized-forms.js';
import { type FaultSet, foldWith, isIdentifiable, SINGLES } from './cases.js';
import { type OperatorKind, outputChannel, type RandomLayer, randomLayer } from './layers.js';
import { describePair } from './pair.js';

export interface QuantizedCase {
	readonly form: QuantizedForm;
	readonly grid: Grid;
	readonly kind: OperatorKind;
	readonly seed: number;
	/** Faults of the middle layer; none for a right fold. */
	readonly set?: FaultSet;
	/** Factor on the weights of channel 1 of the middle layer, before it is folded. */
	readonly shrunk?: number;
	/** Standard deviation of the logarithm of an additional factor on every gamma: channels of very different size. */
	readonly spread?: number;
}

export interface QuantizedOutcome {
	readonly layers: readonly LayerComparison[];
	readonly comparison: Comparison;
	/** False if 8 bits hide the fault, or leave another cause as likely. */
	readonly isVisible: boolean;
	/** Largest folded weight of each channel of the middle layer, before it is quantized. */
	readonly largest: readonly number[];
}

const LAYERS = 3;
const FAULTY = 1;

/** Runs a network of three layers of one kind, the middle one with the faults. */
export async function runQuantized({
	form,
	grid,
	kind,
	seed,
	set,
	shrunk,
	spread,
}: QuantizedCase): Promise<QuantizedOutcome> {
	const random = seededRandom(seed);
	const wishes = Object.assign({}, ...(set?.faults ?? []).map((fault) => fault.wishes ?? {}));
	const layers = Array.from({ length: LAYERS }, () => randomLayer(random, 8, { ...wishes, kind, square: true }));
	if (shrunk !== undefined) {
		const [, layer] = layers;
		const length = layer.weight.length / layer.channels;
		layer.weight.set(
			layer.weight.subarray(length, 2 * length).map((value) => value * shrunk),
			length,
		);
	}
	if (spread !== undefined) {
		for (const { gamma } of layers) {
			gamma.set(gamma.map((value) => value * Math.exp(spread * random.normal())));
		}
	}
	const paired = layers.map((layer, index) => ({
		layer,
		folded: foldWith(layer, index === FAULTY && set ? set : { faults: [] }, seed),
		hasGemmBeta: false,
		isHalf: false,
	}));
	const [original, deployed] = describePair(paired, random);
	const comparison = await compareSpecs(original, quantized(deployed, form, grid));
	return {
		comparison,
		layers: comparison.layers,
		largest: largestWeights(layers[FAULTY], paired[FAULTY].folded.weight),
		isVisible: set !== undefined && isVisible(layers[FAULTY], set, seed),
	};
}

function largestWeights(layer: RandomLayer, weight: Float32Array): readonly number[] {
	const largest = new Array<number>(layer.channels).fill(0);
	for (const [index, value] of weight.entries()) {
		const channel = outputChannel(layer, index);
		largest[channel] = Math.max(largest[channel], Math.abs(value));
	}
	return largest;
}

const ROUNDED = SINGLES.filter(({ name }) => name === 'quantized-int8').flatMap(({ faults }) => faults);

function isVisible(layer: RandomLayer, { name, faults }: FaultSet, seed: number): boolean {
	return isIdentifiable(layer, { name, faults: [...faults, ...ROUNDED] }, seed);
}

async function compareSpecs(original: ModelSpec, deployed: ModelSpec): Promise<Comparison> {
	const [a, b] = await Promise.all([original, deployed].map((spec) => openBytes(buildModel(spec))));
	return compareModels(
		{ model: a.model, access: { source: a.source } },
		{ model: b.model, access: { source: b.source } },
	);
}
