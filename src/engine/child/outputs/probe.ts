import { fillElements } from '../tensors/elements.js';
import { numbersOf } from '../tensors/numbers.js';
import { seededRandom } from '../tensors/random.js';
import type { Tensors } from '../tensors/tensor.js';
import { spreadOf } from './output-difference.js';

/** Tensor name -> largest change that perturbed inputs caused. */
export type Probes = ReadonlyMap<string, number>;

/** Seeds of runs on perturbed inputs. */
export const PROBE_SEEDS = [1, 2, 3] as const;
/** Half width of the perturbation of inputs, in units roundoff. */
const PERTURBATION = 4;

/**
 * Measures how far rounding moves tensors: runs a model again on inputs perturbed by a few units roundoff.
 * @param run runs the model on inputs
 * @param tensors computed by the model from `feeds`
 * @param seeds a run each
 */
export async function probeRounding(
	run: (feeds: Tensors) => Promise<Tensors>,
	{
		feeds,
		tensors,
		unitRoundoff,
	}: { readonly feeds: Tensors; readonly tensors: Tensors; readonly unitRoundoff: number },
	seeds: readonly number[] = PROBE_SEEDS,
): Promise<Probes> {
	const probes = new Map<string, number>();
	for (const seed of seeds) {
		const moved = await run(perturb(feeds, unitRoundoff, seed));
		for (const [name, tensor] of tensors) {
			probes.set(name, Math.max(probes.get(name) ?? 0, spreadOf(tensor, moved.get(name))));
		}
	}
	return probes;
}

/** Returns the inputs with every floating value changed at random, by at most PERTURBATION * `unitRoundoff`, relative. */
export function perturb(feeds: Tensors, unitRoundoff: number, seed: number): Tensors {
	const random = seededRandom(seed);
	return new Map(
		[...feeds].map(([name, tensor]) => {
			if (!tensor.type.includes('float')) {
				return [name, tensor];
			}
			const values = numbersOf(tensor);
			const move = (index: number) => values[index] * (1 + PERTURBATION * unitRoundoff * (2 * random.uniform() - 1));
			return [name, { ...tensor, data: fillElements(tensor.type, values.length, move, name) }];
		}),
	);
}
