import { findLayers } from '../../batchnorm/find.js';
import type { Model } from '../../onnx/model.js';
import type { TensorAccess } from '../../onnx/tensor/tensor.js';
import type { Edit } from '../../onnx/write/edit.js';
import type { FoldReason } from '../../report/fold-reasons.js';
import type { FoldedLayer, KeptLayer } from '../../report/fold-result.js';
import { addBiases, expectedFold, type FoldParameters, gatherParameters, scaleRows } from '../operators/expected.js';
import { layerParameters } from '../operators/layer-parameters.js';
import type { LinearOperator } from '../operators/linear.js';
import type { OperatorWeights } from '../operators/weights.js';
import { type FoldStep, foldSteps } from '../targets/fold-steps.js';
import { foldForward } from '../targets/forward.js';
import { type FoldNetwork, readFoldNetwork } from '../targets/network.js';
import type { FoldTarget } from '../targets/target.js';
import { FoldEditor } from './fold-editor.js';

/** The changes to a model file that fold its layers. */
export interface FoldPlan {
	/** Edits for `planEdits` and `renderEdits` of core/onnx/write/edit.ts. All other bytes of the file stay. */
	readonly edits: readonly Edit[];
	/** Together every layer of the model, each list in graph order. */
	readonly folded: readonly FoldedLayer[];
	readonly kept: readonly KeptLayer[];
}

/**
 * Plans the fold of every layer that folds exactly: into the linear operator in front, through reshapes and transposes
 * that keep channels apart, or else into an unpadded convolution behind. Computes in float64 and rounds once to the
 * weight's type. Copies a weight that another node also reads, and removes values that lose their last reader. Operator
 * sets, metadata and the rest keep their bytes.
 * @throws {OnnxError} when the file cannot be read any more.
 */
export async function planFold(model: Model, access: TensorAccess): Promise<FoldPlan> {
	const network = await readFoldNetwork({ model, layers: await findLayers(model, access), access });
	const kept: KeptLayer[] = [];
	const steps: FoldStep[] = [];
	for (const [layer, step] of await foldSteps(network)) {
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

/** In front of all that stand behind the operator. */
const FORWARD = -1;

/** Groups layers by the operator that they fold into, in the order in which they act. */
function byOperator(steps: readonly FoldStep[]): readonly (readonly FoldStep[])[] {
	const groups = new Map<LinearOperator, FoldStep[]>();
	for (const step of steps) {
		const group = groups.get(step.operator) ?? [];
		group.push(step);
		groups.set(step.operator, group);
	}
	const position = ({ target }: FoldStep) => target?.earlier.length ?? FORWARD;
	return Array.from(groups.values(), (group) => group.toSorted((a, b) => position(a) - position(b)));
}

/** Folds the layers of an operator. @returns why it cannot be done, which shows only when the weights are read. */
async function foldGroup(
	network: FoldNetwork,
	steps: readonly FoldStep[],
	editor: FoldEditor,
): Promise<FoldReason | undefined> {
	const { operator } = steps[0];
	const read = await network.weights.read(operator);
	if (!read.ok) {
		return 'dynamic-parameter';
	}
	let weights = read.value;
	for (const { layer, target } of steps) {
		const parameters = layerParameters(layer);
		if (!parameters.ok) {
			return 'dynamic-parameter';
		}
		const next = target
			? foldBack(weights, target, parameters.value)
			: foldForward(operator, weights, parameters.value)?.weights;
		if (!next) {
			return 'rank';
		}
		weights = next;
	}
	editor.fold({ operator, weights, steps });
	return undefined;
}

function foldBack(weights: OperatorWeights, { added, rows }: FoldTarget, parameters: FoldParameters): OperatorWeights {
	const { scale, bias } = expectedFold(addBiases(weights.bias, added), gatherParameters(parameters, rows));
	const weight = scaleRows(Float64Array.from(weights.weight), weights.layout, scale, 'float64');
	return { ...weights, weight, bias };
}
