import type { FloatType } from '../../../numbers/float-formats.js';
import { failure, type Result, success } from '../../../result.js';
import {
	addBiases,
	expectedFold,
	type FoldParameters,
	gatherParameters,
	type LinearWeights,
	scaleRows,
} from '../../operators/expected.js';
import { layerParameters } from '../../operators/layer-parameters.js';
import { channelCount, relayout, rowLength, sameLayout } from '../../operators/layout.js';
import type { LinearOperator } from '../../operators/linear.js';
import type { OperatorWeights } from '../../operators/weights.js';
import type { FoldTarget } from '../../targets/target.js';

/**
 * One layer's fold: the deployed constants and the values that they should follow from. Both weights have the same
 * layout.
 */
export interface FoldCase {
	readonly original: LinearWeights;
	readonly found: LinearWeights;
	/** Parameters of the layer, arrays of shape (rows). */
	readonly parameters: FoldParameters;
	/** Shape of the weight tensor: where a scale could have been applied by mistake. */
	readonly dims: readonly number[];
	/** Element types of the found and of the original weight. */
	readonly stored: FloatType;
	readonly source: FloatType;
	/** Group counts of the operator, 1 left out. */
	readonly groups: readonly number[];
	/** Gemm's beta where it is not 1, of either model. */
	readonly gemmBetas: readonly number[];
	/** True without a layer: the weights should be the original ones, and no folding formula applies. */
	readonly withoutLayer?: boolean;
}

export interface FoldInputs {
	readonly target: FoldTarget;
	/** Parameters of the layer, arrays of shape (channels). */
	readonly parameters: FoldParameters;
	readonly original: OperatorWeights;
	readonly found: OperatorWeights;
	readonly foundOperator: LinearOperator;
	/** Constant that the deployed model adds behind its operator. */
	readonly foundAdded: Float64Array | null;
	readonly withoutLayer?: boolean;
}

/**
 * Converts both operators' constants and the layer's parameters to a layout, arrays of shape (rows). The reason
 * of a failure is a sentence.
 */
export function foldCase(inputs: FoldInputs): Result<FoldCase> {
	const { target, parameters, found, foundOperator } = inputs;
	const { layout } = inputs.original;
	if (channelCount(layout) !== channelCount(found.layout) || rowLength(layout) !== rowLength(found.layout)) {
		const wanted = inputs.original.dims.join(', ');
		return failure(`The deployed weight has the shape [${found.dims.join(', ')}] where [${wanted}] belongs.`);
	}
	const original = withEarlier(inputs.original, target);
	if (!original.ok) {
		return original;
	}
	const weight = sameLayout(layout, found.layout) ? found.weight : relayout(found.weight, found.layout, layout);
	const isIdentity =
		target.rows.every((channel, row) => channel === row) && target.rows.length === parameters.gamma.length;
	const { operator } = target;
	return success({
		original: original.value,
		found: { weight, layout, bias: addBiases(found.bias, inputs.foundAdded) },
		parameters: isIdentity ? parameters : gatherParameters(parameters, target.rows),
		dims: inputs.original.dims,
		stored: found.stored,
		source: inputs.original.stored,
		groups: operator.group > 1 ? [operator.group] : [],
		gemmBetas: [...new Set([operator.beta, foundOperator.beta])].filter((beta) => beta !== 1),
		...(inputs.withoutLayer && { withoutLayer: true }),
	});
}

/** Folds the layers between the operator and this layer first. Their result is the original here. */
function withEarlier(weights: OperatorWeights, { added, earlier }: FoldTarget): Result<OperatorWeights> {
	let result = weights;
	for (const { layer, rows, added: before } of earlier) {
		const parameters = layerParameters(layer);
		if (!parameters.ok || !rows) {
			return failure(
				`The layer ${layer.name} between the operator and this one has no constant parameters of a fitting length.`,
			);
		}
		const { scale, bias } = expectedFold(addBiases(result.bias, before), gatherParameters(parameters.value, rows));
		const weight = scaleRows(Float64Array.from(result.weight), weights.layout, scale, 'float64');
		result = { ...result, weight, bias };
	}
	return success({ ...result, bias: addBiases(result.bias, added) });
}
