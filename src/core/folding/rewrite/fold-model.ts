import { findLayers } from '../../batchnorm/find.js';
import { roundTo } from '../../numbers/float-formats.js';
import type { Model } from '../../onnx/model.js';
import type { TensorAccess } from '../../onnx/tensor/tensor.js';
import type { Edit } from '../../onnx/write/edit.js';
import type { FoldReason } from '../../report/fold-reasons.js';
import type { FoldedLayer, KeptLayer } from '../../report/fold-result.js';
import { addBiases, expectedFold, type FoldParameters, gatherParameters, scaleRows } from '../operators/expected.js';
import { layerParameters } from '../operators/layer-parameters.js';
import { channelCount } from '../operators/layout.js';
import type { LinearOperator } from '../operators/linear.js';
import type { OperatorWeights } from '../operators/weights.js';
import { type FoldChoices, type FoldStep, foldSteps } from '../targets/fold-steps.js';
import { foldForward } from '../targets/forward.js';
import { type FoldNetwork, readFoldNetwork } from '../targets/network.js';
import type { FoldTarget } from '../targets/target.js';
import { FoldEditor } from './fold-editor.js';
import { backTerms, describeRegion, type FoldRegion, forwardTerms } from './fold-region.js';

/** The changes to a model file that fold its layers. */
export interface FoldPlan {
	/** Edits for `planEdits` and `renderEdits` of core/onnx/write/edit.ts. All other bytes of the file stay. */
	readonly edits: readonly Edit[];
	/** Together every layer of the model, each list in graph order. */
	readonly folded: readonly FoldedLayer[];
	readonly kept: readonly KeptLayer[];
	/** The folded parts of the graph, each to be verified by itself. */
	readonly regions: readonly FoldRegion[];
}

/**
 * Plans the fold of every layer that folds exactly: into the linear operator in front, through reshapes and transposes
 * that keep channels apart, or else into an unpadded convolution behind. Computes in float64 and rounds once to the
 * weight's type. Copies a weight that another node also reads, and removes values that lose their last reader. All
 * other parts of the file keep their bytes.
 * @throws {OnnxError} when the file cannot be read any more.
 */
export async function planFold(model: Model, access: TensorAccess, choices: FoldChoices = {}): Promise<FoldPlan> {
	const network = await readFoldNetwork({ model, layers: await findLayers(model, access), access });
	const kept: KeptLayer[] = [];
	const steps: FoldStep[] = [];
	for (const [layer, step] of await foldSteps(network, choices)) {
		if (Array.isArray(step)) {
			kept.push({ name: layer.name, reasons: step });
		} else {
			steps.push(step);
		}
	}
	const editor = new FoldEditor(model, access.source, choices.treatsInputsAsConstants ?? false);
	const folded: FoldedLayer[] = [];
	const regions: FoldRegion[] = [];
	for (const group of byOperator(steps)) {
		const region = await foldGroup(network, group, editor);
		for (const { layer, operator } of group) {
			if (typeof region === 'string') {
				kept.push({ name: layer.name, reasons: [region] });
			} else {
				folded.push({ name: layer.name, into: operator.name });
			}
		}
		if (typeof region !== 'string') {
			regions.push(region);
		}
	}
	const order = new Map(network.layers.map(({ name }, index) => [name, index]));
	const inOrder = (a: { readonly name: string }, b: { readonly name: string }) =>
		(order.get(a.name) ?? 0) - (order.get(b.name) ?? 0);
	return { edits: await editor.finish(), folded: folded.sort(inOrder), kept: kept.sort(inOrder), regions };
}

/** Position of a layer in front of the operator, before all layers behind it. */
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

/** Folds the layers of an operator. Returns the reason if it cannot be done, which shows only in the weights. */
async function foldGroup(
	network: FoldNetwork,
	steps: readonly FoldStep[],
	editor: FoldEditor,
): Promise<FoldRegion | FoldReason> {
	const { operator } = steps[0];
	const read = await network.weights.read(operator);
	if (!read.ok) {
		return 'dynamic-parameter';
	}
	let weights = read.value;
	let terms: Float64Array = weights.bias?.map(Math.abs) ?? new Float64Array(channelCount(weights.layout));
	for (const { layer, target, forward } of steps) {
		const parameters = layerParameters(layer);
		if (!parameters.ok) {
			return 'dynamic-parameter';
		}
		const next = target
			? foldBack(weights, target, parameters.value)
			: forward && foldForward(forward, weights, parameters.value)?.weights;
		if (!next) {
			return 'rank';
		}
		terms = target
			? backTerms(terms, target, parameters.value)
			: forwardTerms(operator, weights, { terms, parameters: spread(parameters.value, forward?.rows) });
		weights = next;
	}
	if (!isRepresentable(operator, weights)) {
		return 'overflow';
	}
	editor.fold({ operator, weights, steps });
	return describeRegion(steps, weights, terms);
}

function spread(parameters: FoldParameters, rows: Int32Array | undefined): FoldParameters {
	return rows ? gatherParameters(parameters, rows) : parameters;
}

/** Returns an operator's constants with a layer behind it folded in, in float64. */
export function foldBack(
	weights: OperatorWeights,
	{ added, rows }: FoldTarget,
	parameters: FoldParameters,
): OperatorWeights {
	const { scale, bias } = expectedFold(addBiases(weights.bias, added), gatherParameters(parameters, rows));
	const weight = scaleRows(Float64Array.from(weights.weight), weights.layout, scale, 'float64');
	return { ...weights, weight, bias };
}

/** True if every weight and bias stays finite when it is divided by Gemm's factor and rounded to the stored type. */
export function isRepresentable({ alpha, beta }: LinearOperator, { weight, bias, stored }: OperatorWeights): boolean {
	const largest = [largestOf(weight) / alpha, largestOf(bias ?? new Float64Array()) / (beta || 1)];
	return largest.every((value) => Number.isFinite(roundTo(value, stored)));
}

/** Returns the largest magnitude; NaN if a value is NaN. */
function largestOf(values: Float32Array | Float64Array): number {
	let largest = 0;
	for (let index = 0; index < values.length; index++) {
		const size = Math.abs(values[index]);
		if (Number.isNaN(size)) {
			return size;
		}
		largest = Math.max(largest, size);
	}
	return largest;
}
