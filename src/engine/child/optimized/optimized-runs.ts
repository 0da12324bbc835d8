import { isFloatType } from '../../../core/numbers/float-formats.js';
import { loadBytes } from '../model/load-model.js';
import type { OpenedModel } from '../model/opened-model.js';
import { coarsestRounding } from '../model/roundoff.js';
import { differenceOf } from '../outputs/output-difference.js';
import { type Probes, probeRounding } from '../outputs/probe.js';
import { fetchable, type Runtime } from '../runtime/runtime.js';
import type { Tensors } from '../tensors/tensor.js';

/**
 * Share of an output's largest value up to which two runs agree without a measurement of rounding in this network. A fold
 * along the wrong axis, or of wrong values, moves outputs by many times that.
 */
const PLAIN_AGREEMENT = 1e-4;

/** The output that differs most beyond rounding. */
export interface Disagreement {
	readonly output: string;
	readonly maxAbs: number;
	/** Largest difference that rounding explains. */
	readonly bound: number;
}

/** Runs a model unoptimized and at the default level. */
export class DefaultLevel {
	readonly #model: OpenedModel;
	readonly #runtime: Runtime;
	readonly #feeds: Tensors;
	readonly #unitRoundoff: number;
	readonly #bytes: Uint8Array;
	/** Output name -> largest change by perturbed inputs; measured on first use. */
	#probes: Probes | undefined;

	/** @param bytes of the model */
	constructor(model: OpenedModel, bytes: Uint8Array, runtime: Runtime, feeds: Tensors) {
		this.#model = model;
		this.#bytes = bytes;
		this.#runtime = runtime;
		this.#feeds = feeds;
		this.#unitRoundoff = coarsestRounding([model], { layers: [] });
	}

	/** @throws {RuntimeError} */
	unoptimized(feeds = this.#feeds): Promise<Tensors> {
		return this.#run('disabled', feeds, []);
	}

	/** @param without optimizers to leave out, by the runtime's names. @throws {RuntimeError} */
	optimized(without: readonly string[] = []): Promise<Tensors> {
		return this.#run('all', this.#feeds, without);
	}

	async #run(level: 'disabled' | 'all', feeds: Tensors, without: readonly string[]): Promise<Tensors> {
		const session = await loadBytes(this.#model, this.#bytes, this.#runtime, {
			levels: [level],
			...(without.length > 0 && { disabledOptimizers: without }),
		});
		try {
			const outputs = this.#model.model.graph.outputs.map(({ name }) => name);
			return await session.run(feeds, fetchable(session, outputs));
		} finally {
			await session.release();
		}
	}

	/**
	 * Finds the output that differs most beyond rounding. Outputs that are not finite floats are not compared.
	 * @param expected of an unoptimized run
	 * @returns "random" if another unoptimized run differs, too
	 */
	async disagreement(expected: Tensors, found: Tensors): Promise<Disagreement | 'random' | undefined> {
		if (this.#far(expected, found).length === 0) {
			return undefined;
		}
		if (!this.#probes) {
			if (this.#far(expected, await this.unoptimized()).length > 0) {
				return 'random';
			}
			this.#probes = await probeRounding((feeds) => this.unoptimized(feeds), {
				feeds: this.#feeds,
				tensors: expected,
				unitRoundoff: this.#unitRoundoff,
			});
		}
		const beyond = this.#far(expected, found, this.#probes).filter(({ ratio }) => ratio > 1);
		return beyond.sort((a, b) => b.ratio - a.ratio)[0];
	}

	/** Returns the differences above PLAIN_AGREEMENT. */
	#far(expected: Tensors, found: Tensors, probes?: Probes) {
		return this.#differing(expected, found, probes).filter(({ maxRel }) => maxRel > PLAIN_AGREEMENT);
	}

	#differing(expected: Tensors, found: Tensors, probes?: Probes) {
		return [...expected]
			.filter(([, { type }]) => isFloatType(type))
			.map(([output, tensor]) => ({
				output,
				...differenceOf(tensor, found.get(output), { probe: probes?.get(output), unitRoundoff: this.#unitRoundoff }),
			}))
			.filter(({ problem }) => problem === undefined);
	}
}
