import { isFloatType } from '../../../core/numbers/float-formats.js';
import { loadBytes } from '../model/load-model.js';
import { NodeNet } from '../model/node-net.js';
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

/** The runtime's kernels may flush smaller float32 numbers to 0, an Exp of large negative numbers does. */
const SMALLEST_NORMAL = 2 ** -126;

/**
 * Operators that the runtime's own kernels compute at the scale of 1. Near 0 a Sigmoid has a resolution of 2^-25,
 * however small its value. The rounding of such an output does not depend on its largest value.
 */
const UNIT_SCALE: ReadonlySet<string> = new Set([
	...['Sigmoid', 'HardSigmoid', 'Softmax', 'Tanh', 'Erf', 'Softsign', 'Sin', 'Cos'],
]);
/** Operators that pass values on unchanged. */
const PASSING: ReadonlySet<string> = new Set([
	...['Identity', 'Reshape', 'Flatten', 'Transpose', 'Squeeze', 'Unsqueeze', 'Slice', 'Split', 'Gather', 'Concat'],
	...['Resize', 'Upsample', 'MaxPool', 'GlobalMaxPool', 'Dropout', 'Pad', 'Expand', 'Tile', 'Cast'],
]);
/** Maximum number of nodes visited from an output. */
const MAX_WALK = 64;

/** Returns the magnitude at which an output's values are rounded, if that is not their own: 1 behind a Sigmoid, else 0. */
export function roundingScale(net: NodeNet, output: string): number {
	const queue = [output];
	for (const name of queue) {
		const node = net.writer(name);
		if (node?.domain === '' && UNIT_SCALE.has(node.opType)) {
			return 1;
		}
		if (node?.domain === '' && PASSING.has(node.opType) && queue.length < MAX_WALK) {
			queue.push(...node.inputs);
		}
	}
	return 0;
}

/** The output that differs most beyond rounding. */
export interface Disagreement {
	readonly output: string;
	readonly maxAbs: number;
	/** Largest difference that rounding explains. */
	readonly bound: number;
	/** `maxAbs` over the largest value of the output. */
	readonly maxRel: number;
}

/** Runs a model unoptimized and at the default level. */
export class DefaultLevel {
	readonly #model: OpenedModel;
	readonly #runtime: Runtime;
	readonly #feeds: Tensors;
	readonly #unitRoundoff: number;
	readonly #net: NodeNet;
	readonly #bytes: Uint8Array;
	/** Output name -> largest change by perturbed inputs; measured on first use. */
	#probes: Probes | undefined;

	/** @param bytes of the model */
	constructor(model: OpenedModel, bytes: Uint8Array, runtime: Runtime, feeds: Tensors) {
		this.#model = model;
		this.#bytes = bytes;
		this.#runtime = runtime;
		this.#feeds = feeds;
		this.#net = new NodeNet(model.model.graph);
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
			.map(([output, tensor]) => {
				const unitRoundoff = this.#unitRoundoff;
				const probe = (probes?.get(output) ?? 0) + unitRoundoff * roundingScale(this.#net, output) + SMALLEST_NORMAL;
				return { output, ...differenceOf(tensor, found.get(output), { probe, unitRoundoff }) };
			})
			.filter(({ problem }) => problem === undefined);
	}
}
