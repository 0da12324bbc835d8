import { FLOAT_FORMATS } from '../../numbers/float-formats.js';
import type { Model } from '../../onnx/model.js';
import type { LayerComparison } from '../../report/comparison/comparison.js';
import type { Deviation } from '../affine/compare-maps.js';
import type { RegionDifference } from '../affine/region-record.js';
import { ROUNDED_STEPS } from '../operators/expected.js';
import { channelCount, forEachRun, sameLayout } from '../operators/layout.js';
import type { LinearOperator } from '../operators/linear.js';
import type { OperatorWeights } from '../operators/weights.js';
import type { OperatorPair } from '../pairing/pairing.js';
import type { MatchedNetworks } from '../pairing/partners.js';
import { HANDING_ON, MOVING } from '../targets/walk-path.js';

/** Roundings that copying a constant may cost: a tool may scale it and divide it again. */
const ROUNDINGS = 8;

/** Constants of an operator without a layer that differ from the original's. */
interface ConstantDifference {
	readonly pair: OperatorPair;
	readonly compared: number;
	readonly different: number;
	/** Ascending. */
	readonly rows: readonly number[];
	readonly worst: Deviation;
	/** True if another operator may undo the difference: rows are multiples or copies of the original's. */
	readonly isUndoable: boolean;
	readonly isQuantized: boolean;
}

/**
 * Compares the constants of operators that no layer folds into. A correct deployment keeps them, up to rounding. Differences
 * that another operator may undo, as in equalized or permuted channels, count only in a pair of models without any other
 * difference. Reads the weights pair by pair and runs no model.
 * @param layers verdicts on the layers, by layer index
 */
export async function comparePlainOperators(
	models: MatchedNetworks,
	layers: readonly LayerComparison[],
): Promise<RegionDifference[]> {
	const { original, pairing } = models;
	const found: ConstantDifference[] = [];
	for (const pair of plainPairs(models, layers)) {
		const difference = await compareConstants(models, pair);
		if (difference && difference !== 'equal') {
			found.push(difference);
		}
	}
	const areAllPaired = original.operators.every((operator) => pairing.byOriginal.has(operator));
	const areLayersRight = layers.every(({ status }) => status === 'match' || status === 'kept');
	const isOnly = found.length === 1 && areAllPaired && areLayersRight;
	return found
		.filter((difference) => {
			const isEdited = 2 * difference.different <= difference.compared;
			return isOnly
				? isEdited || (isScaled(difference) && haveSameFactors(models.original.model, models.deployed.model))
				: isEdited && !difference.isUndoable;
		})
		.map(({ pair, compared, different, rows, worst }) => ({
			original: [pair.original.node],
			deployed: [pair.deployed.node],
			difference: { compared, different, rows, worst },
			isCertain: true,
		}));
}

/**
 * Returns the pairs of operators without a layer, or whose layers stayed. Leaves out neighbors of layers whose parameters
 * did not arrive in an operator of their own, because such a layer may be part of its neighbors.
 */
function plainPairs(
	{ original, deployed, pairing, kept }: MatchedNetworks,
	layers: readonly LayerComparison[],
): OperatorPair[] {
	const folded = new Set<LinearOperator>();
	for (const [index, layer] of original.layers.entries()) {
		const { status, maxAbs } = layers[index];
		const target = original.targets.get(layer);
		if (target && !kept.has(layer)) {
			folded.add(target.operator);
		}
		if ((status !== 'match' && status !== 'kept') || maxAbs === null) {
			for (const operator of [...(original.beforeLayer.get(layer) ?? []), ...(original.afterLayer.get(layer) ?? [])]) {
				folded.add(operator);
			}
		}
	}
	const stayed = new Set(kept.values());
	const others = new Set<LinearOperator>();
	for (const [layer, { operator }] of deployed.targets) {
		if (!stayed.has(layer)) {
			others.add(operator);
		}
	}
	const carriers = new Set(layers.flatMap(({ into }) => into?.name ?? []));
	return [...pairing.byOriginal.values()].filter(
		(pair) => !folded.has(pair.original) && !others.has(pair.deployed) && !carriers.has(pair.deployed.name),
	);
}

/** True if only the scale of a quantized weight differs. */
function isScaled({ isQuantized, isUndoable }: ConstantDifference): boolean {
	return isQuantized && isUndoable;
}

/** True if both models multiply by as many factors outside of their operators. */
function haveSameFactors(a: Model, b: Model): boolean {
	const [first, second] = [a, b].map(
		({ graph }) => graph.nodes.filter(({ opType }) => opType === 'Mul' || opType === 'Div').length,
	);
	return first === second;
}

/** True if two operators have the same constants, up to rounding; false also if they cannot be compared one by one. */
export async function hasSameConstants(
	models: Pick<MatchedNetworks, 'original' | 'deployed'>,
	pair: OperatorPair,
): Promise<boolean> {
	return (await compareConstants(models, pair)) === 'equal';
}

/** Compares the constants of two operators. @returns undefined if they cannot be compared one by one */
export async function compareConstants(
	{ original, deployed }: Pick<MatchedNetworks, 'original' | 'deployed'>,
	pair: OperatorPair,
): Promise<ConstantDifference | 'equal' | undefined> {
	const expected = await original.weights.read(pair.original);
	const found = expected.ok ? await deployed.weights.read(pair.deployed) : undefined;
	if (!expected.ok || !found?.ok || !sameLayout(expected.value.layout, found.value.layout)) {
		return undefined;
	}
	const { layout } = expected.value;
	const rows = channelCount(layout);
	const errors = new RowDeviations(rows);
	const { weightBound, biasBound } = boundsOf(expected.value, found.value);
	const [a, b] = [expected.value.weight, found.value.weight];
	if (a.length !== b.length) {
		return undefined;
	}
	const ends = endsOf(found.value);
	forEachRun(layout, (row, start) => {
		for (let index = start; index < start + layout.inner; index++) {
			const bound = weightBound(row, a[index]);
			if (!(Math.abs(b[index] - a[index]) <= bound) && !isClipped(ends, a[index], b[index])) {
				errors.add({ row, part: 'weight', found: b[index], expected: a[index], bound });
			}
		}
	});
	const biases = [expected.value.bias, found.value.bias] as const;
	if (biases[0] && biases[1]) {
		for (const [row, value] of biases[0].entries()) {
			const bound = biasBound(row, value);
			if (!(Math.abs(biases[1][row] - value) <= bound)) {
				errors.add({ row, part: 'bias', found: biases[1][row], expected: value, bound });
			}
		}
	}
	const { worst } = errors;
	if (!worst) {
		return (biases[0] === null) === (biases[1] === null) ? 'equal' : undefined;
	}
	return {
		pair,
		compared: a.length + (biases[0] && biases[1] ? rows : 0),
		different: errors.count,
		rows: errors.rows(),
		worst,
		isUndoable: !endsModel(pair.deployed) && isUndoable(expected.value, found.value, errors.rows()),
		isQuantized: found.value.grid !== undefined,
	};
}

/** Collects the numbers that differ by more than rounding. */
export class RowDeviations {
	readonly #wrong: Uint8Array;
	count = 0;
	worst: Deviation | undefined;
	#excess = 0;

	constructor(rows: number) {
		this.#wrong = new Uint8Array(rows);
	}

	add(deviation: Deviation): void {
		this.count += 1;
		this.#wrong[deviation.row] = 1;
		const excess = Math.abs(deviation.found - deviation.expected) / deviation.bound;
		if (!this.worst || excess > this.#excess) {
			this.worst = deviation;
			this.#excess = excess;
		}
	}

	rows(): number[] {
		return Array.from(this.#wrong.keys()).filter((row) => this.#wrong[row] === 1);
	}
}

/** Returns functions that bound the rounding of a number in a row. */
function boundsOf({ stored }: OperatorWeights, { stored: deployed, grid }: OperatorWeights) {
	const u = Math.max(FLOAT_FORMATS[stored].unitRoundoff, FLOAT_FORMATS[deployed].unitRoundoff);
	const { tiny } = FLOAT_FORMATS[deployed];
	const bound = (steps: Float64Array | undefined) => (row: number, value: number) =>
		ROUNDINGS * u * Math.abs(value) + tiny + ROUNDED_STEPS * (steps?.[row] ?? 0);
	return { weightBound: bound(grid?.weight), biasBound: bound(grid?.bias) };
}

/** Smallest and largest value of a quantized weight, if several numbers have it because the grid ends there. */
function endsOf({ weight, grid }: OperatorWeights): readonly [low: number, high: number] | undefined {
	if (!grid?.weight) {
		return undefined;
	}
	let [low, high, lows, highs] = [0, 0, 0, 0];
	for (const value of weight) {
		if (value < low) {
			[low, lows] = [value, 0];
		}
		if (value > high) {
			[high, highs] = [value, 0];
		}
		lows += Number(value === low);
		highs += Number(value === high);
	}
	return [lows > 1 ? low : Number.NEGATIVE_INFINITY, highs > 1 ? high : Number.POSITIVE_INFINITY];
}

/** True if a number was cut off at an end of the grid. */
function isClipped(ends: readonly [number, number] | undefined, expected: number, found: number): boolean {
	return ends !== undefined && ((found === ends[0] && expected < found) || (found === ends[1] && expected > found));
}

/** Maximum number of nodes between the last operator and an output of the model. */
const MAX_TAIL = 8;

/** True for an operator whose result is an output of the model, at most in another type or shape. */
function endsModel({ scope, output }: LinearOperator): boolean {
	let name = output;
	for (let step = 0; step < MAX_TAIL && !scope.isOutput(name); step++) {
		const [reader, ...others] = scope.consumers(name);
		if (
			!reader ||
			others.length > 0 ||
			reader.domain !== '' ||
			!(HANDING_ON.has(reader.opType) || MOVING.has(reader.opType))
		) {
			return false;
		}
		name = reader.outputs[0] ?? '';
	}
	return scope.isOutput(name) && scope.depth === 0;
}

/** Maximum number of different rows that are looked for among the others. */
const MAX_MOVED_ROWS = 16;

/** True if every row that differs is a positive multiple of an original row, up to rounding. */
function isUndoable(expected: OperatorWeights, found: OperatorWeights, wrong: readonly number[]): boolean {
	const [originals, deployeds] = [rowsOf(expected), rowsOf(found)];
	const { weightBound } = boundsOf(expected, found);
	const isMultiple = (row: number, other: readonly number[]): boolean => {
		const values = deployeds[row];
		const factor = factorOf(other, values);
		return factor > 0 && values.every((value, i) => Math.abs(value - factor * other[i]) <= weightBound(row, value));
	};
	return wrong.every(
		(row) =>
			isMultiple(row, originals[row]) ||
			wrong.length > MAX_MOVED_ROWS ||
			originals.some((other) => isMultiple(row, other)),
	);
}

/** Returns the numbers of each row. */
function rowsOf({ weight, layout }: OperatorWeights): number[][] {
	const rows = Array.from({ length: channelCount(layout) }, (): number[] => []);
	forEachRun(layout, (row, start) => {
		for (let index = start; index < start + layout.inner; index++) {
			rows[row].push(weight[index]);
		}
	});
	return rows;
}

/** Returns the factor for which multiples of `a` come closest to `b`; NaN for a row of zeros. */
function factorOf(a: readonly number[], b: readonly number[]): number {
	let [energy, product] = [0, 0];
	for (let index = 0; index < a.length; index++) {
		energy += a[index] * a[index];
		product += a[index] * b[index];
	}
	return product / energy;
}
