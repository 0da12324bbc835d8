import { distance, type ValueTensor } from '../../../core/folding/values/difference.js';
import { roundingTolerance } from '../../../core/folding/values/rounding-tolerance.js';
import { rmsOf, sketchOf } from '../../../core/folding/values/sketch.js';
import { decibels, MAX_DISTANCE, type Noise } from '../../../core/folding/values/value-pairing.js';

/** Outputs of a quantized model without the rounding of its activations, compared with those of the original. */
export interface QuantizedOutputs {
	/** `unclear`: rounding the constants may move an output as far as a wrong fold. */
	readonly status: 'match' | 'mismatch' | 'unclear';
	/** Largest |original - deployed|. */
	readonly maxAbs: number;
	/** Largest error relative to its output's largest magnitude. */
	readonly maxRel: number;
	/** Difference that rounding explains, in the output that exceeds its own most, or comes closest. */
	readonly bound: number;
	/** Largest error over its bound, as `bound`; above 1 is more than rounding. */
	readonly boundRatio: number;
	/** Largest root mean square that rounding explains, relative to the output's. */
	readonly noise: number;
	/** Signal-to-noise ratio in dB of the output that is furthest off. */
	readonly snrDb: number;
}

type Outputs = ReadonlyMap<string, ValueTensor>;

/**
 * @param names names of each output in the original and in the deployed model
 * @returns undefined if an output was not captured, or is not finite
 */
export function judgeQuantizedOutputs(
	names: readonly (readonly [original: string, deployed: string])[],
	{ original, deployed }: { readonly original: Outputs; readonly deployed: Outputs },
	{ noise, unitRoundoff }: { readonly noise: ReadonlyMap<string, Noise>; readonly unitRoundoff: number },
): QuantizedOutputs | undefined {
	const toleranceOf = roundingTolerance(unitRoundoff);
	const judged = names.map(([name, deployedName]) => {
		const [a, b, explained] = [original.get(name), deployed.get(deployedName), noise.get(deployedName)];
		if (!a || !b || !explained || a.values.length !== b.values.length) {
			return undefined;
		}
		const sketch = sketchOf(a.values);
		const { rms, maxAbs } = distance(a.values, b.values);
		const size = rmsOf(sketch);
		const own = toleranceOf({ size, largest: sketch.largest, noise: { rms: 0, maxAbs: 0 } });
		const bound = explained.maxAbs + own.maxAbs;
		const ratio = Math.max(rms / (explained.rms + own.rms), maxAbs / bound);
		return {
			...{ maxAbs, maxRel: maxAbs === 0 ? 0 : maxAbs / sketch.largest, bound, ratio },
			...{ noise: explained.rms / size, snrDb: rms === 0 ? Number.POSITIVE_INFINITY : decibels(size, rms) },
		};
	});
	const known = judged.filter((output) => output !== undefined);
	if (known.length < names.length || known.some(({ maxRel }) => !Number.isFinite(maxRel))) {
		return undefined;
	}
	const isClear = (output: (typeof known)[number]) => output.noise <= MAX_DISTANCE;
	const worst = known.reduce((a, b) => (b.ratio > a.ratio ? b : a));
	const isWrong = known.some((output) => isClear(output) && output.ratio > 1);
	return {
		status: isWrong ? 'mismatch' : known.every(isClear) ? 'match' : 'unclear',
		maxAbs: Math.max(...known.map(({ maxAbs }) => maxAbs)),
		maxRel: Math.max(...known.map(({ maxRel }) => maxRel)),
		bound: worst.bound,
		boundRatio: worst.ratio,
		noise: Math.max(...known.map((output) => output.noise)),
		snrDb: Math.min(...known.map(({ snrDb }) => snrDb)),
	};
}
