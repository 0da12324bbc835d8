import { roundingTolerance } from '../../../core/folding/values/rounding-tolerance.js';
import { ValuePairing, type ValuePairingOptions } from '../../../core/folding/values/value-pairing.js';
import { inlineFunctions } from '../model/inline-functions.js';
import { NodeNet } from '../model/node-net.js';
import type { OpenedModel } from '../model/opened-model.js';
import { randomNode } from '../model/random-node.js';
import { overwritesStatistics } from '../model/run-time-parameters.js';
import type { LoadSession } from '../outputs/compare-outputs.js';
import { PROBE_SEEDS } from '../outputs/probe.js';
import { capturingBytes } from '../run/capture-plan.js';
import type { Runtime } from '../runtime/runtime.js';
import type { Tensors } from '../tensors/tensor.js';
import { isKernelType } from '../tensors/tensor-size.js';
import { loadObserved } from './observed-session.js';
import { type PairDims, VALUE_PROBES } from './run-both.js';
import { TensorSource, type TensorVisitor } from './tensor-source.js';
import { valuesOf } from './values-of.js';

export interface ObservedOptions extends Pick<ValuePairingOptions, 'mayMatch'> {
	readonly runtime: Runtime;
	/** Bytes that captured tensors may take at a time. */
	readonly budget: number;
	/** Unit roundoff of the coarser model. */
	readonly unitRoundoff: number;
	/**
	 * Original tensors that need no values, because the parameters of every layer are right and a fold makes these tensors
	 * disappear; undefined if a layer may be wrong.
	 */
	readonly folded?: ReadonlySet<string>;
}

const LEAN_PROBES: readonly number[] = PROBE_SEEDS.slice(0, 1);

interface Pair {
	readonly original: OpenedModel;
	readonly deployed: OpenedModel;
}

/**
 * Takes the values inside both models from the runs that compare their outputs: the original's run, its runs on perturbed
 * inputs, and the deployed model's run. Without it, all these runs repeat for the values inside.
 */
export class ObservedPair {
	readonly pairing: ValuePairing;
	/** Nodes of the original. */
	readonly net: NodeNet;
	readonly #dims = { original: new Map<string, readonly number[]>(), deployed: new Map<string, readonly number[]>() };
	readonly #pair: Pair;
	readonly #options: ObservedOptions;
	/** Observed runs of each model. */
	readonly #runs = { original: 0, deployed: 0 };

	/** @returns undefined for models whose values are not compared as they are, or not in these runs */
	static async of(pair: Pair, options: ObservedOptions): Promise<ObservedPair | undefined> {
		for (const model of [pair.original, pair.deployed]) {
			const isPlain =
				!randomNode(model.model) && !model.layers.some(overwritesStatistics) && !(await inlineFunctions(model));
			if (!isPlain) {
				return undefined;
			}
		}
		return new ObservedPair(pair, options);
	}

	private constructor(pair: Pair, options: ObservedOptions) {
		const { unitRoundoff, budget, mayMatch } = options;
		this.#pair = pair;
		this.#options = options;
		this.net = new NodeNet(pair.original.model.graph);
		this.pairing = new ValuePairing({
			toleranceOf: roundingTolerance(unitRoundoff),
			room: budget / 2,
			...(mayMatch && { mayMatch }),
		});
	}

	/** True if a single run on perturbed inputs is observed, and some tensors are left out. */
	get isLean(): boolean {
		return this.#options.folded !== undefined;
	}

	/** Seeds of the original's runs on perturbed inputs. */
	get probes(): readonly number[] {
		return this.isLean ? LEAN_PROBES : VALUE_PROBES;
	}

	get dims(): PairDims {
		return this.#dims;
	}

	/** True if all runs were observed. */
	get isComplete(): boolean {
		return this.#runs.original === 1 + this.probes.length && this.#runs.deployed === 1;
	}

	/** Loads a model of the pair for its outputs, and observes its runs. @throws {RuntimeError} */
	readonly load: LoadSession = (model) => {
		const { runtime, budget, folded } = this.#options;
		const isOriginal = model === this.#pair.original;
		const all = new TensorSource(model, runtime).names;
		const names = isOriginal && folded ? all.filter((name) => !folded.has(name)) : all;
		return loadObserved(model, runtime, {
			names,
			// The runs on perturbed inputs are captured while the first run's tensors are kept.
			fits: isOriginal
				? (bytes) => bytes + capturingBytes(bytes) <= budget
				: (bytes) => this.pairing.keptBytes + capturingBytes(bytes) <= budget,
			observe: (tensors) =>
				isOriginal ? this.#observeOriginal(names, tensors) : this.#observeDeployed(names, tensors),
		});
	};

	#observeOriginal(names: readonly string[], tensors: Tensors): void {
		const isFirst = this.#runs.original === 0;
		visitFloating(names, tensors, (name, tensor) => {
			if (isFirst) {
				this.#dims.original.set(name, tensor.dims);
				this.pairing.addOriginal(name, valuesOf(tensor));
			} else {
				this.pairing.addProbe(name, valuesOf(tensor));
			}
		});
		this.#runs.original++;
	}

	#observeDeployed(names: readonly string[], tensors: Tensors): void {
		visitFloating(names, tensors, (name, tensor) => {
			this.#dims.deployed.set(name, tensor.dims);
			this.pairing.addDeployed(name, valuesOf(tensor));
		});
		this.#runs.deployed++;
	}
}

function visitFloating(names: readonly string[], tensors: Tensors, visitor: TensorVisitor): void {
	for (const name of names) {
		const tensor = tensors.get(name);
		if (tensor && isKernelType(tensor.type)) {
			visitor(name, tensor);
		}
	}
}
