import type { Network } from '../targets/network.js';
import type { Counterpart } from './counterparts.js';
import type { Plan } from './plan.js';
import { BLOCKED_DOMAIN, Planner, type QuantizerFunctions } from './planner.js';
import { channelsKey, RegionRecord } from './region-record.js';

/** An original tensor and the deployed tensor with the same values. */
export interface TensorPair {
	readonly deployed: string;
	/** Order of the elements: row-major, with the channels moved, or unknown. */
	readonly order: 'same' | 'transposed' | 'sorted';
}

export interface RegionContext {
	readonly original: Network;
	readonly deployed: Network;
	/** Counterparts by name of the original tensor. */
	readonly pairs: ReadonlyMap<string, TensorPair>;
	/** Unit roundoff of the coarser model's type. */
	readonly unitRoundoff: number;
	/** True if all constants of a region have been compared, number by number. */
	readonly isProven: (original: readonly Plan[], deployed: readonly Plan[]) => boolean;
	/** True if parameters show that the layers of a region are in its deployed operators, in the original's order. */
	readonly haveArrived: (original: readonly Plan[], deployed: readonly Plan[]) => boolean;
}

/** Known counterparts of the original's tensors, and the regions compared so far. */
export class SearchState {
	readonly context: RegionContext;
	readonly originalPlans: Planner;
	readonly deployedPlans: Planner;
	readonly record = new RegionRecord();
	/** Counterparts found by their coefficients, by base and axis of the original. */
	readonly #found = new Map<string, Counterpart>();
	/** Deployed tensors with a known original. */
	readonly #taken: Set<string>;
	/** Inputs of the deployed model by name of the original's, by position if the names differ. */
	readonly #inputs: ReadonlyMap<string, string>;

	constructor(context: RegionContext, quantizers: QuantizerFunctions) {
		const { original, deployed, pairs } = context;
		this.context = context;
		this.#taken = new Set(Array.from(pairs.values(), (pair) => pair.deployed));
		this.#inputs = pairInputs(original, deployed);
		this.originalPlans = new Planner(original, (name) => pairs.has(name));
		this.deployedPlans = new Planner(deployed, (name) => this.#taken.has(name), quantizers);
	}

	/** Takes the outputs of both models for counterparts, by their positions. */
	pairOutputs(): void {
		const [originals, deployeds] = [this.context.original, this.context.deployed].map(
			({ model }) => model.graph.outputs,
		);
		for (const [index, { name }] of originals.entries()) {
			const axis = this.originalPlans.axisOf(name);
			const base = deployeds[index]?.name;
			if (base !== undefined && !this.counterpartOf(name, axis)) {
				// A model in another type casts its results.
				const root = this.deployedPlans.rootOf(base, axis);
				const isCast = root.kind === 'base' && this.originalPlans.rootOf(name, axis).kind === 'base';
				this.#found.set(channelsKey(name, axis), isCast ? { base: root.name, axis: root.axis } : { base, axis });
			}
		}
	}

	/** Returns the deployed tensor that corresponds to an original tensor, by values, coefficients, or position. */
	counterpartOf(base: string, axis: number): Counterpart | undefined {
		const known = this.#found.get(channelsKey(base, axis));
		if (known) {
			return known;
		}
		const pair = this.context.pairs.get(base);
		if (!pair) {
			const input = this.#inputs.get(base);
			return input === undefined ? undefined : { base: input, axis };
		}
		// Blocks of channels keep the channels' order.
		const isInBlocks = this.deployedPlans.scope.producer(pair.deployed)?.domain === BLOCKED_DOMAIN;
		if (pair.order === 'sorted' && !isInBlocks) {
			return undefined;
		}
		const last = (this.deployedPlans.rankOf(pair.deployed) ?? 0) - 1;
		const at = pair.order !== 'transposed' ? axis : axis === 1 ? last : 1;
		const root = this.deployedPlans.rootOf(pair.deployed, at);
		return root.kind === 'base' ? { base: root.name, axis: root.axis } : { base: pair.deployed, axis: at };
	}

	/** Returns a counterpart that the search has found. @param key of the original tensor and its axis */
	assigned(key: string): Counterpart | undefined {
		return this.#found.get(key);
	}

	/** Adds a counterpart, which no other tensor can have. @param key of the original tensor and its axis */
	assign(key: string, counterpart: Counterpart): void {
		this.#found.set(key, counterpart);
		this.#taken.add(counterpart.base);
	}

	/** True for a deployed tensor with a known original. */
	isTaken(name: string): boolean {
		return this.#taken.has(name);
	}

	/** Returns the deployed tensors without a known original. A node of a broken file may name a tensor many times. */
	freeTensors(): readonly string[] {
		const { nodes } = this.context.deployed.model.graph;
		return [...new Set(nodes.flatMap(({ outputs }) => outputs))].filter((name) => !this.#taken.has(name));
	}
}

/** Returns the inputs of the deployed model by name of the original's: of the same name, or else at the same position. */
function pairInputs(original: Network, deployed: Network): Map<string, string> {
	const [originals, deployeds] = [original, deployed].map(({ model: { graph } }) =>
		graph.inputs.filter((input) => !graph.initializers.has(input.name)).map((input) => input.name),
	);
	const names = new Set(deployeds);
	const inputs = new Map<string, string>();
	for (const [index, name] of originals.entries()) {
		const base = names.has(name) ? name : deployeds[index];
		if (base !== undefined && !inputs.has(name)) {
			inputs.set(name, base);
		}
	}
	return inputs;
}
