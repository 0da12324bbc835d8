import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { isConstant } from '../../onnx/graph/constants.js';
import type { Scope } from '../../onnx/graph/scope.js';
import type { Node } from '../../onnx/model.js';
import { type CauseCode, PLACEMENT_CAUSES } from '../../report/causes.js';
import type { LayerComparison } from '../../report/comparison/comparison.js';
import type { MatchedNetworks } from '../pairing/partners.js';
import { cannotTell } from './judge-fold.js';

const PLACEMENT: ReadonlySet<CauseCode | null> = new Set(PLACEMENT_CAUSES);

/**
 * Takes back a mismatch that no value confirms if the deployed operator may hold more than the layer: the graphs differ
 * around it as they do after a right merge. Then the operator's weights alone are no evidence.
 * @param index of the layer in the original
 */
export function withoutEvidence(compared: LayerComparison, index: number, models: MatchedNetworks): LayerComparison {
	const { status, behavior, cause } = compared;
	const layer = models.original.layers[index];
	const isOpen = status === 'mismatch' && behavior?.status === 'skipped' && !PLACEMENT.has(cause);
	const doubt = isOpen && !models.kept.has(layer) ? doubtAbout(layer, models) : undefined;
	return doubt === undefined
		? compared
		: {
				...compared,
				...cannotTell(`${doubt} Its weights alone do not show whether the layer arrived; a run does.`, 'unmatched'),
			};
}

/** Returns a sentence on what else the layer's operator may hold. */
function doubtAbout(layer: BatchNormLayer, { original, deployed, pairing }: MatchedNetworks): string | undefined {
	const operator = original.targets.get(layer)?.operator;
	const pair = operator && pairing.byOriginal.get(operator);
	if (!operator || !pair) {
		return undefined;
	}
	const isMerged = deployed.operators.length < original.operators.length;
	const isSummed = sumsOf(pair.deployed.scope, pair.deployed.output).length > 0;
	if (isMerged && !isSummed && joinsAverage(layer.scope, layer.output)) {
		return `${pair.deployed.name} may hold the sum of several branches.`;
	}
	const hasCopy = deployed.operators.some(
		(other) => !pairing.byDeployed.has(other) && other.kind === pair.deployed.kind,
	);
	if (hasCopy && operator.scope.consumers(operator.output).length > 1) {
		return `${operator.name} has several readers, and the deployed model may hold a copy of it for each.`;
	}
	return undefined;
}

/** Nodes searched in a branch from its end. */
const MAX_BRANCH = 4;

/** True if a tensor goes into a sum with a branch through an AveragePool, which has no coefficients to compare. */
function joinsAverage(scope: Scope, name: string): boolean {
	return sumsOf(scope, name).some(({ inputs }) =>
		inputs.some((input) => input !== name && averages(scope, input, MAX_BRANCH)),
	);
}

function averages(scope: Scope, name: string, steps: number): boolean {
	const node = scope.producer(name);
	return (
		node !== undefined &&
		steps > 0 &&
		(node.opType === 'AveragePool' || averages(scope, node.inputs[0] ?? '', steps - 1))
	);
}

/** Returns the sums of several computed tensors that read a tensor. */
function sumsOf(scope: Scope, name: string): readonly Node[] {
	const isSum = ({ opType, inputs }: Node) =>
		(opType === 'Add' || opType === 'Sum') && inputs.filter((input) => !isConstant(scope, input)).length > 1;
	return scope.consumers(name).filter(isSum);
}
