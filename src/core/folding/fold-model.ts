import type { BatchNormLayer } from '../batchnorm/layer.js';
import { isDefault } from '../onnx/constants.js';
import type { Edit } from '../onnx/edit.js';
import type { Graph, Model } from '../onnx/model.js';
import { bodies } from '../onnx/scope.js';
import type { TensorAccess } from '../onnx/tensor.js';
import type { FoldedLayer, KeptLayer } from '../report/fold-result.js';
import { isClearPath } from './clear-path.js';
import { expectedFold, type FoldParameters, gatherParameters, scaleRows } from './expected.js';
import { layerParameters } from './fold-case.js';
import { FoldEditor, type FoldStep, hasOwnBias } from './fold-editor.js';
import { foldForward, forwardOperator } from './forward.js';
import type { LinearOperator } from './linear.js';
import { type Network, readNetwork } from './network.js';
import { type FoldReason, foldability, operatorReasons } from './reasons.js';
import type { FoldTarget } from './target.js';
import type { OperatorWeights } from './weights.js';

/** The changes to a model file that fold its layers. */
export interface FoldPlan {
	/** For `planEdits` and `renderEdits` of core/onnx/edit.ts; every byte they do not touch stays. */
	readonly edits: readonly Edit[];
	/** Together every layer of the model, each list in graph order. */
	readonly folded: readonly FoldedLayer[];
	readonly kept: readonly KeptLayer[];
}

/**
 * Plans the fold of every layer that can be folded exactly: into the linear operator in front (through reshapes and
 * transposes that keep its channels apart), or else into an unpadded convolution behind. Computed in float64 and rounded
 * once to the weight's own type. A weight that serves another node too is copied; what nothing uses any more is removed;
 * operator sets, metadata and everything else keep their bytes.
 * @throws {OnnxError} when the file cannot be read any more.
 */
export async function planFold(model: Model, access: TensorAccess): Promise<FoldPlan> {
	const network = await readNetwork(model, access);
	const editable = new Set(graphsOf(model.graph));
	const kept: KeptLayer[] = [];
	const steps: FoldStep[] = [];
	const chooser = new StepChooser(network);
	for (const [index, layer] of network.layers.entries()) {
		const step = editable.has(layer.scope.graph) ? chooser.step(index) : ['inside-function' as const];
		if (Array.isArray(step)) {
			kept.push({ name: layer.name, reasons: step });
		} else {
			steps.push(step);
		}
	}
	const editor = new FoldEditor(model, access.source);
	const folded: FoldedLayer[] = [];
	for (const group of byOperator(steps)) {
		const problem = await foldGroup(network, group, editor);
		for (const { layer, operator } of group) {
			if (problem) {
				kept.push({ name: layer.name, reasons: [problem] });
			} else {
				folded.push({ name: layer.name, into: operator.name });
			}
		}
	}
	const order = new Map(network.layers.map(({ name }, index) => [name, index]));
	const inOrder = (a: { readonly name: string }, b: { readonly name: string }) =>
		(order.get(a.name) ?? 0) - (order.get(b.name) ?? 0);
	return { edits: await editor.finish(), folded: folded.sort(inOrder), kept: kept.sort(inOrder) };
}

/** The main graph and the bodies inside it; what stands in a function belongs to all of its calls. */
function graphsOf(graph: Graph): Graph[] {
	return [graph, ...graph.nodes.flatMap((node) => bodies(node).flatMap((body) => graphsOf(body.graph)))];
}

/** Chooses where each layer of a network goes. */
class StepChooser {
	readonly #network: Network;
	readonly #indices: ReadonlyMap<BatchNormLayer, number>;
	readonly #known = new Map<number, FoldStep | FoldReason[]>();

	constructor(network: Network) {
		this.#network = network;
		this.#indices = new Map(network.layers.map((layer, index) => [layer, index]));
	}

	/** Where a layer goes, or why nowhere. */
	step(index: number): FoldStep | FoldReason[] {
		const step = this.#known.get(index) ?? stepFor(this.#network, index, (layer) => this.#isClearBehind(index, layer));
		this.#known.set(index, step);
		return step;
	}

	/** Whether a layer follows another one that goes into the same operator, so that it can do so after it. */
	#isClearBehind(index: number, reasons: readonly FoldReason[]): boolean {
		const target = this.#network.targets[index];
		const previous = target?.earlier.at(-1);
		const before = previous && this.step(this.#indices.get(previous) ?? NONE);
		if (!target || !previous || !before || !('target' in before) || before.operator !== target.operator) {
			return false;
		}
		const path = target.path.slice(before.target?.path.length);
		// Without a place for a bias it is added where the layers were: nothing may stand between them.
		const isAdjoining = path.length === 0 || hasOwnBias(target.operator);
		return (
			before.target !== undefined &&
			isAdjoining &&
			isClearPath(this.#network.layers[index], { from: previous.node, path }, reasons)
		);
	}
}

/** The index of no layer. */
const NONE = -1;

function stepFor(
	network: Network,
	index: number,
	isClearBehind: (reasons: readonly FoldReason[]) => boolean,
): FoldStep | FoldReason[] {
	const layer = network.layers[index];
	const target = network.targets[index];
	const { into, reasons } = foldability(layer);
	const isHere = target?.operator.scope.path === layer.scope.path;
	const isNear = isHere && target.earlier.length === 0;
	const isDirect =
		isNear && (into !== null || isClearPath(layer, { from: target.operator.node, path: target.path }, reasons));
	if (isDirect || (isHere && !isNear && into === null && isClearBehind(reasons))) {
		const blocking = operatorReasons(layer, target.operator.node).filter((reason) => reason !== 'shared-weight');
		// What is added or a shape that is followed on the way.
		if (target.path.some(({ scope, node }) => node.inputs.some((name) => isDefault(scope, name)))) {
			return ['overridable'];
		}
		if (blocking.length > 0) {
			return blocking;
		}
		return isQuantized(target.operator) ? ['mixed-types'] : { layer, operator: target.operator, target };
	}
	const behind = into === null || target ? undefined : forwardOperator(network, index);
	if (behind !== undefined) {
		const operator = network.operators[behind];
		return isQuantized(operator) ? ['mixed-types'] : { layer, operator, target: undefined };
	}
	return into === null ? [...reasons] : ['rank'];
}

/** A weight kept in integers would have to be quantized again: another model, not a fold. */
function isQuantized({ scope, weight, quantization }: LinearOperator): boolean {
	const definition = scope.lookup(weight);
	return quantization !== undefined || (definition.kind === 'node' && definition.node.opType === 'DequantizeLinear');
}

/** Layers that go into one operator, the one in front of it first: the order in which they act. */
function byOperator(steps: readonly FoldStep[]): readonly (readonly FoldStep[])[] {
	const groups = new Map<LinearOperator, FoldStep[]>();
	for (const step of steps) {
		const group = groups.get(step.operator) ?? [];
		group.push(step);
		groups.set(step.operator, group);
	}
	const position = ({ target }: FoldStep) => target?.earlier.length ?? NONE;
	return Array.from(groups.values(), (group) => group.toSorted((a, b) => position(a) - position(b)));
}

/** Folds the layers of one operator; @returns why it cannot be done, when that shows only now. */
async function foldGroup(
	network: Network,
	steps: readonly FoldStep[],
	editor: FoldEditor,
): Promise<FoldReason | undefined> {
	const { operator } = steps[0];
	const read = await network.weights.read(operator);
	if (typeof read === 'string') {
		return 'dynamic-parameter';
	}
	let weights: OperatorWeights = read;
	for (const { layer, target } of steps) {
		const parameters = layerParameters(layer);
		if (typeof parameters === 'string') {
			return 'dynamic-parameter';
		}
		const next = target ? foldBack(weights, target, parameters) : foldForward(operator, weights, parameters)?.weights;
		if (!next) {
			return 'rank';
		}
		weights = next;
	}
	return editor.fold({ operator, weights, steps });
}

function foldBack(weights: OperatorWeights, target: FoldTarget, parameters: FoldParameters): OperatorWeights {
	const { bias: own, layout } = weights;
	const { added, rows } = target;
	const total = own && added ? own.map((value, row) => value + added[row]) : (own ?? added);
	const { scale, bias } = expectedFold(total, gatherParameters(parameters, rows));
	return { ...weights, weight: scaleRows(Float64Array.from(weights.weight), layout, scale, 'float64'), bias };
}
