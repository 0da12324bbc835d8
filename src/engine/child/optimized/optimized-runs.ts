import { isFloatType } from '../../../core/numbers/float-formats.js';
import type { ModelFile } from '../model/model-file.js';
import { coarsestRounding } from '../model/roundoff.js';
import { differenceOf, perturb, spreadOf } from '../outputs/output-difference.js';
import { fetchable, type Runtime, type RuntimeTensor } from '../runtime/runtime.js';

type Tensors = ReadonlyMap<string, RuntimeTensor>;

/**
 * Share of an output's largest value below which two runs are taken to agree without asking how far rounding goes in this
 * network: a fold along the wrong axis, or of the wrong values, moves outputs by many times that.
 */
const PLAIN_AGREEMENT = 1e-4;
/** Runs on slightly different inputs that show what rounding does to the outputs. */
const PROBES = 3;

/** Outputs that differ by more than rounding: the worst of them. */
export interface Disagreement {
	readonly output: string;
	readonly maxAbs: number;
	/** Largest difference that rounding explains. */
	readonly bound: number;
}

/** One model on one input at the runtime's levels: unoptimized, and as everybody else runs it. */
export class DefaultLevel {
	readonly #open: ModelFile;
	readonly #runtime: Runtime;
	readonly #feeds: Tensors;
	readonly #unitRoundoff: number;
	readonly #bytes: Uint8Array;
	#probes: ReadonlyMap<string, number> | undefined;

	/** @param bytes of the model */
	constructor(open: ModelFile, bytes: Uint8Array, runtime: Runtime, feeds: Tensors) {
		this.#open = open;
		this.#bytes = bytes;
		this.#runtime = runtime;
		this.#feeds = feeds;
		this.#unitRoundoff = coarsestRounding([open], { layers: [] });
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
		const { model, folder } = this.#open;
		const session = await this.#runtime.createSession(this.#bytes, {
			levels: [level],
			...(folder === undefined ? {} : { externalDataFolder: folder }),
			...(without.length > 0 && { disabledOptimizers: without }),
		});
		try {
			const outputs = model.graph.outputs.map(({ name }) => name);
			return await session.run(feeds, fetchable(session, outputs));
		} finally {
			await session.release();
		}
	}

	/**
	 * Where two runs differ by more than rounding; outputs that are no finite floats are not looked at.
	 * @param expected of an unoptimized run
	 * @returns "random" when another such run differs, too
	 */
	async disagreement(expected: Tensors, found: Tensors): Promise<Disagreement | 'random' | undefined> {
		if (this.#far(expected, found).length === 0) {
			return undefined;
		}
		if (!this.#probes) {
			if (this.#far(expected, await this.unoptimized()).length > 0) {
				return 'random';
			}
			this.#probes = await this.#probe(expected);
		}
		const beyond = this.#far(expected, found, this.#probes).filter(({ ratio }) => ratio > 1);
		return beyond.sort((a, b) => b.ratio - a.ratio)[0];
	}

	/** Differences that are too large to be passed over without a thought. */
	#far(expected: Tensors, found: Tensors, probes?: ReadonlyMap<string, number>) {
		return this.#differing(expected, found, probes).filter(({ maxRel }) => maxRel > PLAIN_AGREEMENT);
	}

	#differing(expected: Tensors, found: Tensors, probes?: ReadonlyMap<string, number>) {
		return [...expected]
			.filter(([, { type }]) => isFloatType(type))
			.map(([output, tensor]) => ({
				output,
				...differenceOf(tensor, found.get(output), probes?.get(output), this.#unitRoundoff),
			}))
			.filter(({ problem }) => problem === undefined);
	}

	/** How far each output moves when the inputs differ by a few units roundoff. */
	async #probe(expected: Tensors): Promise<ReadonlyMap<string, number>> {
		const probes = new Map<string, number>();
		for (let seed = 1; seed <= PROBES; seed++) {
			const moved = await this.unoptimized(perturb(this.#feeds, this.#unitRoundoff, seed));
			for (const [name, tensor] of expected) {
				probes.set(name, Math.max(probes.get(name) ?? 0, spreadOf(tensor, moved.get(name))));
			}
		}
		return probes;
	}
}
