import { runWithGuessedSizes } from '../inputs/guessed-sizes.js';
import { planInputs } from '../inputs/inputs.js';
import { withImpliedSizes } from '../model/guessed-sizes.js';
import { loadModel } from '../model/load-model.js';
import type { OpenedModel } from '../model/opened-model.js';
import { type Runtime, RuntimeError } from '../runtime/runtime.js';
import { InputError } from '../tensors/errors.js';
import type { Tensors } from '../tensors/tensor.js';

/** Batch sizes tried after the requested size. Some models run with a single size that their file does not declare. */
const BATCHES = [2, 3, 4, 8] as const;

/**
 * Returns tensors of the main graph, by name, from a run on random input. Empty if the model does not run.
 * @param names tensors of the main graph
 */
export async function captureTensors(
	file: OpenedModel,
	names: readonly string[],
	{ batch, seed }: { readonly batch: number; readonly seed: number },
	runtime: Runtime,
): Promise<Tensors> {
	if (names.length === 0) {
		return new Map();
	}
	const inputs = new Set(file.model.graph.inputs.map(({ name }) => name));
	const session = await loadModel(file, runtime, { outputs: names.filter((name) => !inputs.has(name)) }).catch(ignore);
	if (!session) {
		return new Map();
	}
	try {
		const dimensions = await withImpliedSizes(file);
		for (const size of [batch, ...BATCHES]) {
			const plan = await planInputs(session.inputs, { batch: size, seed, files: [], dimensions });
			const capture = async (tensors: Tensors) => {
				const computed = await session.run(
					tensors,
					names.filter((name) => !tensors.has(name)),
				);
				return new Map([...tensors, ...computed]);
			};
			const run = await runWithGuessedSizes(plan, ({ tensors }) => capture(tensors), file.model).catch(ignore);
			if (run) {
				return run.result;
			}
		}
		return new Map();
	} finally {
		await session.release();
	}
}

/** Lets a failed run pass: the caller says which tensors it lacks. @throws whatever is no fault of the model */
function ignore(error: unknown): undefined {
	if (!(error instanceof RuntimeError || error instanceof InputError)) {
		throw error;
	}
}
