import { assignRows, type CanonicalRow, compareMaps } from './compare-maps.js';
import type { Candidate, RegionComparer } from './compare-regions.js';
import { type BasePlan, isPointwise, type Plan, partsOf } from './plan.js';
import type { FunctionSource } from './planner.js';
import { channelsKey } from './region-record.js';
import { basesIn, type ChannelOrder, haveNoFactors, isSameOrder, orderOf } from './region-rows.js';
import type { SearchState } from './search-state.js';
import { compareSlopes } from './slopes.js';

/** Functions that a permutation of the channels passes through. */
const PER_CHANNEL: ReadonlySet<string> = new Set([
	...['Relu', 'LeakyRelu', 'PRelu', 'MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool'],
	...['ReduceMean', 'ReduceMax'],
	...['Sigmoid', 'Tanh', 'HardSigmoid', 'HardSwish', 'Clip', 'Elu', 'Selu', 'Celu', 'Gelu', 'Softplus', 'Mish', 'Erf'],
]);
/** Functions f with f(a x) = a f(x) for every positive a. */
const HOMOGENEOUS: ReadonlySet<string> = new Set([
	...['Relu', 'LeakyRelu', 'PRelu', 'MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool'],
	...['ReduceMean', 'ReduceMax'],
]);
/** Functions that leave out axes, as the channels may be one. */
const REDUCING: ReadonlySet<string> = new Set(['ReduceMean', 'ReduceMax']);

/** A tensor and the plans of the inputs of the function that computes it. */
interface FunctionPlace {
	readonly base: string;
	readonly axis: number;
	readonly inputs: readonly Plan[];
}

/** Finds the deployed functions of original results without a counterpart by value, and the order of their channels. */
export class FunctionSearch {
	readonly #state: SearchState;
	readonly #comparer: RegionComparer;

	constructor(state: SearchState, comparer: RegionComparer) {
		this.#state = state;
		this.#comparer = comparer;
	}

	/** Looks for the function of multiples of a tensor that has no counterpart. */
	async search(name: string, axis: number): Promise<void> {
		const source = this.#state.originalPlans.functionOf(name, axis);
		const [input, ...others] = source?.inputs ?? [];
		if (source && others.length > 0) {
			return this.#searchJoint(name, axis, source);
		}
		if (!source || !input || !PER_CHANNEL.has(source.name) || this.#isReduced(source, axis)) {
			return;
		}
		if (input.kind === 'base') {
			return this.#followFunction(channelsKey(name, axis), source, input);
		}
		const bases = basesIn(input).map((base) => this.#state.counterpartOf(base.name, base.axis)?.base);
		const isBehind = basesIn(input).some(
			(base, at) => bases[at] === undefined && !this.#state.originalPlans.isOperator(base.name),
		);
		if (isBehind) {
			return;
		}
		const pair = this.#state.context.pairs.get(name);
		const functions = this.#likeFunctions(source, pair ? [pair.deployed] : this.#state.freeTensors());
		const candidates = [...functions].flatMap(({ base, axis: at, inputs: [plan] }): Candidate[] => {
			const read = new Set<string | undefined>(basesIn(plan).map((each) => each.name));
			return bases.every((each) => each === undefined || read.has(each)) ? [{ base, axis: at, plan }] : [];
		});
		await this.#comparer.choose(
			{ base: name, axis, plan: input },
			candidates,
			HOMOGENEOUS.has(source.name) ? 'positive' : 'one',
		);
		await compareSlopes(this.#state, source, channelsKey(name, axis));
	}

	/** True for a function that leaves out the channels, or may do so. */
	#isReduced({ name, node }: FunctionSource, axis: number): boolean {
		const axes = this.#state.originalPlans.scope.attribute(node, 'axes')?.ints;
		const rank = this.#state.originalPlans.rankOf(node.inputs[0] ?? '');
		const isKept =
			axes !== undefined && rank !== undefined && !axes.some((each) => (each < 0 ? each + rank : each) === axis);
		return REDUCING.has(name) && !isKept;
	}

	/** Looks for the function of a counterpart, whose result has the same order of channels. */
	#followFunction(result: string, source: FunctionSource, input: BasePlan): void {
		const counterpart = this.#state.counterpartOf(input.name, input.axis);
		const channels = counterpart?.channels;
		if (!counterpart || (channels && !HOMOGENEOUS.has(source.name) && !haveNoFactors(channels))) {
			return;
		}
		for (const { base, axis, inputs } of this.#likeFunctions(source, this.#state.freeTensors())) {
			const [plan] = inputs;
			if (plan.kind === 'base' && plan.name === counterpart.base) {
				this.#state.assign(result, { base, axis, ...(channels && { channels }) });
				this.#state.record.passOn(channels ? [channelsKey(input.name, input.axis)] : [], result);
				return;
			}
		}
	}

	/** Looks for a function of several tensors, such as x * sigmoid(x), with the same inputs. */
	async #searchJoint(name: string, axis: number, source: FunctionSource): Promise<void> {
		for (const { base, axis: at, inputs } of this.#likeFunctions(source, this.#state.freeTensors())) {
			const order = await this.#orderOfInputs(source.inputs, inputs);
			if (order) {
				const key = channelsKey(name, axis);
				const channels = order === 'in-place' ? undefined : order;
				this.#state.assign(key, { base, axis: at, ...(channels && { channels }) });
				for (const input of channels ? source.inputs : []) {
					const bases = this.#comparer.basesRead(partsOf(input));
					if (isPointwise(input)) {
						this.#state.record.passOn(bases, key);
					} else {
						this.#state.record.confirm(bases);
					}
				}
				return;
			}
		}
	}

	/** Returns the tensors that a function of the same name and number of inputs computes. */
	*#likeFunctions({ name, inputs }: FunctionSource, tensors: readonly string[]): Generator<FunctionPlace> {
		for (const base of tensors) {
			const axis = this.#state.deployedPlans.axisOf(base);
			const found = this.#state.deployedPlans.functionOf(base, axis);
			if (found?.name === name && found.inputs.length === inputs.length) {
				yield { base, axis, inputs: found.inputs };
			}
		}
	}

	/**
	 * Returns the order of the channels in which all inputs of two functions are equal; undefined if there is none. The
	 * bases among the inputs give it, else the first map.
	 */
	async #orderOfInputs(originals: readonly Plan[], deployeds: readonly Plan[]): Promise<ChannelOrder | undefined> {
		const orders: ChannelOrder[] = [];
		// Bases first, because they need no numbers.
		const maps: (readonly [Plan, Plan])[] = [];
		for (const [index, original] of originals.entries()) {
			const deployed = deployeds[index];
			if (original.kind !== 'base' && deployed.kind !== 'base') {
				maps.push([original, deployed]);
				continue;
			}
			const counterpart =
				original.kind === 'base' ? this.#state.counterpartOf(original.name, original.axis) : undefined;
			if (!counterpart || deployed.kind !== 'base' || counterpart.base !== deployed.name) {
				return undefined;
			}
			const order = orderOf(counterpart);
			if (!order) {
				return undefined;
			}
			orders.push(order);
		}
		for (const [original, deployed] of maps) {
			const order = await this.#orderOfRows(original, deployed, orders[0]);
			if (!order) {
				return undefined;
			}
			orders.push(order);
		}
		const [first] = orders;
		return orders.every((order) => isSameOrder(order, first)) ? first : undefined;
	}

	/** @param expected order of the rows to test; undefined if it is unknown */
	async #orderOfRows(
		original: Plan,
		deployed: Plan,
		expected: ChannelOrder | undefined,
	): Promise<ChannelOrder | undefined> {
		const isInPlace = expected === undefined || expected === 'in-place';
		if (isInPlace && this.#state.context.isProven(partsOf(original), partsOf(deployed))) {
			return 'in-place';
		}
		const rows = await this.#comparer.rows(original, deployed);
		if (!rows || rows[0].length !== rows[1].length) {
			return undefined;
		}
		const isEqual = (found: readonly CanonicalRow[]) =>
			compareMaps(rows[0], found, this.#state.context.unitRoundoff).different === 0;
		if (isInPlace && isEqual(rows[1])) {
			return 'in-place';
		}
		const channels = expected === undefined ? assignRows(...rows) : expected;
		const isOrder = channels !== undefined && channels !== 'in-place' && haveNoFactors(channels);
		return isOrder && isEqual(channels.rows.map((row) => rows[1][row])) ? channels : undefined;
	}
}
