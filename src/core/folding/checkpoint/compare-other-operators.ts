import type { DifferingOperator } from '../../report/comparison/comparison.js';
import { type FoldVariant, isRight, judgeVariant } from '../compare/judge-variants.js';
import { identityParameters } from '../operators/layer-parameters.js';
import type { OperatorPair } from '../pairing/pairing.js';
import { type MatchedNetworks, PartnerReader } from '../pairing/partners.js';
import { addedBehind } from '../targets/added-behind.js';
import { directTarget } from '../targets/target.js';

/**
 * Compares the operators without a layer: a classifier, or a convolution with a bias instead of a layer. Their deployed
 * weight and bias must equal the checkpoint's.
 * @param models networks of the checkpoint and the deployed model
 * @param merged names of layers that went into a sum of branches
 * @returns the operators that differ by more than rounding, in the order of the checkpoint
 */
export async function compareOtherOperators(
	models: MatchedNetworks,
	merged: ReadonlySet<string>,
): Promise<readonly DifferingOperator[]> {
	const { original, pairing, kept } = models;
	const partners = new PartnerReader(models);
	const folded = new Set([
		...Array.from(original.targets.values(), ({ operator }) => operator),
		...Array.from(original.forwards.values(), ({ operator }) => operator),
	]);
	// A layer without a place may have gone into any operator with its channels.
	const isOpen = original.layers.some(
		(layer) =>
			!kept.has(layer) && !original.targets.has(layer) && !original.forwards.has(layer) && !merged.has(layer.name),
	);
	const differing: DifferingOperator[] = [];
	for (const operator of isOpen ? [] : original.operators) {
		const pair = folded.has(operator) ? undefined : pairing.byOriginal.get(operator);
		const difference = pair && (await differenceOf(pair, partners, models));
		if (difference) {
			differing.push(difference);
		}
	}
	return differing;
}

async function differenceOf(
	pair: OperatorPair,
	partners: PartnerReader,
	{ deployed }: MatchedNetworks,
): Promise<DifferingOperator | undefined> {
	const weights = await partners.read(pair);
	if (!weights.ok) {
		return undefined;
	}
	const target = directTarget(pair.original, weights.value.originalWeights.layout);
	const additions = await addedBehind(pair.deployed, target.rows, deployed.weights);
	const variants = additions.map(
		(deployedAddition): FoldVariant => ({
			...weights.value,
			deployedAddition,
			operators: [],
			parameters: identityParameters(target.rows),
			withoutLayer: true,
		}),
	);
	if (variants.some((variant) => isRight(variant, target))) {
		return undefined;
	}
	const { status, evidence, maxAbs, bound, maxRel } = judgeVariant(variants[0], target);
	return status === 'mismatch' && maxAbs !== null && bound !== null && maxRel !== null
		? {
				name: pair.deployed.name,
				evidence: `${pair.deployed.name} has no layer, but its constants are not those of "${pair.original.weight}" in the checkpoint: ${evidence}`,
				maxAbs,
				bound,
				maxRel,
			}
		: undefined;
}
