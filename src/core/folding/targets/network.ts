import { findLayers } from '../../batchnorm/find.js';
import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { ShapeInference } from '../../onnx/graph/infer.js';
import { nodesInOrder, type Place } from '../../onnx/graph/traverse.js';
import type { Model } from '../../onnx/model.js';
import type { TensorAccess } from '../../onnx/tensor/tensor.js';
import { type LinearOperator, linearOperator } from '../operators/linear.js';
import { WeightReader } from '../operators/weights.js';
import { type FoldTarget, findTarget } from './target.js';
import { Upstream } from './upstream.js';

/** Linear operators and normalization layers of a model, with their order of data flow. */
export interface Network {
	readonly model: Model;
	readonly weights: WeightReader;
	/** In graph order, like `layers`. */
	readonly operators: readonly LinearOperator[];
	readonly layers: readonly BatchNormLayer[];
	/** Fold target in front of each layer, in layer order; undefined if there is none. */
	readonly targets: readonly (FoldTarget | undefined)[];
	/**
	 * For each operator, the indices of the linear operators directly in front of it, with only other node types between.
	 */
	readonly before: readonly ReadonlySet<number>[];
	/** The same, in front of each layer. */
	readonly beforeLayer: readonly ReadonlySet<number>[];
	/** Linear operators right behind each layer. */
	readonly afterLayer: readonly ReadonlySet<number>[];
}

/** Parts of a network that decide where layers fold. */
export type FoldNetwork = Pick<Network, 'model' | 'weights' | 'operators' | 'layers' | 'targets'>;

/** A model with its layers, as `findLayers` finds them. */
export interface LayeredModel {
	readonly model: Model;
	readonly layers: readonly BatchNormLayer[];
	readonly access: TensorAccess;
}

/**
 * @param onProblem a constant on a layer's way cannot be read, so that it has no target; without it that is thrown
 */
export async function readFoldNetwork(
	{ model, layers, access }: LayeredModel,
	onProblem?: (layer: BatchNormLayer, error: unknown) => undefined,
): Promise<FoldNetwork> {
	const operators = findOperators(model);
	const weights = new WeightReader(access);
	const operatorAt = indexed(operators);
	const layerAt = indexed(layers);
	const context = {
		operators: (place: Place) => operatorAt.get(placeKey(place)),
		layers: (place: Place) => layerAt.get(placeKey(place)),
		shapes: new ShapeInference(),
		weights,
	};
	const targets: (FoldTarget | undefined)[] = [];
	for (const layer of layers) {
		const target = findTarget(layer, context);
		targets.push(await (onProblem ? target.catch((error) => onProblem(layer, error)) : target));
	}
	return { model, weights, operators, layers, targets };
}

export async function readNetwork(model: Model, access: TensorAccess): Promise<Network> {
	const network = await readFoldNetwork({ model, layers: await findLayers(model, access), access });
	const { operators, layers } = network;
	const operatorAt = indexed(operators);
	const layerAt = indexed(layers);
	const upstream = new Upstream((place) => operatorAt.get(placeKey(place))?.index);
	const before = operators.map(({ scope, node }) => upstream.of(scope, node.inputs));
	const beforeLayer = layers.map(({ scope, input }) => upstream.of(scope, [input]));
	const afterLayer = operatorsAfter(layers, operators, (place) => layerAt.get(placeKey(place)));
	return { ...network, before, beforeLayer, afterLayer };
}

function indexed<T extends Place>(places: readonly T[]): ReadonlyMap<string, T> {
	return new Map(places.map((place) => [placeKey(place), place]));
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
	return `${scope.path}\0${node.index}`;
}

/** Returns, for each layer, the operators that its output reaches first. */
function operatorsAfter(
	layers: readonly BatchNormLayer[],
	operators: readonly LinearOperator[],
	layerAt: (place: Place) => BatchNormLayer | undefined,
): Set<number>[] {
	const numbers = new Map(layers.map((layer, index) => [layer, index]));
	const operatorKeys = new Set(operators.map(placeKey));
	// Stops at operators too, so that only layers between two of them are found.
	const upstream = new Upstream((place) => {
		const layer = layerAt(place);
		return layer ? numbers.get(layer) : operatorKeys.has(placeKey(place)) ? NOWHERE : undefined;
	});
	const direct = layers.map(({ scope, input }) => upstream.of(scope, [input]));
	const after = layers.map(() => new Set<number>());
	const spread = (layer: number, operator: number) => {
		if (layer !== NOWHERE && !after[layer].has(operator)) {
			after[layer].add(operator);
			for (const earlier of direct[layer]) {
				spread(earlier, operator);
			}
		}
	};
	for (const { index, scope, node } of operators) {
		for (const layer of upstream.of(scope, node.inputs)) {
			spread(layer, index);
		}
	}
	return after;
}

const NOWHERE = -1;
