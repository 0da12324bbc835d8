import { product } from '../../numbers/arrays.js';
import { dequantizer } from '../operators/linear.js';
import type { Network } from '../targets/network.js';
import type { AffineMap, Tap } from './affine-map.js';
import { BLOCK_SIZES } from './blocked-weights.js';
import {
	assignRows,
	basesOf,
	type CanonicalRow,
	comparableRows,
	compareMaps,
	type MapDifference,
	type RowAssignment,
} from './compare-maps.js';
import { type Counterpart, inDeployedTerms } from './counterparts.js';
import { areEqual, haveEqualAttributes, haveEqualConstants } from './equal-operators.js';
import { Evaluator, MAX_COEFFICIENTS } from './evaluate.js';
import { type BasePlan, isPointwise, type Plan, partsOf } from './plan.js';
import { BLOCKED_DOMAIN, type FunctionSource, Planner, type QuantizerFunctions } from './planner.js';
import { quantizerFunctions } from './quantizer-functions.js';
import { channelsKey, type RegionDifference, type RegionParts, RegionRecord } from './region-record.js';
import {
	areInPlace,
	basesIn,
	type ChannelOrder,
	haveNoFactors,
	isAsWide,
	isSameOrder,
	orderOf,
	scaleRow,
	withoutRoundedFactors,
} from './region-rows.js';

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
/** Roundings that copying a slope may cost. */
const SLOPE_ROUNDINGS = 8;
/** Maximum number of deployed tensors tried for an original tensor without a counterpart. */
const MAX_CANDIDATES = 8;

/**
 * Compares the affine regions of two models, from a nonlinear function to the next, by their coefficients. In contrast
 * to values, coefficients show a small error of a single weight. Constants on a grid may err by half a step. Leaves out
 * regions with computed constants, and regions with inputs that have no counterpart.
 */
export async function checkRegions(context: RegionContext): Promise<RegionDifference[]> {
	const differences: RegionDifference[][] = [];
	const quantizers = await quantizerFunctions(context.deployed, context.original);
	for (const block of isBlocked(context.deployed) ? BLOCK_SIZES : [BLOCK_SIZES[0]]) {
		differences.push(await new RegionChecker(context, block, quantizers).check());
	}
	return differences.reduce((a, b) => (numbersIn(b) < numbersIn(a) ? b : a));
}

function isBlocked({ model }: Network): boolean {
	return model.graph.nodes.some(({ domain, opType }) => domain === BLOCKED_DOMAIN && opType === 'Conv');
}

const isPartlyWrong = ({ different, compared }: MapDifference): boolean => different > 0 && 2 * different <= compared;

const numbersIn = (differences: readonly RegionDifference[]): number =>
	differences.reduce((sum, { difference }) => sum + difference.different, 0);

/** A tensor and the plan of its channels, or of the input of the function that computes it. */
interface Candidate {
	readonly base: string;
	readonly axis: number;
	readonly plan: Plan;
}

/** A tensor and the plans of the inputs of the function that computes it. */
interface FunctionPlace {
	readonly base: string;
	readonly axis: number;
	readonly inputs: readonly Plan[];
}

class RegionChecker {
	readonly #context: RegionContext;
	readonly #original: Planner;
	readonly #deployed: Planner;
	readonly #originals: Evaluator;
	readonly #deployeds: Evaluator;
	/** Counterparts found by their coefficients, by base and axis of the original. */
	readonly #found = new Map<string, Counterpart>();
	/** Deployed tensors with a known original. */
	readonly #taken: Set<string>;
	readonly #checked = new Set<string>();
	/** Bases that the coefficients of an evaluated plan of the original read. */
	readonly #usedBases = new Map<Plan, ReadonlySet<string>>();
	readonly #record = new RegionRecord();

	constructor(context: RegionContext, block: number, quantizers: QuantizerFunctions) {
		const { original, deployed, pairs } = context;
		this.#context = context;
		this.#taken = new Set(Array.from(pairs.values(), (pair) => pair.deployed));
		this.#original = new Planner(original, (name) => pairs.has(name));
		this.#deployed = new Planner(deployed, (name) => this.#taken.has(name), quantizers);
		this.#originals = new Evaluator(this.#original.scope, original.weights, block);
		this.#deployeds = new Evaluator(this.#deployed.scope, deployed.weights, block);
	}

	async check(): Promise<RegionDifference[]> {
		const { graph } = this.#context.original.model;
		this.#pairOutputs();
		for (const { outputs } of graph.nodes) {
			for (const name of outputs.filter((each) => each !== '')) {
				await this.#checkFunction(name);
			}
		}
		for (const { name } of graph.outputs) {
			await this.#checkTensor(name, this.#original.axisOf(name), true);
		}
		return this.#record.differences();
	}

	/** Takes the outputs of both models for counterparts, by their positions. */
	#pairOutputs(): void {
		const [originals, deployeds] = [this.#context.original, this.#context.deployed].map(
			({ model }) => model.graph.outputs,
		);
		for (const [index, { name }] of originals.entries()) {
			const axis = this.#original.axisOf(name);
			const base = deployeds[index]?.name;
			if (base !== undefined && !this.#counterpartOf(name, axis)) {
				// A model in another type casts its results.
				const root = this.#deployed.rootOf(base, axis);
				const isCast = root.kind === 'base' && this.#original.rootOf(name, axis).kind === 'base';
				this.#found.set(channelsKey(name, axis), isCast ? { base: root.name, axis: root.axis } : { base, axis });
			}
		}
	}

	/** Compares the inputs of the function that computes a tensor, if a function computes it. */
	async #checkFunction(name: string): Promise<void> {
		const axis = this.#original.axisOf(name);
		const root = this.#original.rootOf(name, axis);
		const source = root.kind === 'base' && root.name === name ? this.#original.functionOf(name, axis) : undefined;
		if (!source) {
			return;
		}
		const counterpart = this.#counterpartOf(name, axis);
		if (!counterpart) {
			return this.#searchFunction(name, axis);
		}
		const deployed = this.#deployed.functionOf(counterpart.base, counterpart.axis);
		if (deployed?.name !== source.name || deployed.inputs.length !== source.inputs.length) {
			return;
		}
		if (this.#original.isOperator(name) && !(await this.#haveEqualWeights(name, counterpart.base))) {
			// Other weights make the same result of other inputs, and the readers' regions compare the operator.
			return;
		}
		for (const [index, input] of source.inputs.entries()) {
			await this.#compare(input, deployed.inputs[index]);
		}
	}

	/** True if two linear operators have the same weights, so that equal results show equal inputs. */
	async #haveEqualWeights(original: string, deployed: string): Promise<boolean> {
		const operators = [this.#original.operatorOf(original), this.#deployed.operatorOf(deployed)] as const;
		const expected = operators[0] && (await this.#context.original.weights.read(operators[0]));
		const found = operators[1] && expected?.ok ? await this.#context.deployed.weights.read(operators[1]) : undefined;
		return expected?.ok === true && found?.ok === true && areEqual(expected.value.weight, found.value.weight);
	}

	/** Compares the coefficients of a tensor and its counterpart. @param isOutput true for an output of the model */
	async #checkTensor(name: string, axis: number, isOutput = false): Promise<void> {
		const key = channelsKey(name, axis);
		const counterpart = this.#counterpartOf(name, axis);
		// A counterpart with channels of its own was found by its coefficients.
		if (counterpart && !counterpart.channels && !this.#checked.has(key)) {
			this.#checked.add(key);
			const plans = [this.#original.of(name, axis), this.#deployed.of(counterpart.base, counterpart.axis)] as const;
			await this.#compare(...plans, isOutput);
		}
	}

	#counterpartOf(base: string, axis: number): Counterpart | undefined {
		const known = this.#found.get(channelsKey(base, axis));
		if (known) {
			return known;
		}
		const pair = this.#context.pairs.get(base);
		if (!pair) {
			return this.#inputLike(base, axis);
		}
		// Blocks of channels keep the channels' order.
		const isInBlocks = this.#deployed.scope.producer(pair.deployed)?.domain === BLOCKED_DOMAIN;
		if (pair.order === 'sorted' && !isInBlocks) {
			return undefined;
		}
		const last = (this.#deployed.rankOf(pair.deployed) ?? 0) - 1;
		const at = pair.order !== 'transposed' ? axis : axis === 1 ? last : 1;
		const root = this.#deployed.rootOf(pair.deployed, at);
		return root.kind === 'base' ? { base: root.name, axis: root.axis } : { base: pair.deployed, axis: at };
	}

	/** Returns the input of the deployed model at the position of an input of the original. */
	#inputLike(name: string, axis: number): Counterpart | undefined {
		const [originals, deployeds] = [this.#context.original, this.#context.deployed].map(({ model: { graph } }) =>
			graph.inputs.filter((input) => !graph.initializers.has(input.name)).map((input) => input.name),
		);
		const base = deployeds.includes(name) ? name : deployeds[originals.indexOf(name)];
		return originals.includes(name) && base !== undefined ? { base, axis } : undefined;
	}

	/** @param isOutput true for an output of the model, whose counterpart is certain */
	async #compare(original: Plan, deployed: Plan, isOutput = false): Promise<void> {
		const parts = [partsOf(original), partsOf(deployed)] as const;
		if (original.kind === 'base' || this.#context.isProven(...parts)) {
			this.#record.contradict(this.#basesRead(parts[0]));
			return;
		}
		const compared = await this.#equalNumbers(original, deployed);
		if (compared !== undefined) {
			this.#add(parts, { difference: { compared, different: 0, rows: [], worst: undefined } });
			return;
		}
		const rows = await this.#rows(original, deployed);
		if (rows && rows[0].length <= rows[1].length) {
			const difference = compareMaps(...rows, this.#context.unitRoundoff);
			const isCertain = isOutput && isPartlyWrong(difference) && this.#haveOwnOrder(parts[0]);
			this.#add(parts, { difference, ...(isCertain && { isCertain }) });
		}
	}

	/** True if the channels of all bases stand in the original's order, or in another order without factors. */
	#haveOwnOrder(original: readonly Plan[]): boolean {
		return original.every((part) => {
			const counterpart = part.kind === 'base' ? this.#counterpartOf(part.name, part.axis) : undefined;
			return part.kind !== 'base' || (counterpart !== undefined && orderOf(counterpart) !== undefined);
		});
	}

	/**
	 * Compares two operators with equal attributes, directly behind corresponding tensors, without evaluating their maps.
	 * @returns count of numbers that are all equal; undefined for other plans or numbers
	 */
	async #equalNumbers(original: Plan, deployed: Plan): Promise<number | undefined> {
		if (
			original.kind !== 'kernel' ||
			deployed.kind !== 'kernel' ||
			!haveEqualAttributes(original.node, deployed.node)
		) {
			return undefined;
		}
		const [base, deployedBase] = [original.input, deployed.input];
		const counterpart = base.kind === 'base' ? this.#counterpartOf(base.name, base.axis) : undefined;
		const isBehind =
			deployedBase.kind === 'base' &&
			counterpart?.base === deployedBase.name &&
			counterpart.axis === deployedBase.axis &&
			!counterpart.channels;
		const dims = isBehind ? await this.#context.original.weights.dims(original.operator) : undefined;
		if (!dims || product(dims) > MAX_COEFFICIENTS || base.kind !== 'base') {
			return undefined;
		}
		const expected = await this.#context.original.weights.read(original.operator);
		const found = expected.ok ? await this.#context.deployed.weights.read(deployed.operator) : undefined;
		if (!expected.ok || !found?.ok || !haveEqualConstants(expected.value, found.value)) {
			return undefined;
		}
		await this.#checkTensor(base.name, base.axis);
		return expected.value.weight.length + (expected.value.bias?.length ?? 0);
	}

	/** Evaluates two plans. @returns undefined if their coefficients do not correspond */
	async #rows(
		original: Plan,
		deployed: Plan,
	): Promise<readonly [readonly CanonicalRow[], readonly CanonicalRow[]] | undefined> {
		const found = await this.#deployeds.evaluate(deployed);
		const expected = found && (await this.#originals.evaluate(original, found.rows.length));
		if (expected) {
			this.#usedBases.set(original, basesOf(expected));
		}
		const renamed = expected && (await this.#inDeployedTerms(expected, found));
		if (!found || !renamed) {
			return undefined;
		}
		const rows = comparableRows(renamed, found);
		const bases = [basesOf(renamed), basesOf(found)];
		return rows && bases[0].size === bases[1].size && [...bases[0]].every((base) => bases[1].has(base))
			? rows
			: undefined;
	}

	/** @param found map of the deployed model, with the bases that may be counterparts */
	async #inDeployedTerms(map: AffineMap, found: AffineMap): Promise<AffineMap | undefined> {
		const used = basesOf(map);
		for (const { base, axis } of map.taps.values()) {
			if (used.has(base) && !this.#counterpartOf(base, axis)) {
				await this.#searchOperator(base, axis, [...found.taps.values()]);
			}
		}
		const renamed = inDeployedTerms(map, used, (base, axis) => this.#counterpartOf(base, axis));
		for (const { base, axis } of map.taps.values()) {
			if (renamed && used.has(base)) {
				// Results between two operators are compared by themselves.
				await this.#checkTensor(base, axis);
			}
		}
		return renamed;
	}

	/** Looks for the function of multiples of a tensor that has no counterpart. */
	async #searchFunction(name: string, axis: number): Promise<void> {
		const source = this.#original.functionOf(name, axis);
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
		const bases = basesIn(input).map((base) => this.#counterpartOf(base.name, base.axis)?.base);
		const isBehind = basesIn(input).some(
			(base, at) => bases[at] === undefined && !this.#original.isOperator(base.name),
		);
		if (isBehind) {
			return;
		}
		const pair = this.#context.pairs.get(name);
		const functions = this.#likeFunctions(source, pair ? [pair.deployed] : this.#freeTensors());
		const candidates = [...functions].flatMap(({ base, axis: at, inputs: [plan] }): Candidate[] => {
			const read = new Set<string | undefined>(basesIn(plan).map((each) => each.name));
			return bases.every((each) => each === undefined || read.has(each)) ? [{ base, axis: at, plan }] : [];
		});
		await this.#choose(
			{ base: name, axis, plan: input },
			candidates,
			HOMOGENEOUS.has(source.name) ? 'positive' : 'one',
		);
		await this.#checkConstants(source, channelsKey(name, axis));
	}

	/** Compares the constants of a function and its counterpart, such as the slopes of a PRelu, channel by channel. */
	async #checkConstants(source: FunctionSource, key: string): Promise<void> {
		const counterpart = this.#found.get(key);
		const deployed = counterpart && this.#deployed.functionOf(counterpart.base, counterpart.axis);
		if (!deployed || deployed.constants.length !== source.constants.length || source.name !== 'PRelu') {
			return;
		}
		for (const [index, name] of source.constants.entries()) {
			const other = deployed.constants[index] ?? '';
			const isQuantized = dequantizer(this.#deployed.scope, other) !== undefined;
			const expected = await this.#context.original.weights.constant(this.#original.scope, name);
			const found = isQuantized
				? undefined
				: await this.#context.deployed.weights.constant(this.#deployed.scope, other);
			const difference = expected && found && this.#slopeDifference(expected.data, found.data, counterpart.channels);
			if (difference) {
				const [own, its] = [expected.data, found.data].map((values) => values.toSorted());
				const isReordered = own.every((value, at) => value === its[at]);
				const isMoved = counterpart.channels !== undefined && !areInPlace(counterpart.channels);
				this.#record.addFunction([source.node, deployed.node], {
					difference,
					...(isReordered && { isReordered }),
					...(isMoved && { assumes: key }),
				});
			}
		}
	}

	#slopeDifference(
		expected: ArrayLike<number>,
		found: ArrayLike<number>,
		channels: RowAssignment | undefined,
	): MapDifference | undefined {
		const compared = expected.length;
		if (found.length !== compared || (channels && channels.rows.length !== compared)) {
			return undefined;
		}
		const rows: number[] = [];
		let worst: MapDifference['worst'];
		for (let row = 0; row < compared; row++) {
			const [value, its] = [expected[row], found[channels?.rows[row] ?? row]];
			const bound = SLOPE_ROUNDINGS * this.#context.unitRoundoff * Math.abs(value);
			if (!(Math.abs(its - value) <= bound)) {
				rows.push(row);
				const excess = Math.abs(its - value) / bound;
				worst =
					worst && Math.abs(worst.found - worst.expected) / worst.bound >= excess
						? worst
						: { row, part: 'constant', found: its, expected: value, bound };
			}
		}
		return worst && { compared, different: rows.length, rows, worst };
	}

	/** True for a function that leaves out the channels, or may do so. */
	#isReduced({ name, node }: FunctionSource, axis: number): boolean {
		const axes = this.#original.scope.attribute(node, 'axes')?.ints;
		const rank = this.#original.rankOf(node.inputs[0] ?? '');
		const isKept =
			axes !== undefined && rank !== undefined && !axes.some((each) => (each < 0 ? each + rank : each) === axis);
		return REDUCING.has(name) && !isKept;
	}

	/** Looks for the function of a counterpart, whose result has the same order of channels. */
	#followFunction(result: string, source: FunctionSource, input: BasePlan): void {
		const counterpart = this.#counterpartOf(input.name, input.axis);
		const channels = counterpart?.channels;
		if (!counterpart || (channels && !HOMOGENEOUS.has(source.name) && !haveNoFactors(channels))) {
			return;
		}
		for (const { base, axis, inputs } of this.#likeFunctions(source, this.#freeTensors())) {
			const [plan] = inputs;
			if (plan.kind === 'base' && plan.name === counterpart.base) {
				this.#found.set(result, { base, axis, ...(channels && { channels }) });
				this.#taken.add(base);
				this.#record.passOn(channels ? [channelsKey(input.name, input.axis)] : [], result);
				return;
			}
		}
	}

	/** Looks for a function of several tensors, such as x * sigmoid(x), with the same inputs. */
	async #searchJoint(name: string, axis: number, source: FunctionSource): Promise<void> {
		for (const { base, axis: at, inputs } of this.#likeFunctions(source, this.#freeTensors())) {
			const order = await this.#orderOfInputs(source.inputs, inputs);
			if (order) {
				const key = channelsKey(name, axis);
				const channels = order === 'in-place' ? undefined : order;
				this.#found.set(key, { base, axis: at, ...(channels && { channels }) });
				this.#taken.add(base);
				for (const input of channels ? source.inputs : []) {
					const bases = this.#basesRead(partsOf(input));
					if (isPointwise(input)) {
						this.#record.passOn(bases, key);
					} else {
						this.#record.confirm(bases);
					}
				}
				return;
			}
		}
	}

	/** Returns the deployed tensors without a known original. */
	#freeTensors(): readonly string[] {
		const { nodes } = this.#context.deployed.model.graph;
		return nodes.flatMap(({ outputs }) => outputs).filter((name) => !this.#taken.has(name));
	}

	/** Returns the tensors that a function of the same name and number of inputs computes. */
	*#likeFunctions({ name, inputs }: FunctionSource, tensors: readonly string[]): Generator<FunctionPlace> {
		for (const base of tensors) {
			const axis = this.#deployed.axisOf(base);
			const found = this.#deployed.functionOf(base, axis);
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
			const counterpart = original.kind === 'base' ? this.#counterpartOf(original.name, original.axis) : undefined;
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
		if (isInPlace && this.#context.isProven(partsOf(original), partsOf(deployed))) {
			return 'in-place';
		}
		const rows = await this.#rows(original, deployed);
		if (!rows || rows[0].length !== rows[1].length) {
			return undefined;
		}
		const isEqual = (found: readonly CanonicalRow[]) =>
			compareMaps(rows[0], found, this.#context.unitRoundoff).different === 0;
		if (isInPlace && isEqual(rows[1])) {
			return 'in-place';
		}
		const channels = expected === undefined ? assignRows(...rows) : expected;
		const isOrder = channels !== undefined && channels !== 'in-place' && haveNoFactors(channels);
		return isOrder && isEqual(channels.rows.map((row) => rows[1][row])) ? channels : undefined;
	}

	/** Looks for the result of an operator among the bases of a deployed map. */
	async #searchOperator(base: string, axis: number, taps: readonly Tap[]): Promise<void> {
		const plan = this.#original.of(base, axis);
		const bases = new Map(taps.filter((tap) => !this.#taken.has(tap.base)).map((tap) => [tap.base, tap]));
		const candidates = Array.from(bases.values(), (tap): Candidate => {
			return { base: tap.base, axis: tap.axis, plan: this.#deployed.of(tap.base, tap.axis) };
		}).filter(({ plan: { kind } }) => kind !== 'base');
		if (plan.kind !== 'base') {
			await this.#choose({ base, axis, plan }, candidates, 'positive');
		}
	}

	/** Takes the first candidate with multiples of the tensor's channels as counterpart. */
	async #choose(original: Candidate, candidates: readonly Candidate[], factors: 'positive' | 'one'): Promise<void> {
		for (const { base, axis, plan } of candidates.slice(0, MAX_CANDIDATES)) {
			const parts = [partsOf(original.plan), partsOf(plan)] as const;
			const rows = await this.#rows(original.plan, plan);
			const assigned = rows && isAsWide(...rows) ? assignRows(...rows) : undefined;
			const channels = assigned && withoutRoundedFactors(assigned, this.#context.unitRoundoff);
			if (rows && !channels && this.#context.haveArrived(...parts)) {
				// The layer is there, so that an order or factors assumed in front of it are wrong.
				this.#record.contradict(this.#basesRead(parts[0]));
				this.#found.set(channelsKey(original.base, original.axis), { base, axis });
				this.#taken.add(base);
				return;
			}
			if (!rows || !channels || (factors === 'one' && !haveNoFactors(channels))) {
				continue;
			}
			const expected = rows[0].map((row, index) => scaleRow(row, channels.factors[index], channels.slack?.[index]));
			const found = channels.rows.map((index) => rows[1][index]);
			const difference = compareMaps(expected, found, this.#context.unitRoundoff);
			// Rows of the same direction with other biases belong to another tensor.
			if (2 * difference.rows.length <= rows[0].length) {
				const key = channelsKey(original.base, original.axis);
				this.#found.set(key, { base, axis, channels });
				this.#taken.add(base);
				this.#add(parts, { difference, ...(!areInPlace(channels) && { assumes: key }) });
				return;
			}
		}
	}

	/** Returns the keys of the bases that a region reads. */
	#basesRead(original: readonly Plan[]): readonly string[] {
		const used = this.#usedBases.get(original[0]);
		// A part of a Split may leave out whole bases.
		const isKnown = used !== undefined || original.every(({ kind }) => kind !== 'split');
		const bases = isKnown ? original.filter((part) => part.kind === 'base') : [];
		return bases.filter(({ name }) => used?.has(name) !== false).map(({ name, axis }) => channelsKey(name, axis));
	}

	#add(parts: RegionParts, found: Parameters<RegionRecord['add']>[2]): void {
		this.#record.add(parts, this.#basesRead(parts[0]), found);
	}
}
