import type { LayerArrival } from '../../../core/folding/values/arrival.js';
import type { LayerValues } from '../../../core/folding/values/value-comparison.js';
import { decibels, type ValuePairing } from '../../../core/folding/values/value-pairing.js';
import type { LayerBehavior } from '../../../core/report/comparison/behavior.js';
import { formatPercent } from '../../../core/text/numbers.js';

export interface LayerContext {
	readonly pairing: ValuePairing;
	readonly isNoisy: boolean;
	/** Returns the ratio with rounded activations behind an original tensor, in dB. */
	readonly ratioOf: (name: string) => number | undefined;
}

/** @param output of the layer */
export function layerValues(
	output: string,
	arrival: LayerArrival,
	{ pairing, isNoisy, ratioOf }: LayerContext,
): LayerValues {
	const blur = pairing.blurOf(output);
	const ratio = ratioOf(output);
	switch (arrival.status) {
		case 'unused': {
			const reason =
				blur === undefined ? 'No tensor behind the layer has values that identify it.' : blurredReason(blur);
			return { behavior: { ...skipped(reason), snrDb: ratio ?? null } };
		}
		case 'match': {
			const { match } = arrival;
			const { original, deployed, difference, bound, size, largest } = match;
			const behavior: LayerBehavior = {
				status: 'match',
				tensor: deployed,
				snrDb: decibels(size, difference.rms),
				maxAbs: difference.maxAbs,
				maxShare: difference.maxAbs / largest,
				bound,
				...(original !== output && { behind: original }),
				...(ratio !== undefined && { snrDb: ratio, unroundedSnrDb: decibels(size, difference.rms) }),
			};
			return {
				...{ behavior, match, silent: pairing.silentChannels(original) },
				...(arrival.isOrderUnseen && { misplaced: 'unseen' }),
				...(arrival.isMisplaced && { misplaced: 'values' }),
			};
		}
		default: {
			const nearest = pairing.nearest(output);
			const reason =
				'The deployed model computes in integers with operators that are not known here, so the noise of their rounding is not known.';
			const behavior: LayerBehavior = {
				status: isNoisy ? 'skipped' : arrival.status,
				tensor: nearest?.deployed ?? null,
				snrDb: nearest ? decibels(nearest.size, nearest.difference.rms) : null,
				maxAbs: nearest?.difference.maxAbs ?? null,
				...(nearest && { maxShare: nearest.difference.maxAbs / nearest.largest }),
				bound: nearest?.bound ?? null,
				...(isNoisy && { reason }),
			};
			const isInputMisplaced = arrival.status === 'mismatch' && arrival.isInputMisplaced;
			return { behavior, ...(isInputMisplaced && { misplaced: 'input' }) };
		}
	}
}

/** @param noise difference that rounding explains, relative to the size of the values */
function blurredReason(noise: number): string {
	return Number.isFinite(noise)
		? `On this input, rounding the deployed weights explains up to ${formatPercent(noise)} of the values behind the layer, so they do not judge it.`
		: 'The effect of rounding the deployed weights on the values behind the layer could not be measured.';
}

export function skipped(reason: string): LayerBehavior {
	return { status: 'skipped', tensor: null, snrDb: null, maxAbs: null, bound: null, reason };
}
