import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { layerParameters } from '../operators/layer-parameters.js';
import type { LinearOperator } from '../operators/linear.js';
import type { OperatorPair, Pairing } from '../pairing/pairing.js';
import { type MatchedNetworks, PartnerReader } from '../pairing/partners.js';
import { addedBehind } from '../targets/added-behind.js';
import type { FoldTarget } from '../targets/target.js';
import { isRight } from './judge-variants.js';

/** Rivals tried for one operator. */
const MAX_RIVALS = 8;
/** Rivals tried in all. */
const MAX_TRIALS = 256;

/**
 * Exchanges partners of operators with the same weights where another one than the chosen carries the layer: rows that
 * are multiples of each other do not tell a folded copy of an operator from the operator itself.
 */
export async function chooseRivals(models: Omit<MatchedNetworks, 'kept'>): Promise<Pairing> {
	const { original, deployed, pairing } = models;
	const byOriginal = new Map(pairing.byOriginal);
	const byDeployed = new Map(pairing.byDeployed);
	const settled = new Set<LinearOperator>();
	const reader = new PartnerReader({ ...models, kept: new Map() });
	let trials = MAX_TRIALS;
	for (const [layer, target] of original.targets) {
		const pair = byOriginal.get(target.operator);
		if (!pair || pair.rivals === 0) {
			continue;
		}
		const carries = (partner: LinearOperator) =>
			carriesLayer({ ...pair, deployed: partner }, { layer, target }, reader, deployed.weights);
		let partner = pair.deployed;
		const isSettled = await carries(partner);
		const isRival = (operator: LinearOperator) =>
			operator !== pair.deployed && operator.kind === pair.deployed.kind && !settled.has(operator);
		const others = isSettled ? [] : deployed.operators.filter(isRival);
		for (const rival of others.slice(0, Math.min(MAX_RIVALS, trials))) {
			trials--;
			if (await carries(rival)) {
				partner = rival;
				break;
			}
		}
		if (isSettled || partner !== pair.deployed) {
			settled.add(partner);
		}
		if (partner !== pair.deployed) {
			exchange(pair, partner, byOriginal, byDeployed);
		}
	}
	return { ...pairing, byOriginal, byDeployed };
}

/** Gives a pair another partner, and the partner's former owner the pair's. */
function exchange(
	pair: OperatorPair,
	partner: LinearOperator,
	byOriginal: Map<LinearOperator, OperatorPair>,
	byDeployed: Map<LinearOperator, OperatorPair>,
): void {
	const owner = byDeployed.get(partner);
	byDeployed.delete(pair.deployed);
	for (const moved of [{ ...pair, deployed: partner }, ...(owner ? [{ ...owner, deployed: pair.deployed }] : [])]) {
		byOriginal.set(moved.original, moved);
		byDeployed.set(moved.deployed, moved);
	}
}

async function carriesLayer(
	pair: OperatorPair,
	{ layer, target }: { readonly layer: BatchNormLayer; readonly target: FoldTarget },
	reader: PartnerReader,
	deployed: MatchedNetworks['deployed']['weights'],
): Promise<boolean> {
	const weights = await reader.read(pair);
	const parameters = layerParameters(layer);
	if (!weights.ok || !parameters.ok) {
		return false;
	}
	const additions = await addedBehind(pair.deployed, target.rows, deployed);
	return additions.some((deployedAddition) =>
		isRight({ ...weights.value, deployedAddition, operators: [], parameters: parameters.value }, target),
	);
}
