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
import { type ChannelLayout, channelCount, relayout, rowLength, sameLayout } from '../../operators/layout.js';
import type { LinearOperator } from '../../operators/linear.js';
import { type Addition, type QuantizationGrid, withAddition } from '../../operators/quantization-grid.js';
import type { OperatorWeights } from '../../operators/weights.js';
import type { FoldTarget } from '../../targets/target.js';

/**
 * Fold of a layer: the deployed constants and the values that they should follow from. Both weights have the same
 * layout.
 */
export interface FoldCase {
	readonly original: LinearWeights;
	readonly deployed: LinearWeights;
	/** Parameters of the layer, arrays of shape (rows). */
	readonly parameters: FoldParameters;
	/** Shape of the weight tensor. Each axis may have been scaled by mistake. */
	readonly dims: readonly number[];
	/** Element types of the deployed and of the original weight. */
	readonly stored: FloatType;
	readonly source: FloatType;
	/** True if the original values are copies rounded to `source`, and the deployed model was made from wider values. */
	readonly isRoundedCopy?: true;
	/** Quantization steps that the deployed model states, shape (rows); absent for constants in float. */
	readonly grid?: QuantizationGrid;
	/** Group counts of the operator, 1 left out. */
	readonly groups: readonly number[];
	/** Gemm's beta where it is not 1, of either model. */
	readonly gemmBetas: readonly number[];
	/**
	 * Without a layer behind the operator no folding formula applies. `true`: the weights should be the original ones;
	 * `forward`: those with the layer in front.
	 */
	readonly withoutLayer?: WithoutLayer;
	/** Layers that were folded before into the original weights, which a tool rounds one after the other. */
	readonly earlier?: EarlierFolds;
}

export interface EarlierFolds {
	readonly count: number;
	/** Magnitudes of all terms of the original bias, which may cancel, shape (rows). */
	readonly terms: Float64Array;
}

export type WithoutLayer = true | 'forward';

export interface FoldInputs {
	readonly target: FoldTarget;
	/** Parameters of the layer, arrays of shape (channels). */
	readonly parameters: FoldParameters;
	readonly originalWeights: OperatorWeights;
	readonly deployedWeights: OperatorWeights;
	readonly deployedOperator: LinearOperator;
	/** Constant that the deployed model adds behind its operator. */
	readonly deployedAddition: Addition | null;
	readonly withoutLayer?: WithoutLayer;
}

/**
 * Converts both operators' constants and the layer's parameters to a layout, arrays of shape (rows). The
 * failure's reason is a sentence.
 */
export function foldCase(inputs: FoldInputs): Result<FoldCase> {
	const { target, parameters, originalWeights, deployedWeights, deployedOperator } = inputs;
	const { layout } = originalWeights;
	if (!haveSameRows(layout, deployedWeights.layout)) {
		return failure(
			`The deployed weight has the shape [${deployedWeights.dims.join(', ')}] where [${originalWeights.dims.join(', ')}] belongs.`,
		);
	}
	const before = foldEarlierLayers(originalWeights, target);
	if (!before.ok) {
		return before;
	}
	const { folded: original, terms } = before.value;
	const weight = sameLayout(layout, deployedWeights.layout)
		? deployedWeights.weight
		: relayout(deployedWeights.weight, deployedWeights.layout, layout);
	const isIdentity =
		target.rows.every((channel, row) => channel === row) && target.rows.length === parameters.gamma.length;
	const { operator } = target;
	const { deployedAddition } = inputs;
	const grid = deployedAddition
		? withAddition(deployedWeights.grid, deployedAddition, target.rows.length)
		: deployedWeights.grid;
	return success({
		original,
		deployed: { weight, layout, bias: addBiases(deployedWeights.bias, deployedAddition?.values ?? null) },
		parameters: isIdentity ? parameters : gatherParameters(parameters, target.rows),
		dims: originalWeights.dims,
		stored: deployedWeights.stored,
		source: originalWeights.stored,
		...(originalWeights.isRoundedCopy && { isRoundedCopy: true }),
		...(grid && { grid }),
		groups: operator.group > 1 ? [operator.group] : [],
		gemmBetas: [...new Set([operator.beta, deployedOperator.beta])].filter((beta) => beta !== 1),
		...(inputs.withoutLayer && { withoutLayer: inputs.withoutLayer }),
		...(target.earlier.length > 0 && { earlier: { count: target.earlier.length, terms } }),
	});
}

const scaled = (slack: Float64Array, scale: Float64Array): Float64Array =>
	slack.map((value, row) => value * Math.abs(scale[row]));

function haveSameRows(a: ChannelLayout, b: ChannelLayout): boolean {
	return channelCount(a) === channelCount(b) && rowLength(a) === rowLength(b);
}

interface FoldedEarlier {
	readonly folded: OperatorWeights;
	/** As in {@link EarlierFolds}. */
	readonly terms: Float64Array;
}

/** Folds the layers between the operator and this layer first. Their result is the original here. */
function foldEarlierLayers(weights: OperatorWeights, { added, earlier }: FoldTarget): Result<FoldedEarlier> {
	let result = weights;
	let terms = magnitudes(weights.bias, channelCount(weights.layout));
	for (const { layer, rows, added: before } of earlier) {
		const parameters = layerParameters(layer);
		if (!parameters.ok || !rows) {
			return failure(
				`The layer ${layer.name} between the operator and this one has no constant parameters of a fitting length.`,
			);
		}
		const gathered = gatherParameters(parameters.value, rows);
		const { scale, bias } = expectedFold(addBiases(result.bias, before), gathered);
		const weight = scaleRows(Float64Array.from(result.weight), weights.layout, scale, 'float64');
		const inside = addBiases(terms, magnitudes(before, terms.length)) ?? terms;
		terms = inside.map(
			(term, row) => Math.abs(scale[row]) * (term + Math.abs(gathered.mean[row])) + Math.abs(gathered.beta[row]),
		);
		const { biasSlack, weightSlack } = result;
		const slack = {
			...(biasSlack && { biasSlack: scaled(biasSlack, scale) }),
			...(weightSlack && { weightSlack: scaled(weightSlack, scale) }),
		};
		result = { ...result, weight, bias, ...slack };
	}
	const folded = { ...result, bias: addBiases(result.bias, added) };
	return success({ folded, terms: addBiases(terms, magnitudes(added, terms.length)) ?? terms });
}

function magnitudes(values: Float64Array | null, length: number): Float64Array {
	return values?.map(Math.abs) ?? new Float64Array(length);
}
