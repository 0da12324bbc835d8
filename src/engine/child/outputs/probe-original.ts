import { loadBytes, loadModel } from '../model/load-model.js';
import type { OpenedModel } from '../model/opened-model.js';
import type { Runtime, RuntimeSession } from '../runtime/runtime.js';
import type { Tensors } from '../tensors/tensor.js';
import { spreadOf } from './output-difference.js';
import { perturbedBytes } from './perturbed-model.js';
import { PROBE_SEEDS, type Probes, probeRounding } from './probe.js';

/** Runs of models with perturbed constants. */
const CONSTANT_RUNS = 2;

/** A run of the original, whose rounding is measured. */
export interface ProbedRun {
	readonly feeds: Tensors;
	/** Computed by the original from `feeds`. */
	readonly tensors: Tensors;
	/** Unit roundoff of the coarser model. */
	readonly unitRoundoff: number;
}

/** @param session computes the tensors of `run` */
export function probeSession(session: RuntimeSession, run: ProbedRun, seeds?: readonly number[]): Promise<Probes> {
	const names = [...run.tensors.keys()];
	return probeRounding((feeds) => session.run(feeds, names), run, seeds);
}

/**
 * Runs the original on the remaining perturbed inputs, and with perturbed constants.
 * @param known seeds of earlier runs
 * @throws {RuntimeError}
 */
export async function probeFurther(
	original: OpenedModel,
	run: ProbedRun,
	{ runtime, known }: { readonly runtime: Runtime; readonly known: readonly number[] },
): Promise<Probes> {
	const seeds = PROBE_SEEDS.filter((seed) => !known.includes(seed));
	const session = await loadModel(original, runtime, { outputs: [] });
	let probes: Probes;
	try {
		probes = await probeSession(session, run, seeds);
	} finally {
		await session.release();
	}
	return largestProbes([probes, await probeConstants(original, run, runtime)]);
}

/** Measures how far the rounding of constants moves the original's outputs. */
async function probeConstants(
	original: OpenedModel,
	{ feeds, tensors, unitRoundoff }: ProbedRun,
	runtime: Runtime,
): Promise<Probes> {
	const probes = new Map<string, number>();
	for (let seed = 1; seed <= CONSTANT_RUNS; seed++) {
		const bytes = await perturbedBytes(original, unitRoundoff, seed);
		const session = await loadBytes(original, bytes, runtime);
		try {
			const moved = await session.run(feeds, [...tensors.keys()]);
			for (const [name, tensor] of tensors) {
				probes.set(name, Math.max(probes.get(name) ?? 0, spreadOf(tensor, moved.get(name))));
			}
		} finally {
			await session.release();
		}
	}
	return probes;
}

export function largestProbes(all: readonly Probes[]): Probes {
	const names = new Set(all.flatMap((probes) => [...probes.keys()]));
	return new Map(Array.from(names, (name) => [name, Math.max(...all.map((probes) => probes.get(name) ?? 0))]));
}
