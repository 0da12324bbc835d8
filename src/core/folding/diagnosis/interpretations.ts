import { areRepresentable } from '../../numbers/float-formats.js';
import { expectedFold } from '../operators/expected.js';
import { parameterOrders } from './hypotheses/parameter-order.js';
import { type Arrangement, wrongAxes, wrongGroupOrders } from './observed/arrangement.js';
import { computedWeightSlack, withSlack } from './observed/computed-constants.js';
import type { FoldCase } from './observed/fold-case.js';
import { permutedChannels } from './observed/permutation.js';
import { type DeployedPrecision, deployedPrecisions, roundedCopyPrecision } from './observed/precision.js';
import { countMultiples, type RowRatios, rowRatios } from './observed/ratios.js';

/** An assumption about the deployed weights: their arrangement and their rounding. */
export interface Interpretation {
	readonly arrangement: Arrangement;
	readonly precision: DeployedPrecision;
	readonly ratios: RowRatios;
	/** Share of the informative rows that are multiples of their originals. */
	readonly fit: number;
}

/** Minimum share of rows that an arrangement must make multiples. */
const MIN_FIT = 0.75;

/** Returns interpretations with rows and parameters in their places, one for each rounding that the values admit. */
export function plainInterpretations(fold: FoldCase): readonly Interpretation[] {
	const { layout } = fold.original;
	const copy = fold.isRoundedCopy
		? [roundedCopyPrecision(fold, expectedFold(fold.original.bias, fold.parameters).scale)]
		: [];
	const read = [
		...deployedPrecisions(fold.deployed.weight, layout, fold.stored, fold.source, fold.grid?.weight),
		...copy,
	].map((precision) => interpret(fold, { deviation: null, layout }, precision));
	return read.filter(({ precision }) => isWarranted(fold, precision, read));
}

/**
 * Returns interpretations with rows or parameters in another order, or scaled along another axis, if the rows allow them.
 * @param isExplained every row is explained with the parameters in their order: no other order could be as short.
 */
export function rearrangedInterpretations(
	fold: FoldCase,
	right: readonly Interpretation[],
	isExplained: boolean,
): readonly Interpretation[] {
	return [...rearrangeWeights(fold, right), ...(isExplained ? [] : reorderParameters(fold, bestFit(right)))];
}

/** Returns the first of the interpretations under which most rows are multiples. */
export function bestFit(settings: readonly Interpretation[]): Interpretation {
	return settings.reduce((a, b) => (b.fit > a.fit ? b : a));
}

/** False for a loose rounding if a strict rounding fits all rows. The loose rounding would hide errors. */
function isWarranted(
	{ original }: FoldCase,
	{ loose, cause }: DeployedPrecision,
	read: readonly Interpretation[],
): boolean {
	if (!loose) {
		return true;
	}
	const isStrictEnough = read.some(({ precision, fit }) => !precision.loose && precision.cause === cause && fit === 1);
	return !isStrictEnough || (loose.type !== undefined && areRepresentable(original.weight, loose.type));
}

function interpret(fold: FoldCase, arrangement: Arrangement, precision: DeployedPrecision): Interpretation {
	const { scale } = expectedFold(fold.original.bias, fold.parameters);
	const ratios = rowRatios({
		deployed: fold.deployed.weight,
		original: fold.original.weight,
		layout: arrangement.layout,
		relative: precision.tolerance.weightRelative,
		absolute: withSlack(precision.absolute, computedWeightSlack(fold, scale)),
		...(arrangement.source && { source: arrangement.source }),
	});
	const { multiples, informative } = countMultiples(ratios);
	return { arrangement, precision, ratios, fit: informative > 0 ? multiples / informative : 1 };
}

/** Other arrangements of the weights themselves: wrong axes, channels in another order. */
function rearrangeWeights(fold: FoldCase, right: readonly Interpretation[]): Interpretation[] {
	const { layout } = fold.original;
	// Along another axis a row mixes rows of the tensor, so their largest step applies.
	const precisions = right.map(({ precision }) => {
		const largest = precision.absolute.reduce((a, b) => Math.max(a, b), 0);
		return { ...precision, absolute: new Float64Array(precision.absolute.length).fill(largest) };
	});
	const settings = wrongAxes(fold.dims, layout).map((arrangement) =>
		bestFit(precisions.map((precision) => interpret(fold, arrangement, precision))),
	);
	for (const { precision, ratios } of right) {
		const options = {
			deployed: fold.deployed.weight,
			original: fold.original.weight,
			layout,
			relative: precision.tolerance.weightRelative,
			absolute: precision.absolute,
		};
		settings.push(...permutedChannels(options, ratios).map((arrangement) => interpret(fold, arrangement, precision)));
	}
	return settings.filter(({ fit }) => fit >= MIN_FIT);
}

/** Rows in place, parameters in another order. */
function reorderParameters(fold: FoldCase, setting: Interpretation): Interpretation[] {
	if (setting.fit < MIN_FIT) {
		return [];
	}
	const { layout } = setting.arrangement;
	const orders = [...wrongGroupOrders(layout, fold.groups), ...parameterOrders(fold, setting.ratios)];
	return orders.map((arrangement) => ({ ...setting, arrangement }));
}
