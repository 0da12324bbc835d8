import { FLOAT_FORMATS } from '../../numbers/float-formats.js';
import type { LayerComparison } from '../../report/comparison/comparison.js';
import type { RegionDifference } from '../affine/region-record.js';
import { channelCount, forEachRun, sameLayout } from '../operators/layout.js';
import type { LinearOperator } from '../operators/linear.js';
import type { OperatorPair, Pairing } from '../pairing/pairing.js';
import type { MatchedNetworks } from '../pairing/partners.js';
import type { Network } from '../targets/network.js';
import { compareConstants, hasSameConstants } from './plain-operators.js';

type PairedNetworks = Pick<MatchedNetworks, 'original' | 'deployed' | 'pairing'>;

/** Roundings that computing a fold once more may cost. */
const ROUNDINGS = 16;
/** Share of rows that have their directions from the original in a copy. */
const MIN_ALIKE = 0.5;
/** Cosine of the angle between a row and its multiple, rounded to 8 bits at the coarsest. */
const MIN_COSINE = 0.99;

/** True if two operators of one kind follow the same operators. */
export function areParallel(a: LinearOperator, b: LinearOperator, { before }: Network): boolean {
	const [inFront, other] = [a, b].map((operator) => before.get(operator) ?? new Set<LinearOperator>());
	return a.kind === b.kind && inFront.size === other.size && [...inFront].every((each) => other.has(each));
}

/**
 * Returns the deployed operators without a partner that are copies of a pair's operator: tools copy an operator with several
 * readers, to fold a layer for one of them.
 */
export async function copiesOf(
	pair: OperatorPair,
	{ deployed, pairing, original }: PairedNetworks,
): Promise<LinearOperator[]> {
	const { scope, output } = pair.original;
	const isShared = scope.consumers(output).length + Number(scope.isOutput(output)) > 1;
	const copies: LinearOperator[] = [];
	for (const other of isShared ? deployed.operators : []) {
		const isCopy =
			!pairing.byDeployed.has(other) &&
			areParallel(other, pair.deployed, deployed) &&
			(await haveLikeRows(pair.original, other, { original, deployed }));
		if (isCopy) {
			copies.push(other);
		}
	}
	return copies;
}

/** True if most rows of a deployed operator are multiples of the original's. */
async function haveLikeRows(
	a: LinearOperator,
	b: LinearOperator,
	{ original, deployed }: Pick<MatchedNetworks, 'original' | 'deployed'>,
): Promise<boolean> {
	const dims = [await original.weights.dims(a), await deployed.weights.dims(b)];
	const [own, its] =
		String(dims[0]) === String(dims[1]) ? [await original.weights.read(a), await deployed.weights.read(b)] : [];
	if (!own?.ok || !its?.ok || !sameLayout(own.value.layout, its.value.layout)) {
		return false;
	}
	const { layout } = own.value;
	const [x, y] = [own.value.weight, its.value.weight];
	const rows = channelCount(layout);
	const [xy, xx, yy] = [new Float64Array(rows), new Float64Array(rows), new Float64Array(rows)];
	forEachRun(layout, (row, start) => {
		for (let index = start; index < start + layout.inner; index++) {
			xy[row] += x[index] * y[index];
			xx[row] += x[index] * x[index];
			yy[row] += y[index] * y[index];
		}
	});
	const alike = xy.filter((value, row) => Math.abs(value) >= MIN_COSINE * Math.sqrt(xx[row] * yy[row])).length;
	return alike >= MIN_ALIKE * rows;
}

/**
 * Gives layers the copy of their operator that is not the original: where an operator was copied for a layer and for another
 * reader, the reader's copy has the original constants. Names the copies with these constants.
 */
export async function chooseCopies(models: PairedNetworks): Promise<Pairing> {
	const { original, pairing } = models;
	const byOriginal = new Map(pairing.byOriginal);
	const byDeployed = new Map(pairing.byDeployed);
	const plain = new Set<LinearOperator>();
	const layered = new Set(Array.from(original.targets.values(), ({ operator }) => operator));
	for (const pair of pairing.byOriginal.values()) {
		const copies = layered.has(pair.original) ? await copiesOf(pair, models) : [];
		const [copy] = copies;
		if (!copy || copies.length > 1) {
			continue;
		}
		const isPlain = await Promise.all(
			[pair.deployed, copy].map((deployed) => hasSameConstants(models, { ...pair, deployed })),
		);
		if (isPlain[0] && !isPlain[1]) {
			byDeployed.delete(pair.deployed);
			byOriginal.set(pair.original, { ...pair, deployed: copy });
			byDeployed.set(copy, { ...pair, deployed: copy });
			plain.add(pair.deployed);
		} else if (isPlain[1]) {
			plain.add(copy);
		}
	}
	return { ...pairing, byOriginal, byDeployed, plainCopies: plain };
}

/**
 * Compares the copies of operators with a layer that arrived. The other readers need the original constants, or the fold
 * that the layer's copy has.
 * @param layers verdicts on the layers, by layer index
 */
export async function compareOperatorCopies(
	models: MatchedNetworks,
	layers: readonly LayerComparison[],
): Promise<RegionDifference[]> {
	const { original, deployed, pairing, kept } = models;
	const differences: RegionDifference[] = [];
	for (const [index, layer] of original.layers.entries()) {
		const operator = original.targets.get(layer)?.operator;
		const pair = operator && pairing.byOriginal.get(operator);
		if (!pair || layers[index].status !== 'match' || layers[index].maxAbs === null || kept.has(layer)) {
			continue;
		}
		const others = original.layers.filter((each) => original.targets.get(each)?.operator === operator);
		for (const copy of others.length === 1 ? await copiesOf(pair, models) : []) {
			const difference = await compareConstants(models, { ...pair, deployed: copy });
			if (difference && difference !== 'equal' && !(await areSame(pair.deployed, copy, deployed))) {
				const { compared, different, rows, worst } = difference;
				differences.push({
					original: [pair.original.node],
					deployed: [copy.node],
					difference: { compared, different, rows, worst },
					isCertain: true,
				});
			}
		}
	}
	return differences;
}

/** True if two operators of a model have the same constants, up to rounding and the steps of a grid. */
async function areSame(a: LinearOperator, b: LinearOperator, { weights }: Network): Promise<boolean> {
	const [own, its] = [await weights.read(a), await weights.read(b)];
	if (!own.ok || !its.ok) {
		return false;
	}
	const { unitRoundoff, tiny } = FLOAT_FORMATS[its.value.stored];
	const isQuantized = own.value.grid !== undefined || its.value.grid !== undefined;
	const isEqual = (x: ArrayLike<number>, y: ArrayLike<number>) => {
		const largest = Array.from(x).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
		const bound = isQuantized ? largest / QUANTIZED : ROUNDINGS * unitRoundoff * largest + tiny;
		return x.length === y.length && Array.from(x).every((value, index) => Math.abs(value - y[index]) <= bound);
	};
	return isEqual(own.value.weight, its.value.weight) && isEqual(own.value.bias ?? [], its.value.bias ?? []);
}

/** Steps of 8 bits on one side of 0. */
const QUANTIZED = 127;
