import { axesBehind, type BatchNormLayer } from '../../batchnorm/layer.js';
import { isConstant } from '../../onnx/graph/constants.js';
import type { Scope } from '../../onnx/graph/scope.js';
import type { Model, Node } from '../../onnx/model.js';
import type { ByteSource } from '../../onnx/source.js';
import { hasOwnBias, type LinearOperator } from '../operators/linear.js';
import type { OperatorWeights } from '../operators/weights.js';
import type { FoldStep } from '../targets/fold-steps.js';
import { layerNodes } from '../targets/layer-nodes.js';
import type { FoldTarget } from '../targets/target.js';
import { GraphEditor } from './graph-editor.js';

/** An operator with its new effective constants: Gemm's alpha and beta are multiplied in. */
export interface FoldedOperator {
	readonly operator: LinearOperator;
	readonly weights: OperatorWeights;
	readonly steps: readonly FoldStep[];
}

/** Writes folded operators into a model's graphs. */
export class FoldEditor {
	readonly #graphs: GraphEditor;

	constructor(model: Model, source: ByteSource, treatsInputsAsConstants: boolean) {
		this.#graphs = new GraphEditor(model, source, treatsInputsAsConstants);
	}

	fold({ operator, weights, steps }: FoldedOperator): void {
		const biasPlace = this.#biasPlace(
			operator,
			steps.filter(({ target }) => target),
		);
		const { scope, node, alpha, beta } = operator;
		const { dims, stored, layout } = weights;
		const dtype = stored;
		const values =
			alpha === 1 ? Float64Array.from(weights.weight) : Float64Array.from(weights.weight, (w) => w / alpha);
		this.#graphs.setInput(scope, node, 1, { dims, dtype, values });
		const bias = weights.bias ?? new Float64Array(layout.groups * layout.perGroup);
		if (biasPlace.kind === 'operator') {
			const values = beta === 1 ? bias : bias.map((value) => value / beta);
			this.#graphs.setInput(scope, node, 2, { dims: [bias.length], dtype, values });
		} else if (biasPlace.kind === 'add') {
			this.#graphs.setInput(scope, biasPlace.node, biasPlace.input, { dims: [bias.length], dtype, values: bias });
		} else {
			const { layer, input, shape } = biasPlace;
			const shift = byChannel(bias, biasPlace.target.rows, layer.channels);
			const name = this.#graphs.addConstant(
				scope,
				`${layer.output}_shift`,
				{ dims: shape, dtype, values: shift },
				layer.node,
			);
			this.#graphs.substitute(scope, layer.node, 'Add', [input, name]);
		}
		let way: Way = { writer: operator.node, passed: 0 };
		for (const step of steps) {
			this.#forgetRanges(step);
			if (!step.target) {
				this.#bypassForward(step);
			} else if (biasPlace.kind === 'instead' && step.layer !== biasPlace.layer) {
				this.#removeLayer(step.layer.scope, step.layer);
			} else if (biasPlace.kind !== 'instead') {
				way = this.#bypass(step.layer, step.target, way, biasPlace.kind === 'add' ? biasPlace.node : undefined);
			}
		}
	}

	/** Between the operator and the layer there are other values now. */
	#forgetRanges({ layer, operator, target, forward }: FoldStep): void {
		const path = (target ?? forward)?.path.flatMap(({ node }) => node.outputs) ?? [];
		const changed = [target ? operator.output : layer.output, ...path];
		for (const name of changed) {
			this.#graphs.dropAnnotations(layer.scope, name);
		}
	}

	finish(): ReturnType<GraphEditor['finish']> {
		return this.#graphs.finish();
	}

	/**
	 * Chooses the place of the bias: the operator's own input, the constant of an Add behind it, or a new Add in place of
	 * the last layer.
	 */
	#biasPlace(operator: LinearOperator, back: readonly FoldStep[]): BiasPlace {
		const [first] = back;
		const target = first?.target;
		if (hasOwnBias(operator)) {
			return { kind: 'operator' };
		}
		const last = back.at(-1);
		const add = last?.target?.path.find(({ node }) => node.opType === 'Add')?.node;
		if (add) {
			return { kind: 'add', node: add, input: add.inputs.findIndex((name) => isConstant(operator.scope, name)) };
		}
		if (!last || !target) {
			throw new Error(`There is no place for a bias of ${operator.name}.`);
		}
		const { layer } = last;
		return {
			kind: 'instead',
			layer,
			input: first.layer.input,
			target,
			shape: [layer.channels, ...new Array<number>(axesBehind(first.layer.channelAxis, target.rank)).fill(1)],
		};
	}

	/**
	 * Connects the last node in front to the readers of the layer. Removes the layer's nodes and the additions on the
	 * way, which the bias contains now, except for the Add that holds the bias.
	 */
	#bypass(layer: BatchNormLayer, { path }: FoldTarget, way: Way, holder: Node | undefined): Way {
		const { scope } = layer;
		let { writer } = way;
		for (const { node } of path.slice(way.passed)) {
			if (node.opType === 'Add' && node !== holder) {
				this.#graphs.remove(scope, node);
				this.#graphs.rename(scope, writer, node.outputs[0] ?? '');
			} else {
				writer = node;
			}
		}
		this.#graphs.rename(scope, writer, layer.output);
		this.#removeLayer(scope, layer);
		return { writer, passed: path.length };
	}

	#bypassForward({ layer, operator, forward }: FoldStep): void {
		this.#graphs.reconnect(operator.scope, forward?.path[0]?.node ?? operator.node, layer.input);
		this.#removeLayer(layer.scope, layer);
	}

	#removeLayer(scope: Scope, layer: BatchNormLayer): void {
		for (const node of layerNodes(layer)) {
			this.#graphs.remove(scope, node);
		}
	}
}

/** Result of the layers folded so far: the node that writes the last layer's output, and the path up to it. */
interface Way {
	readonly writer: Node;
	readonly passed: number;
}

type BiasPlace =
	| { readonly kind: 'operator' }
	| { readonly kind: 'add'; readonly node: Node; readonly input: number }
	| {
			readonly kind: 'instead';
			/** The last of the layers, which the Add replaces. */
			readonly layer: BatchNormLayer;
			/** Input of the first layer. */
			readonly input: string;
			readonly target: FoldTarget;
			readonly shape: readonly number[];
	  };

/** Converts rows to channels. If the operator has no bias, all rows of a channel have the same value. */
function byChannel(bias: Float64Array, rows: Int32Array, channels: number): Float64Array {
	const result = new Float64Array(channels);
	rows.forEach((channel, row) => {
		result[channel] = bias[row];
	});
	return result;
}
