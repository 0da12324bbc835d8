import { nameInSentence } from '../../text/names.js';
import { ratioOf } from '../../text/numbers.js';
import type { Comparison } from './comparison.js';

/**
 * Ratio that an 8-bit grid over four standard deviations to both sides leaves of normally distributed values, in dB. Its
 * step is 8 / 256 deviations and its noise has the power step^2 / 12, so the ratio is 10 log10(12 * 256^2 / 8^2).
 */
export const EIGHT_BIT_DECIBELS = 10 * Math.log10((12 * 256 ** 2) / 8 ** 2);

/**
 * Ratio of outputs below which quantization has distorted them, in dB.
 *
 * A layer adds two roundings, of weights and of activations. Their powers add up, so n layers of 8 bits leave
 * 40.9 - 10 log10(2 n) dB, which is 21 dB after 50 layers and 10 dB only after 600. A lower ratio means that a grid does not
 * fit its values, or that the network amplifies the noise. Noise of 10 dB also reverses the order of two outputs, both
 * normally distributed, in arctan(10^(-10 / 20)) / pi = 10 % of cases, so decisions change.
 */
export const MIN_OUTPUT_DECIBELS = 10;

/** Ratio that half of the noise power costs, in dB. */
const HALF_POWER_DECIBELS = 10 * Math.log10(2);

/** Loss of the signal behind one layer that later layers do not make up for. */
export interface SignalDrop {
	/** Index of the layer. */
	readonly index: number;
	/** Ratio of the layer in front, in dB; {@link EIGHT_BIT_DECIBELS} for the first layer. */
	readonly from: number;
	/** Ratio of the layer, in dB. */
	readonly to: number;
	/** Drop that lasts, in dB. */
	readonly lasting: number;
	/** True for the first layer with a known ratio. */
	readonly isFirst: boolean;
}

/** Noise of quantization in the outputs of a deployed model. */
export interface OutputNoise {
	/** Signal-to-noise ratio of the outputs, in dB. */
	readonly snrDb: number;
	/** Root mean square of the noise over that of the outputs. */
	readonly share: number;
	/** True for noise below {@link MIN_OUTPUT_DECIBELS}. */
	readonly isLoud: boolean;
}

/** True if the deployed model has quantized weights or activations that the comparison knows. */
export function isQuantized({ layers, outputs }: Comparison): boolean {
	return (
		outputs?.unroundedSnrDb !== undefined ||
		layers.some(({ causes, behavior }) => causes.includes('quantized-int8') || behavior?.unroundedSnrDb !== undefined)
	);
}

/** Returns the noise that quantization adds to the outputs; undefined without quantization, or if anything is wrong. */
export function outputNoise(comparison: Comparison): OutputNoise | undefined {
	const { summary, operators = [], outputs } = comparison;
	const snrDb = outputs?.snrDb;
	// A wrong fold explains the difference better.
	const isWrong = summary.mismatch + operators.length > 0 || outputs?.status === 'mismatch';
	// Outputs with a ratio and no verdict are those of integers with unknown rounding.
	const isNoisy = outputs?.status === 'skipped' || isQuantized(comparison);
	return snrDb === undefined || Number.isNaN(snrDb) || !isNoisy || isWrong
		? undefined
		: { snrDb, share: 10 ** (-snrDb / 20), isLoud: snrDb < MIN_OUTPUT_DECIBELS };
}

/**
 * Returns the layer with the largest lasting drop. The two layers in front of it have a higher ratio than itself and the
 * layer behind it, so that branches side by side do not count. The first layer is held against
 * {@link EIGHT_BIT_DECIBELS}. Undefined if no ratio is known, or if none drops.
 */
export function largestDrop({ layers }: Pick<Comparison, 'layers'>): SignalDrop | undefined {
	const known = layers.flatMap(({ behavior }, index) =>
		behavior !== undefined && Number.isFinite(behavior.snrDb ?? Number.NaN)
			? [{ index, ratio: behavior.snrDb ?? Number.NaN }]
			: [],
	);
	const ratios = known.map(({ ratio }) => ratio);
	return known.reduce<SignalDrop | undefined>((best, { index, ratio }, place) => {
		const before = place === 0 ? [EIGHT_BIT_DECIBELS] : ratios.slice(Math.max(0, place - 2), place);
		const lasting = Math.min(...before) - Math.max(...ratios.slice(place, place + 2));
		return lasting > (best?.lasting ?? 0)
			? { index, from: ratios[place - 1] ?? EIGHT_BIT_DECIBELS, to: ratio, lasting, isFirst: place === 0 }
			: best;
	}, undefined);
}

/** True if the drop is at least half of all that 8 bits lose down to the outputs. */
function explainsMost({ lasting }: SignalDrop, snrDb: number): boolean {
	return lasting >= (EIGHT_BIT_DECIBELS - snrDb) / 2;
}

/** Returns the layer to blame for noisy outputs; undefined for sound outputs, or if the noise grows all along. */
export function noisyLayer(comparison: Comparison): SignalDrop | undefined {
	const noise = outputNoise(comparison);
	const drop = noise?.isLoud ? largestDrop(comparison) : undefined;
	return noise && drop && explainsMost(drop, noise.snrDb) ? drop : undefined;
}

/** Place and source of the noise, and the next step; each one or more sentences. */
export interface NoiseWords {
	readonly where: string;
	readonly advice: string;
}

/** Returns the words on outputs that quantization distorts; undefined for others. */
export function noiseWords(comparison: Comparison): NoiseWords | undefined {
	const { layers, outputs } = comparison;
	const noise = outputNoise(comparison);
	if (!noise?.isLoud || outputs === undefined) {
		return undefined;
	}
	const { snrDb } = noise;
	const drop = largestDrop(comparison);
	const place = drop ? `layer ${drop.index + 1}, ${nameInSentence(layers[drop.index]?.name ?? '')}` : '';
	const isOne = drop !== undefined && explainsMost(drop, snrDb);
	const where = drop === undefined ? '' : isOne ? lostAt(drop, place) : growsAlong(drop, place, snrDb);
	const source = sourceOf(outputs.unroundedSnrDb, snrDb);
	const isRandom = outputs.inputs?.every(({ from }) => from.startsWith('random')) ?? false;
	return {
		where: [where, source === 'unknown' ? '' : `Most of the noise comes from quantizing the ${source}.`]
			.filter((text) => text !== '')
			.join(' '),
		advice: [
			...(isRandom ? ['Compare on real data first (compare --input), because this input is random.'] : []),
			ADVICE[source][isOne ? 'one' : 'all'],
		].join(' '),
	};
}

function lostAt({ from, to, isFirst }: SignalDrop, place: string): string {
	return isFirst
		? `Most of the signal is lost at ${place}: its ratio is ${decibels(to)}, where 8 bits give about ${decibels(from)}.`
		: `Most of the signal is lost at ${place}: the ratio falls from ${decibels(from)} to ${decibels(to)}.`;
}

function growsAlong({ lasting }: SignalDrop, place: string, snrDb: number): string {
	const most = lasting >= HALF_POWER_DECIBELS ? `, most at ${place}, by ${decibels(lasting)}` : '';
	return `No single layer is to blame: the ratio falls along the network to ${decibels(snrDb)} at the outputs${most}.`;
}

/** Returns the roundings with more than half of the noise power. */
function sourceOf(unroundedSnrDb: number | undefined, snrDb: number): keyof typeof ADVICE {
	if (unroundedSnrDb === undefined) {
		return 'unknown';
	}
	return unroundedSnrDb - snrDb >= HALF_POWER_DECIBELS ? 'activations' : 'weights';
}

const ADVICE = {
	activations: {
		one: 'If it stays so, the range of a tensor at this layer is too wide or too narrow: calibrate it again, or keep the layer in float.',
		all: 'If it stays so, calibrate with representative data, give activations 16 bits, or keep in float the layers with the largest drops.',
	},
	weights: {
		one: 'If it stays so, quantize the weights of this layer per channel, or keep the layer in float.',
		all: 'If it stays so, quantize the weights per channel, or keep in float the layers with the largest drops.',
	},
	unknown: {
		one: 'If it stays so, quantize this layer per channel, calibrate it again, or keep it in float.',
		all: 'If it stays so, quantize per channel, calibrate again, or keep in float the layers with the largest drops.',
	},
} as const;

/** Returns the words as one text; '' for outputs that quantization does not distort. */
export function noiseSentences(comparison: Comparison): string {
	const words = noiseWords(comparison);
	return words ? `${words.where} ${words.advice}`.trim() : '';
}

/** Returns "their error is 71 % of their size". */
export function noiseShare({ share }: OutputNoise): string {
	return `their error is ${ratioOf(share)} their size`;
}

/** "12 dB": tenths matter only below 10. */
export function decibels(ratio: number): string {
	const rounded = Math.abs(ratio) < 10 ? Number(ratio.toFixed(1)) : Math.round(ratio);
	return `${Object.is(rounded, -0) ? 0 : rounded} dB`;
}
