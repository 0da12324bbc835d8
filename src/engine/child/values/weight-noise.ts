import type { Noise } from '../../../core/folding/values/value-pairing.js';
import { OnnxError } from '../../../core/onnx/errors.js';
import { openModel } from '../model/opened-model.js';
import type { RunContext } from '../run/run-events.js';
import type { Runtime } from '../runtime/runtime.js';
import { numbersOf } from '../tensors/numbers.js';
import type { Tensors } from '../tensors/tensor.js';
import { noisyBytes } from '../unrounded/noisy-codes.js';
import type { UnroundedModel } from '../unrounded/unrounded-model.js';
import { TensorSource } from './tensor-source.js';

export interface NoiseRun {
	/** Inputs of the quantized model. */
	readonly feeds: Tensors;
	readonly runtime: Runtime;
	readonly context: RunContext;
	/** Bytes that copies of tensors may take. */
	readonly room: number;
}

/** Runs with other rounding errors: more for a model with few weights, where each run measures less. */
const RUNS = { small: 8, large: 4 } as const;
/** Bytes of a model up to which it is small. */
const SMALL = 2 ** 18;

/** Least multiple of the measured noise that a right fold may reach. Measured on deep networks: 0.8 to 1.3. */
const MIN_FACTOR = 4;
/** Normal quantile of the probability with which a right fold may exceed the allowance, 1e-7. */
const QUANTILE = 5.2;
/** A single value may exceed the largest one of the runs by more than their root mean square. */
const PEAK = 2;

/**
 * Measures how far rounding constants to their grid moves each tensor of a quantized model, and returns the difference that
 * it explains. Tensors that do not fit in memory, or whose noise is not finite, are missing.
 * @returns undefined if a constant cannot be rounded in another way
 * @throws {RuntimeError}
 */
export async function measureWeightNoise(
	unrounded: UnroundedModel,
	run: NoiseRun,
): Promise<ReadonlyMap<string, Noise> | undefined> {
	const { file } = unrounded;
	const sums = new Map<string, NoiseSums>();
	let { room } = run;
	const source = new TensorSource(file, run.runtime);
	try {
		await source.visit(run.feeds, run.context, (name, tensor) => {
			const values = numbersOf(tensor);
			if (values.byteLength <= room) {
				room -= values.byteLength;
				sums.set(name, new NoiseSums(values.slice(), tensor.dims));
			}
		});
	} finally {
		await source.dispose();
	}
	const runs = file.source.size <= SMALL ? RUNS.small : RUNS.large;
	for (let seed = 1; seed <= runs; seed++) {
		const bytes = await noisyBytes(unrounded, seed).catch(rethrowOthers);
		if (!bytes) {
			return undefined;
		}
		const noisy = await openModel({ path: file.model.path, bytes });
		const noisySource = new TensorSource({ ...noisy, folder: file.folder }, run.runtime);
		try {
			await noisySource.visit(run.feeds, run.context, (name, tensor) => sums.get(name)?.add(numbersOf(tensor)));
		} finally {
			await noisySource.dispose();
		}
	}
	return new Map([...sums].map(([name, sum]) => [name, sum.allowance(runs)]));
}

/** @throws every error that is not about a constant */
function rethrowOthers(error: unknown): undefined {
	if (error instanceof OnnxError && error.code !== 'io') {
		return undefined;
	}
	throw error;
}

type Values = ReturnType<typeof numbersOf>;

/** Differences of one tensor in runs with other rounding errors. */
class NoiseSums {
	readonly #values: Values;
	/** Rounding errors of different weights that reach the tensor: at least those of each channel. */
	readonly #errors: number;
	#energy = 0;
	#largest = 0;

	constructor(values: Values, dims: readonly number[]) {
		this.#values = values;
		this.#errors = Math.max(1, dims.length < 2 ? values.length : dims[1]);
	}

	add(values: Values): void {
		for (let index = 0; index < values.length; index++) {
			const distance = Math.abs(values[index] - this.#values[index]);
			this.#energy += distance * distance;
			this.#largest = Math.max(this.#largest, distance);
		}
	}

	allowance(runs: number): Noise {
		const factor = Math.max(MIN_FACTOR, Math.sqrt(varianceRatio(this.#errors, runs * this.#errors)));
		const rms = Math.sqrt(this.#energy / (runs * this.#values.length));
		return { rms: factor * rms, maxAbs: PEAK * factor * this.#largest };
	}
}

/**
 * Returns the ratio of two measured variances of the same noise that chance exceeds with the probability of QUANTILE (E.
 * Paulson, "An approximate normalization of the analysis of variance distribution", 1942).
 * @param degrees of freedom of both, at least 8 of the second one
 */
function varianceRatio(degrees: number, others: number): number {
	const [a, b] = [2 / (9 * degrees), 2 / (9 * others)];
	const quadratic = (1 - b) ** 2 - QUANTILE ** 2 * b;
	if (quadratic <= 0) {
		return Number.POSITIVE_INFINITY;
	}
	const half = (1 - a) * (1 - b);
	const root = (half + Math.sqrt(half ** 2 - quadratic * ((1 - a) ** 2 - QUANTILE ** 2 * a))) / quadratic;
	return root ** 3;
}
