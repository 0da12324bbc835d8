import type { Network } from '../targets/network.js';
import { BLOCK_SIZES } from './blocked-weights.js';
import { RegionComparer } from './compare-regions.js';
import { areEqual } from './equal-operators.js';
import { BLOCKED_DOMAIN, type QuantizerFunctions } from './planner.js';
import { quantizerFunctions } from './quantizer-functions.js';
import type { RegionDifference } from './region-record.js';
import { FunctionSearch } from './search-functions.js';
import { type RegionContext, SearchState } from './search-state.js';

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

const numbersIn = (differences: readonly RegionDifference[]): number =>
	differences.reduce((sum, { difference }) => sum + difference.different, 0);

/** Compares the functions of the original in the order of its nodes, so that a function's bases are known before it. */
class RegionChecker {
	readonly #state: SearchState;
	readonly #comparer: RegionComparer;
	readonly #functions: FunctionSearch;

	constructor(context: RegionContext, block: number, quantizers: QuantizerFunctions) {
		this.#state = new SearchState(context, quantizers);
		this.#comparer = new RegionComparer(this.#state, block);
		this.#functions = new FunctionSearch(this.#state, this.#comparer);
	}

	async check(): Promise<RegionDifference[]> {
		const { graph } = this.#state.context.original.model;
		this.#state.pairOutputs();
		for (const { outputs } of graph.nodes) {
			for (const name of outputs.filter((each) => each !== '')) {
				await this.#checkFunction(name);
			}
		}
		for (const { name } of graph.outputs) {
			await this.#comparer.checkTensor(name, this.#state.originalPlans.axisOf(name), true);
		}
		return this.#state.record.differences();
	}

	/** Compares the inputs of the function that computes a tensor, if a function computes it. */
	async #checkFunction(name: string): Promise<void> {
		const axis = this.#state.originalPlans.axisOf(name);
		const root = this.#state.originalPlans.rootOf(name, axis);
		const source =
			root.kind === 'base' && root.name === name ? this.#state.originalPlans.functionOf(name, axis) : undefined;
		if (!source) {
			return;
		}
		const counterpart = this.#state.counterpartOf(name, axis);
		if (!counterpart) {
			return this.#functions.search(name, axis);
		}
		const deployed = this.#state.deployedPlans.functionOf(counterpart.base, counterpart.axis);
		if (deployed?.name !== source.name || deployed.inputs.length !== source.inputs.length) {
			return;
		}
		if (this.#state.originalPlans.isOperator(name) && !(await this.#haveEqualWeights(name, counterpart.base))) {
			// Other weights make the same result of other inputs, and the readers' regions compare the operator.
			return;
		}
		for (const [index, input] of source.inputs.entries()) {
			await this.#comparer.compare(input, deployed.inputs[index]);
		}
	}

	/** True if two linear operators have the same weights, so that equal results show equal inputs. */
	async #haveEqualWeights(original: string, deployed: string): Promise<boolean> {
		const operators = [
			this.#state.originalPlans.operatorOf(original),
			this.#state.deployedPlans.operatorOf(deployed),
		] as const;
		const expected = operators[0] && (await this.#state.context.original.weights.read(operators[0]));
		const found =
			operators[1] && expected?.ok ? await this.#state.context.deployed.weights.read(operators[1]) : undefined;
		return expected?.ok === true && found?.ok === true && areEqual(expected.value.weight, found.value.weight);
	}
}
