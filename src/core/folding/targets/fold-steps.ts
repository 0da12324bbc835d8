import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { isDefault } from '../../onnx/graph/constants.js';
import { bodies } from '../../onnx/graph/graph-index.js';
import type { Graph } from '../../onnx/model.js';
import type { FoldReason } from '../../report/fold-reasons.js';
import { hasOwnBias, isQuantized, type LinearOperator, recordOf } from '../operators/linear.js';
import { canFoldForward, forwardReasons } from './forward.js';
import type { ForwardRoute } from './forward-route.js';
import type { FoldNetwork } from './network.js';
import { wayReasons } from './path-reasons.js';
import { operatorReasons, ownReasons, reasonsInFront } from './reasons.js';
import type { FoldTarget } from './target.js';
import { MOVING } from './walk-path.js';

/** A layer that folds, either back into the operator in front of it or forward into the operator behind it. */
export interface FoldStep {
	readonly layer: BatchNormLayer;
	readonly operator: LinearOperator;
	/** Exactly one of `target` and `forward` is set. */
	readonly target: FoldTarget | undefined;
	readonly forward: ForwardRoute | undefined;
}

/** Choice of the layers to fold. */
export interface FoldChoices {
	/** Reasons to keep layers, by their names. */
	readonly excluded?: ReadonlyMap<string, FoldReason>;
	/** True to fold constants, too, that are only the defaults of graph inputs. */
	readonly treatsInputsAsConstants?: boolean;
}

/**
 * Finds the fold of each layer of a network, or the reasons against it, in layer order. Uses the structure alone: a
 * layer with a fold does fold, provided that its weights can be read.
 */
export async function foldSteps(
	network: FoldNetwork,
	choices: FoldChoices = {},
): Promise<ReadonlyMap<BatchNormLayer, FoldStep | FoldReason[]>> {
	const chooser = new StepChooser(network, choices);
	const steps = new Map<BatchNormLayer, FoldStep | FoldReason[]>();
	for (const layer of network.layers) {
		steps.set(layer, await chooser.step(layer));
	}
	return steps;
}

class StepChooser {
	readonly #network: FoldNetwork;
	readonly #choices: FoldChoices;
	readonly #editable: ReadonlySet<Graph>;
	readonly #known = new Map<BatchNormLayer, FoldStep | FoldReason[]>();

	constructor(network: FoldNetwork, choices: FoldChoices) {
		this.#network = network;
		this.#choices = choices;
		this.#editable = new Set(graphsOf(network.model.graph));
	}

	async step(layer: BatchNormLayer): Promise<FoldStep | FoldReason[]> {
		const step = this.#known.get(layer) ?? (await this.#choose(layer));
		this.#known.set(layer, step);
		return step;
	}

	/** Leaves out the reasons that do not count for these choices. */
	#counting(reasons: readonly FoldReason[]): readonly FoldReason[] {
		return this.#choices.treatsInputsAsConstants ? reasons.filter((reason) => reason !== 'overridable') : reasons;
	}

	#choose(layer: BatchNormLayer): Promise<FoldStep | FoldReason[]> | FoldReason[] {
		if (layer.kind === 'handbuilt') {
			return ['data-statistics'];
		}
		const reason = this.#choices.excluded?.get(layer.name);
		if (reason) {
			return [reason];
		}
		if (!this.#editable.has(layer.scope.graph)) {
			return ['inside-function'];
		}
		const target = this.#network.targets.get(layer);
		return target ? this.#back(layer, target) : this.#forward(layer);
	}

	async #back(layer: BatchNormLayer, target: FoldTarget): Promise<FoldStep | FoldReason[]> {
		const { operator, path } = target;
		const isFed = path.some(({ scope, node }) => node.inputs.some((name) => isDefault(scope, name)));
		const all: readonly FoldReason[] = [
			...ownReasons(layer),
			...(await this.#wayReasons(layer, target)),
			...(isFed ? (['overridable'] as const) : []),
			...(await this.#constantReasons(layer, operator)),
		];
		const reasons = new Set(this.#counting(all));
		return reasons.size > 0 ? [...reasons] : { layer, operator, target, forward: undefined };
	}

	/** Returns the obstacles between the operator and a layer. */
	async #wayReasons(layer: BatchNormLayer, target: FoldTarget): Promise<readonly FoldReason[]> {
		const { operator, earlier, path } = target;
		const type = recordOf(operator.scope, operator.weight)?.dataType ?? 0;
		if (operator.scope.key !== layer.scope.key) {
			// An operator outside the layer's own graph serves the graph around it, too.
			return ['several-consumers'];
		}
		const previous = earlier.at(-1)?.layer;
		if (!previous) {
			const reasons = wayReasons(layer, { from: operator.node, path, type });
			// The constant of that Add lies along another axis than the bias of the operator.
			return !hasOwnBias(operator) && addsBehindMove(path) ? ['operator-between'] : reasons;
		}
		const before = await this.step(previous);
		if (!('target' in before) || !before.target || before.operator !== operator) {
			return ['operator-between'];
		}
		const rest = path.slice(before.target.path.length);
		// If the operator has no place for a bias, an Add takes the layers' place, so no node may stand between them.
		const isAdjoining = rest.length === 0 || holdsBias(target);
		return isAdjoining ? wayReasons(layer, { from: previous.node, path: rest, type }) : ['operator-between'];
	}

	/** Returns the obstacles in an operator's constants. Copying a weight is none. */
	async #constantReasons(layer: BatchNormLayer, operator: LinearOperator): Promise<FoldReason[]> {
		const all = operatorReasons(layer, operator.node).filter((reason) => reason !== 'shared-weight');
		const reasons = [...this.#counting(all)];
		if (isQuantized(operator)) {
			reasons.push('mixed-types');
		}
		if (reasons.length === 0 && !(await this.#network.weights.hasFittingBias(operator))) {
			reasons.push('bias-shape');
		}
		return reasons;
	}

	/** Without an operator in front, only an operator behind can take the layer in. */
	async #forward(layer: BatchNormLayer): Promise<FoldStep | FoldReason[]> {
		const { weights } = this.#network;
		const reasons = new Set(this.#counting([...ownReasons(layer), ...reasonsInFront(layer)]));
		const route = this.#network.forwards.get(layer);
		const isOnly = reasons.size === 1 && (reasons.has('no-linear-operator') || reasons.has('operator-between'));
		if (!route || !canFoldForward(route.operator)) {
			// No obstacle was found, but the channels' position is unknown.
			return reasons.size > 0 ? [...reasons] : ['rank'];
		}
		const { operator, path } = route;
		const isFed = path.some(({ scope, node }) => node.inputs.some((name) => isDefault(scope, name)));
		const against = [
			...forwardReasons(layer, route, await weights.dims(operator)),
			...this.#counting(isFed ? ['overridable'] : []),
			...(await this.#constantReasons(layer, operator)),
		];
		if (isOnly && against.length === 0) {
			return { layer, operator, target: undefined, forward: route };
		}
		return reasons.size > 0 ? [...new Set([...reasons, ...against])] : ['rank'];
	}
}

/**
 * Lists the main graph and its bodies. Nodes of a function belong to all calls of the function, so they are left out.
 */
function graphsOf(graph: Graph): Graph[] {
	return [graph, ...graph.nodes.flatMap((node) => bodies(node).flatMap((body) => graphsOf(body.graph)))];
}

/** True if a constant is added behind a node that moves elements. */
function addsBehindMove(path: FoldTarget['path']): boolean {
	const move = path.findIndex(({ node }) => MOVING.has(node.opType));
	return move >= 0 && path.slice(move).some(({ node }) => node.opType === 'Add');
}

/** True if a bias has a place in front of the layer: an input of the operator, or the constant of an Add. */
function holdsBias({ operator, path }: FoldTarget): boolean {
	return hasOwnBias(operator) || path.some(({ node }) => node.opType === 'Add');
}
