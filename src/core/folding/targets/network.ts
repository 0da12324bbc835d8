import { findLayers } from '../../batchnorm/find.js';
import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { ShapeInference } from '../../onnx/graph/infer.js';
import { nodesInOrder, type Place } from '../../onnx/graph/traverse.js';
import type { Model } from '../../onnx/model.js';
import type { TensorAccess } from '../../onnx/tensor/tensor.js';
import { type LinearOperator, linearOperator } from '../operators/linear.js';
import { WeightReader } from '../operators/weights.js';
import { type ForwardRoute, findForwardRoute } from './forward-route.js';
import { type FoldTarget, findTarget } from './target.js';
import { Upstream } from './upstream.js';

/** Linear operators and normalization layers of a model, with their order of data flow. */
export interface Network {
	readonly model: Model;
	readonly weights: WeightReader;
	/** Operators in graph order, like `layers`. */
	readonly operators: readonly LinearOperator[];
	readonly layers: readonly BatchNormLayer[];
	/** Fold target by layer, in layer order; layers without a target are missing. */
	readonly targets: ReadonlyMap<BatchNormLayer, FoldTarget>;
	/** Operator behind each layer that has one, in layer order. */
	readonly forwards: ReadonlyMap<BatchNormLayer, ForwardRoute>;
	/** Linear operators directly in front of each operator, with only other node types between. */
	readonly before: Surroundings<LinearOperator>;
	/** Linear operators directly in front of each layer. */
	readonly beforeLayer: Surroundings<BatchNormLayer>;
	/** Linear operators directly behind each layer. */
	readonly afterLayer: Surroundings<BatchNormLayer>;
}

/** The linear operators next to each place. */
export type Surroundings<T> = ReadonlyMap<T, ReadonlySet<LinearOperator>>;

/** Parts of a network that decide where layers fold. */
export type FoldNetwork = Pick<Network, 'model' | 'weights' | 'operators' | 'layers' | 'targets' | 'forwards'>;

/** A model with its layers, as `findLayers` finds them. */
export interface LayeredModel {
	readonly model: Model;
	readonly layers: readonly BatchNormLayer[];
	readonly access: TensorAccess;
}

/**
 * Finds the linear operators and fold targets of a model.
 * @param onProblem called if a constant on a layer's path cannot be read; the layer gets no target. Throws without it.
 */
export async function readFoldNetwork(
	{ model, layers, access }: LayeredModel,
	onProblem?: (layer: BatchNormLayer, error: unknown) => undefined,
): Promise<FoldNetwork> {
	const operators = findOperators(model);
	const weights = new WeightReader(access);
	const operatorAt = byNode(operators);
	// A hand-built normalization is no linear map that a walk could pass.
	const foldable = layers.filter(({ kind }) => kind !== 'handbuilt');
	const layerAt = indexed(foldable);
	const context = {
		operators: (place: Place) => operatorAt.get(placeKey(place)),
		layers: (place: Place) => layerAt.get(placeKey(place)),
		shapes: new ShapeInference(),
		enforced: new ShapeInference(new Map(), 'inputs'),
		weights,
	};
	const targets = new Map<BatchNormLayer, FoldTarget>();
	const forwards = new Map<BatchNormLayer, ForwardRoute>();
	for (const layer of foldable) {
		const guarded = <T>(search: Promise<T>) => (onProblem ? search.catch((error) => onProblem(layer, error)) : search);
		const target = await guarded(findTarget(layer, context));
		const route = await guarded(findForwardRoute(layer, context));
		if (target) {
			targets.set(layer, target);
		}
		if (route) {
			forwards.set(layer, route);
		}
	}
	return { model, weights, operators, layers, targets, forwards };
}

export async function readNetwork(model: Model, access: TensorAccess): Promise<Network> {
	const network = await readFoldNetwork({ model, layers: await findLayers(model, access), access });
	const { operators, layers } = network;
	const operatorAt = byNode(operators);
	const upstream = new Upstream((place) => operatorAt.get(placeKey(place)));
	const before = new Map(operators.map((operator) => [operator, upstream.of(operator.scope, operator.node.inputs)]));
	const beforeLayer = new Map(layers.map((layer) => [layer, upstream.of(layer.scope, [layer.input])]));
	return { ...network, before, beforeLayer, afterLayer: operatorsAfter(layers, operators) };
}

function indexed<T extends Place>(places: readonly T[]): ReadonlyMap<string, T> {
	return new Map(places.map((place) => [placeKey(place), place]));
}

/** Returns the operators by their first and last node. */
function byNode(operators: readonly LinearOperator[]): ReadonlyMap<string, LinearOperator> {
	return new Map(
		operators.flatMap((operator) =>
			[operator.node, operator.last].map((node) => [placeKey({ scope: operator.scope, node }), operator] as const),
		),
	);
}

function findOperators(model: Model): LinearOperator[] {
	const operators: LinearOperator[] = [];
	for (const place of nodesInOrder(model)) {
		const operator = linearOperator(place, operators.length);
		if (operator) {
			operators.push(operator);
		}
	}
	return operators;
}

/** Identifies a node in a call of a function. The same node in another call gets another key. */
function placeKey({ scope, node }: Place): string {
	return `${scope.key}\0${node.index}`;
}

/** Returns, for each layer, the operators that its output reaches first. */
function operatorsAfter(
	layers: readonly BatchNormLayer[],
	operators: readonly LinearOperator[],
): Surroundings<BatchNormLayer> {
	const layerAt = indexed(layers);
	const operatorAt = byNode(operators);
	// Stops also at operators, to find only layers between two operators.
	const upstream = new Upstream((place) => {
		const key = placeKey(place);
		return layerAt.get(key) ?? (operatorAt.has(key) ? null : undefined);
	});
	const after = new Map(layers.map((layer) => [layer, new Set<LinearOperator>()]));
	const spread = (places: ReadonlySet<BatchNormLayer | null>, operator: LinearOperator) => {
		for (const layer of places) {
			const reached = layer && after.get(layer);
			if (reached && !reached.has(operator)) {
				reached.add(operator);
				spread(upstream.of(layer.scope, [layer.input]), operator);
			}
		}
	};
	for (const operator of operators) {
		spread(upstream.of(operator.scope, operator.node.inputs), operator);
	}
	return after;
}
