import { product } from '../../numbers/arrays.js';
import type { AffineMap, Tap } from './affine-map.js';
import {
	assignRows,
	basesOf,
	type CanonicalRow,
	comparableRows,
	compareMaps,
	type MapDifference,
} from './compare-maps.js';
import { inDeployedTerms } from './counterparts.js';
import { haveEqualAttributes, haveEqualConstants } from './equal-operators.js';
import { Evaluator, MAX_COEFFICIENTS } from './evaluate.js';
import { type Plan, partsOf } from './plan.js';
import { channelsKey, type RegionParts, type RegionRecord } from './region-record.js';
import { areInPlace, haveNoFactors, isAsWide, orderOf, scaleRow, withoutRoundedFactors } from './region-rows.js';
import type { SearchState } from './search-state.js';

/** Maximum number of deployed tensors tried for an original tensor without a counterpart. */
const MAX_CANDIDATES = 8;

/** A tensor and the plan of its channels, or of the input of the function that computes it. */
export interface Candidate {
	readonly base: string;
	readonly axis: number;
	readonly plan: Plan;
}

const isPartlyWrong = ({ different, compared }: MapDifference): boolean => different > 0 && 2 * different <= compared;

/** Compares regions by their coefficients, and finds counterparts whose channels are multiples of the original's. */
export class RegionComparer {
	readonly #state: SearchState;
	readonly #originals: Evaluator;
	readonly #deployeds: Evaluator;
	readonly #checked = new Set<string>();
	/** Bases that the coefficients of an evaluated plan of the original read. */
	readonly #usedBases = new Map<Plan, ReadonlySet<string>>();

	/** @param block channels in a block of weights in onnxruntime's own layout */
	constructor(state: SearchState, block: number) {
		const { original, deployed } = state.context;
		this.#state = state;
		this.#originals = new Evaluator(state.originalPlans.scope, original.weights, block);
		this.#deployeds = new Evaluator(state.deployedPlans.scope, deployed.weights, block);
	}

	/** Compares the coefficients of a tensor and its counterpart. @param isOutput true for an output of the model */
	async checkTensor(name: string, axis: number, isOutput = false): Promise<void> {
		const key = channelsKey(name, axis);
		const counterpart = this.#state.counterpartOf(name, axis);
		// A counterpart with channels of its own was found by its coefficients.
		if (counterpart && !counterpart.channels && !this.#checked.has(key)) {
			this.#checked.add(key);
			const plans = [
				this.#state.originalPlans.of(name, axis),
				this.#state.deployedPlans.of(counterpart.base, counterpart.axis),
			] as const;
			await this.compare(...plans, isOutput);
		}
	}

	/** @param isOutput true for an output of the model, whose counterpart is certain */
	async compare(original: Plan, deployed: Plan, isOutput = false): Promise<void> {
		const parts = [partsOf(original), partsOf(deployed)] as const;
		if (original.kind === 'base' || this.#state.context.isProven(...parts)) {
			this.#state.record.contradict(this.basesRead(parts[0]));
			return;
		}
		const compared = await this.#equalNumbers(original, deployed);
		if (compared !== undefined) {
			this.#add(parts, { difference: { compared, different: 0, rows: [], worst: undefined } });
			return;
		}
		const rows = await this.rows(original, deployed);
		if (rows && rows[0].length <= rows[1].length) {
			const difference = compareMaps(...rows, this.#state.context.unitRoundoff);
			const isCertain = isOutput && isPartlyWrong(difference) && this.#haveOwnOrder(parts[0]);
			this.#add(parts, { difference, ...(isCertain && { isCertain }) });
		}
	}

	/** Evaluates two plans. @returns undefined if their coefficients do not correspond */
	async rows(
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

	/** Takes the first candidate with multiples of the tensor's channels as counterpart. */
	async choose(original: Candidate, candidates: readonly Candidate[], factors: 'positive' | 'one'): Promise<void> {
		for (const { base, axis, plan } of candidates.slice(0, MAX_CANDIDATES)) {
			const parts = [partsOf(original.plan), partsOf(plan)] as const;
			const rows = await this.rows(original.plan, plan);
			const assigned = rows && isAsWide(...rows) ? assignRows(...rows) : undefined;
			const channels = assigned && withoutRoundedFactors(assigned, this.#state.context.unitRoundoff);
			if (rows && !channels && this.#state.context.haveArrived(...parts)) {
				// The layer is there, so that an order or factors assumed in front of it are wrong.
				this.#state.record.contradict(this.basesRead(parts[0]));
				this.#state.assign(channelsKey(original.base, original.axis), { base, axis });
				return;
			}
			if (!rows || !channels || (factors === 'one' && !haveNoFactors(channels))) {
				continue;
			}
			const expected = rows[0].map((row, index) => scaleRow(row, channels.factors[index], channels.slack?.[index]));
			const found = channels.rows.map((index) => rows[1][index]);
			const difference = compareMaps(expected, found, this.#state.context.unitRoundoff);
			// Rows of the same direction with other biases belong to another tensor.
			if (2 * difference.rows.length <= rows[0].length) {
				const key = channelsKey(original.base, original.axis);
				this.#state.assign(key, { base, axis, channels });
				this.#add(parts, { difference, ...(!areInPlace(channels) && { assumes: key }) });
				return;
			}
		}
	}

	/** Returns the keys of the bases that a region reads. */
	basesRead(original: readonly Plan[]): readonly string[] {
		const used = this.#usedBases.get(original[0]);
		// A part of a Split may leave out whole bases.
		const isKnown = used !== undefined || original.every(({ kind }) => kind !== 'split');
		const bases = isKnown ? original.filter((part) => part.kind === 'base') : [];
		return bases.filter(({ name }) => used?.has(name) !== false).map(({ name, axis }) => channelsKey(name, axis));
	}

	/** True if the channels of all bases stand in the original's order, or in another order without factors. */
	#haveOwnOrder(original: readonly Plan[]): boolean {
		return original.every((part) => {
			const counterpart = part.kind === 'base' ? this.#state.counterpartOf(part.name, part.axis) : undefined;
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
		const counterpart = base.kind === 'base' ? this.#state.counterpartOf(base.name, base.axis) : undefined;
		const isBehind =
			deployedBase.kind === 'base' &&
			counterpart?.base === deployedBase.name &&
			counterpart.axis === deployedBase.axis &&
			!counterpart.channels;
		const dims = isBehind ? await this.#state.context.original.weights.dims(original.operator) : undefined;
		if (!dims || product(dims) > MAX_COEFFICIENTS || base.kind !== 'base') {
			return undefined;
		}
		const expected = await this.#state.context.original.weights.read(original.operator);
		const found = expected.ok ? await this.#state.context.deployed.weights.read(deployed.operator) : undefined;
		if (!expected.ok || !found?.ok || !haveEqualConstants(expected.value, found.value)) {
			return undefined;
		}
		await this.checkTensor(base.name, base.axis);
		return expected.value.weight.length + (expected.value.bias?.length ?? 0);
	}

	/** @param found map of the deployed model, with the bases that may be counterparts */
	async #inDeployedTerms(map: AffineMap, found: AffineMap): Promise<AffineMap | undefined> {
		const used = basesOf(map);
		for (const { base, axis } of map.taps.values()) {
			if (used.has(base) && !this.#state.counterpartOf(base, axis)) {
				await this.#searchOperator(base, axis, [...found.taps.values()]);
			}
		}
		const renamed = inDeployedTerms(map, used, (base, axis) => this.#state.counterpartOf(base, axis));
		for (const { base, axis } of map.taps.values()) {
			if (renamed && used.has(base)) {
				// Results between two operators are compared by themselves.
				await this.checkTensor(base, axis);
			}
		}
		return renamed;
	}

	/** Looks for the result of an operator among the bases of a deployed map. */
	async #searchOperator(base: string, axis: number, taps: readonly Tap[]): Promise<void> {
		const plan = this.#state.originalPlans.of(base, axis);
		const bases = new Map(taps.filter((tap) => !this.#state.isTaken(tap.base)).map((tap) => [tap.base, tap]));
		const candidates = Array.from(bases.values(), (tap): Candidate => {
			return { base: tap.base, axis: tap.axis, plan: this.#state.deployedPlans.of(tap.base, tap.axis) };
		}).filter(({ plan: { kind } }) => kind !== 'base');
		if (plan.kind !== 'base') {
			await this.choose({ base, axis, plan }, candidates, 'positive');
		}
	}

	#add(parts: RegionParts, found: Parameters<RegionRecord['add']>[2]): void {
		this.#state.record.add(parts, this.basesRead(parts[0]), found);
	}
}
