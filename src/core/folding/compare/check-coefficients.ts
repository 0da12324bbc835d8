import type { LayerComparison } from '../../report/comparison/comparison.js';
import { checkRegions } from '../affine/check-regions.js';
import type { Plan } from '../affine/plan.js';
import type { RegionDifference } from '../affine/region-record.js';
import type { LinearOperator } from '../operators/linear.js';
import type { MatchedNetworks } from '../pairing/partners.js';
import type { ValueMatch } from '../values/arrival.js';

/**
 * Compares the coefficients of the affine maps between functions, except for parts that parameters have shown to be
 * right.
 * @param layers of the original, by layer index, as their parameters judge them
 * @param tensors counterparts in the deployed model, by name of the original tensor
 */
export function checkCoefficients(
	{ original, deployed, pairing }: MatchedNetworks,
	layers: readonly LayerComparison[],
	{ tensors, unitRoundoff }: { readonly tensors: ReadonlyMap<string, ValueMatch>; readonly unitRoundoff: number },
): Promise<RegionDifference[]> {
	const arrived = new Set(
		original.layers.filter((_, index) => {
			const { status, maxAbs } = layers[index];
			return (status === 'match' || status === 'kept') && maxAbs !== null;
		}),
	);
	const behind = new Map<LinearOperator, boolean>();
	for (const [layer, { operator }] of original.targets) {
		behind.set(operator, (behind.get(operator) ?? true) && arrived.has(layer));
	}
	const haveArrived = (from: readonly Plan[], to: readonly Plan[]): boolean => {
		const [operators, deployedOperators] = [from, to].map((parts) =>
			parts.flatMap((part) => (part.kind === 'kernel' ? [part.operator] : [])),
		);
		const isPaired = deployedOperators.every((operator) => {
			const pair = pairing.byDeployed.get(operator);
			return pair !== undefined && operators.includes(pair.original) && behind.get(pair.original) === true;
		});
		const areLayersRight = from.every((part) => part.kind !== 'layer' || arrived.has(part.layer));
		return operators.length === deployedOperators.length && isPaired && areLayersRight;
	};
	const isProven = (from: readonly Plan[], to: readonly Plan[]): boolean =>
		to.every(({ kind }) => kind !== 'constant') && haveArrived(from, to);
	const pairs = new Map(
		Array.from(tensors, ([name, match]) => [name, { deployed: match.deployed, order: match.difference.order }]),
	);
	return checkRegions({
		...{ original, deployed, pairs, unitRoundoff, isProven },
		haveArrived: (from, to) => from.some(({ kind }) => kind === 'layer') && haveArrived(from, to),
	});
}
