import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { isConstant } from '../../onnx/graph/constants.js';
import { LINEAR_TYPES } from '../../onnx/graph/linear-types.js';
import type { Scope } from '../../onnx/graph/scope.js';
import type { Node } from '../../onnx/model.js';
import { type CauseCode, PLACEMENT_CAUSES } from '../../report/causes.js';
import type { LayerComparison } from '../../report/comparison/comparison.js';
import type { LinearOperator } from '../operators/linear.js';
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
	const doubt = isOpen && !models.kept.has(layer) ? doubtAbout(layer, compared, models) : undefined;
	return doubt === undefined
		? compared
		: {
				...compared,
				...cannotTell(`${doubt} Its weights alone do not show whether the layer arrived; a run does.`, 'unmatched'),
			};
}

const MOVED: ReadonlySet<CauseCode | null> = new Set<CauseCode>(['channels-permuted', 'parameters-permuted']);
/** Confidence that channels in another order are a mistake, if the operators behind may expect this order. */
export const ORDER_CONFIDENCE = 0.5;

/**
 * Doubts channels in another order that no value confirms, if a node behind has no coefficients by which the comparison
 * could follow the order.
 * @param index of the layer in the original
 */
export function withDoubtedOrder(
	compared: LayerComparison,
	index: number,
	{ original }: Pick<MatchedNetworks, 'original'>,
): LayerComparison {
	const { status, behavior, cause, confidence, evidence } = compared;
	const { scope, output } = original.layers[index];
	const isOpen = status === 'mismatch' && behavior?.status === 'skipped' && MOVED.has(cause);
	const node = isOpen ? firstUnfollowed(scope, output) : undefined;
	return node === undefined
		? compared
		: {
				...compared,
				confidence: Math.min(confidence, ORDER_CONFIDENCE),
				evidence: `${evidence} The operators behind may expect this order: without a run, it is not followed through ${node}.`,
			};
}

/** Maximum number of tensors behind a layer that are searched. */
const MAX_BEHIND = 64;

/**
 * Returns words for the first node behind a tensor, in front of the next convolutions or products, through which orders
 * of channels are not followed.
 */
function firstUnfollowed(scope: Scope, output: string): string | undefined {
	const tensors = [output];
	for (let at = 0; at < tensors.length && at < MAX_BEHIND; at++) {
		for (const node of scope.consumers(tensors[at])) {
			if (node.opType === 'ConvTranspose') {
				return 'a ConvTranspose';
			}
			if (node.opType === 'Transpose' && scope.producer(tensors[at])?.opType === 'Reshape') {
				return 'a shuffle of channels';
			}
			if (!LINEAR_TYPES.has(node.opType)) {
				tensors.push(...node.outputs.filter((name) => name !== '' && !tensors.includes(name)));
			}
		}
	}
	return undefined;
}

/** Returns a sentence on what else the layer's operator may hold. */
function doubtAbout(
	layer: BatchNormLayer,
	{ cause, into }: LayerComparison,
	models: MatchedNetworks,
): string | undefined {
	const { original, deployed, pairing } = models;
	const operator = original.targets.get(layer)?.operator;
	const isMerged = deployed.operators.length < original.operators.length;
	if (operator && into && cause === 'unknown' && isMerged && isBesideLostChain(layer, operator, models)) {
		return `${into.name} may hold the product of several operators in a row.`;
	}
	const pair = operator && pairing.byOriginal.get(operator);
	if (!operator || !pair) {
		return undefined;
	}
	const isSummed = sumsOf(pair.deployed.scope, pair.deployed.output).length > 0;
	if (isMerged && !isSummed && joinsAverage(layer.scope, layer.output)) {
		return `${pair.deployed.name} may hold the sum of several branches.`;
	}
	const hasCopy = deployed.operators.some(
		(other) => !pairing.byDeployed.has(other) && other.kind === pair.deployed.kind && !pairing.plainCopies?.has(other),
	);
	if (hasCopy && operator.scope.consumers(operator.output).length > 1) {
		return `${operator.name} has several readers, and the deployed model may hold a copy of it for each.`;
	}
	return undefined;
}

/**
 * True if operators follow each other without a function between them, the deployed model lacks one of them, and the
 * layer is among them or in a sum with them.
 */
function isBesideLostChain(
	{ scope, output }: BatchNormLayer,
	{ node }: LinearOperator,
	{ original, pairing }: MatchedNetworks,
): boolean {
	const lost = original.operators.filter((operator) => !pairing.byOriginal.has(operator));
	const isLostChain = (chain: readonly Node[]) => chain.length > 1 && lost.some((other) => chain.includes(other.node));
	const branches = sumsOf(scope, output).flatMap(({ inputs }) => inputs);
	return (
		branches.some((name) => isLostChain(chainOf(scope, name))) ||
		original.operators.some((operator) => {
			const chain = chainOf(operator.scope, operator.output);
			return chain.includes(node) && isLostChain(chain);
		})
	);
}

/** Nodes between linear operators that keep their product linear, if all other inputs are constant. */
const AFFINE: ReadonlySet<string> = new Set(['BatchNormalization', 'Pad', 'Identity', 'Add', 'Sub', 'Mul', 'Div']);
/** Maximum number of nodes searched from the end of a chain. */
const MAX_CHAIN = 16;

/** Returns the linear operators that follow each other up to a tensor, the last one first. */
function chainOf(scope: Scope, name: string): readonly Node[] {
	const chain: Node[] = [];
	let node = scope.producer(name);
	for (let steps = 0; node && steps < MAX_CHAIN; steps++) {
		const inputs = node.inputs.filter((input) => input !== '' && !isConstant(scope, input));
		const isLinear = LINEAR_TYPES.has(node.opType);
		if (inputs.length !== 1 || (!isLinear && !AFFINE.has(node.opType))) {
			break;
		}
		if (isLinear) {
			chain.push(node);
		}
		node = scope.producer(inputs[0]);
	}
	return chain;
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
