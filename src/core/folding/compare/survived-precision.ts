import type { ChannelComparison, LayerFinding } from '../../report/comparison/comparison.js';
import type { ChannelValues } from '../../report/types.js';
import { shortNumber } from '../../text/numbers.js';
import { capitalize, count, countChannels } from '../../text/sentences.js';
import type { FoldCase } from '../diagnosis/observed/fold-case.js';
import { channelCount, forEachRun, rowLength } from '../operators/layout.js';

/** Precision that quantization left of each row, arrays of shape (rows). */
type Precision = Pick<ChannelComparison, 'levels' | 'relativeStep' | 'quantizationSnrDb'>;

/** Largest number of 8-bit steps from 0. Wider types need a set. */
const MAX_INDEX = 255;

/**
 * Measures the precision that the weights of a right fold keep. It consists of the number of different values in a row,
 * the step relative to the row's largest right weight, and the power of the right weights over the power of their
 * rounding, in dB. Empty for weights in float and for rows of a single element.
 * @param scale s of each row
 */
export function precisionOf({ original, deployed, grid }: FoldCase, scale: Float64Array): Precision {
	const steps = grid?.weight;
	const { layout } = original;
	if (!steps || rowLength(layout) < 2) {
		return {};
	}
	const rows = channelCount(layout);
	const sums = { largest: new Float64Array(rows), signal: new Float64Array(rows), noise: new Float64Array(rows) };
	const seen = Array.from({ length: rows }, () => new LevelCounter());
	forEachRun(layout, (row, start) => {
		for (let index = start; index < start + layout.inner; index++) {
			const right = original.weight[index] * scale[row];
			const found = deployed.weight[index];
			sums.largest[row] = Math.max(sums.largest[row], Math.abs(right));
			sums.signal[row] += right * right;
			sums.noise[row] += (found - right) ** 2;
			seen[row].add(Math.round(found / steps[row]));
		}
	});
	const { largest, signal, noise } = sums;
	return {
		levels: Float64Array.from(seen, ({ count }) => count),
		relativeStep: steps.map((step, row) => (largest[row] > 0 ? step / largest[row] : Number.NaN)),
		quantizationSnrDb: signal.map((power, row) => (power > 0 ? 10 * Math.log10(power / noise[row]) : Number.NaN)),
	};
}

/** Counts different integers. */
class LevelCounter {
	count = 0;
	readonly #near = new Uint8Array(2 * MAX_INDEX + 1);
	readonly #far = new Set<number>();

	add(index: number): void {
		if (Math.abs(index) <= MAX_INDEX) {
			this.count += 1 - this.#near[MAX_INDEX + index];
			this.#near[MAX_INDEX + index] = 1;
		} else if (!this.#far.has(index)) {
			this.#far.add(index);
			this.count++;
		}
	}
}

/** Adds the precision of the weights in front of a kept layer to its verdict. */
export function withPrecision<Verdict extends { readonly perChannel: ChannelComparison }>(
	verdict: Verdict,
	{ perChannel: inFront }: { readonly perChannel: ChannelComparison },
): Verdict {
	const { levels, relativeStep, quantizationSnrDb } = inFront;
	const isSame = levels?.length === verdict.perChannel.weightRatio.length;
	return levels && relativeStep && quantizationSnrDb && isSame
		? { ...verdict, perChannel: { ...verdict.perChannel, levels, relativeStep, quantizationSnrDb } }
		: verdict;
}

/** Minimum bits of a usable channel. Symmetric 4-bit types have 7 steps per sign. */
const MIN_BITS = 4;
/** Rounding of a step that leaves exactly the least number of bits. */
const BITS_SLACK = 1e-2;

/** Returns the bits that a row keeps: the bits of a symmetric integer type with the row's largest value as its own. */
function bitsOf(relativeStep: number): number {
	return Math.log2(2 / relativeStep + 2);
}

/** Returns a warning for channels that keep fewer than 4 bits; empty if none does. */
export function precisionFindings(perChannel: ChannelComparison): readonly LayerFinding[] {
	const { relativeStep, levels, quantizationSnrDb } = perChannel;
	if (!relativeStep || !levels || !quantizationSnrDb) {
		return [];
	}
	const channels = Array.from(relativeStep.keys()).filter(
		(channel) => bitsOf(relativeStep[channel]) < MIN_BITS - BITS_SLACK,
	);
	const [first, ...rest] = channels;
	if (first === undefined) {
		return [];
	}
	const worst = rest.reduce((a, b) => (relativeStep[b] > relativeStep[a] ? b : a), first);
	const subject = capitalize(countChannels(channels, relativeStep.length));
	const verb = channels.length === 1 ? 'keeps' : 'keep';
	const example = exampleOf(worst, { step: relativeStep[worst], levels: levels[worst], snr: quantizationSnrDb[worst] });
	const message = `${subject} ${verb} fewer than ${MIN_BITS} bits of ${channels.length === 1 ? 'its' : 'their'} weights: ${example}.`;
	return [{ code: 'precision-lost', severity: 'warning', channels, message }];
}

function exampleOf(
	channel: number,
	{ step, levels, snr }: Readonly<Record<'step' | 'levels' | 'snr', ChannelValues[number]>>,
): string {
	const size = `the step is ${shortNumber(step)} times its largest weight`;
	return levels <= 1
		? `every weight of channel ${channel} became 0, because ${size}`
		: `channel ${channel} has ${count(levels, 'level')}, because ${size}; its signal-to-noise ratio is ${shortNumber(snr)} dB`;
}
