import { statisticsDrift } from '../../../core/batchnorm/drift.js';
import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import { isNearInput } from '../../../core/batchnorm/near-input.js';
import { biasedVariance, type Moments } from '../../../core/numbers/moments.js';
import type { RepairCheck } from '../../../core/report/repair-result.js';
import { shortNumber } from '../../../core/text/numbers.js';
import { count } from '../../../core/text/sentences.js';
import type { LayerNorm } from './staged-run.js';

/** Layers of a written model in inference mode, and its data. */
export interface Measured {
	readonly layers: readonly number[];
	readonly all: readonly BatchNormLayer[];
	/** Written statistics by layer index. */
	readonly norms: ReadonlyMap<number, LayerNorm>;
	readonly moments: ReadonlyMap<number, Moments>;
	readonly samples: number;
}

/** Judges the drift of data from written statistics, as an inspection on these data does. */
export function driftCheck({ layers, all, norms, moments, samples }: Measured): RepairCheck {
	const drifted: string[] = [];
	let largest = 0;
	for (const index of layers) {
		const { name, epsilon, axes } = all[index];
		const [parameters, measured] = [norms.get(index), moments.get(index)];
		if (!parameters || !measured) {
			continue;
		}
		const batch = { mean: measured.mean, variance: biasedVariance(measured) };
		for (const [c, mean] of batch.mean.entries()) {
			const shift = Math.abs(mean - parameters.mean[c]) / Math.sqrt(parameters.variance[c] + epsilon);
			largest = Math.max(largest, shift);
		}
		const valuesNearInput = isNearInput(all[index]) ? (measured.count[0] ?? 0) / samples : undefined;
		const findings =
			axes === 'channel' ? statisticsDrift({ parameters, batch, epsilon, images: samples, valuesNearInput }) : [];
		drifted.push(...findings.map(({ message }) => `${name}: ${message}`));
	}
	const [first] = drifted;
	return first === undefined
		? {
				status: 'match',
				evidence: `In inference mode ${count(samples, 'sample')} of the data fit the new statistics of ${count(layers.length, 'layer')}: no mean is further than ${shortNumber(largest)} standard deviations from them.`,
			}
		: {
				status: 'mismatch',
				reason: `In inference mode the data do not fit the new statistics of ${count(drifted.length, 'layer')}: ${first} Choose a larger batch, or the sequential mode.`,
			};
}
