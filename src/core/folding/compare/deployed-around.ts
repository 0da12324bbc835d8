import { type Affine, affine } from '../../batchnorm/affine.js';
import type { BatchNormLayer } from '../../batchnorm/layer.js';
import { FLOAT_FORMATS } from '../../numbers/float-formats.js';
import { isConstant } from '../../onnx/graph/constants.js';
import { isStandard } from '../../onnx/graph/quantization.js';
import type { Scope } from '../../onnx/graph/scope.js';
import type { Node } from '../../onnx/model.js';
import { addBiases, type FoldParameters, gather, scaleRows } from '../operators/expected.js';
import { layerParameters } from '../operators/layer-parameters.js';
import { channelCount } from '../operators/layout.js';
import type { LinearOperator } from '../operators/linear.js';
import type { OperatorWeights, WeightReader } from '../operators/weights.js';
import { foldMapForward, inputLayout } from '../targets/forward.js';
import type { FoldTarget } from '../targets/target.js';

/**
 * Returns an operator's constants together with the scale and shift of the layer behind it, in float64; undefined for
 * quantized constants, and with another layer between the two.
 * @param target of the layer: its operator
 */
export function withLayerBehind(
	weights: OperatorWeights,
	{ rows, earlier, added }: FoldTarget,
	layer: BatchNormLayer,
): OperatorWeights | undefined {
	const parameters = layerParameters(layer);
	if (!parameters.ok || weights.grid || earlier.length > 0 || rows.length !== channelCount(weights.layout)) {
		return undefined;
	}
	const [scale, shift] = Object.values(mapOf(parameters.value)).map((values) => gather(values, rows));
	const before = addBiases(weights.bias, added);
	return {
		...weights,
		weight: scaleRows(Float64Array.from(weights.weight), weights.layout, scale, 'float64'),
		bias: shift.map((value, row) => value + scale[row] * (before?.[row] ?? 0)),
	};
}

/** Returns the constant that an Add or a Sub in front of an operator adds to each of its input channels. */
export async function shiftInFront(
	operator: LinearOperator,
	{ dims }: OperatorWeights,
	reader: WeightReader,
): Promise<Float64Array | undefined> {
	const { scope, node, kind } = operator;
	const source = scope.producer(node.inputs[0] ?? '');
	const input = inputLayout(operator, dims);
	if (!source || !input || !isShift(scope, source)) {
		return undefined;
	}
	const constant = source.inputs.find((name) => isConstant(scope, name)) ?? '';
	const behind = kind === 'Conv' || kind === 'ConvTranspose' ? dims.length - 2 : 0;
	const values = await reader.perChannel(scope, constant, channelCount(input), { behind });
	return source.opType === 'Sub' ? values?.map((value) => -value) : values;
}

/** True if a layer's input comes from an Add or a Sub with a constant. */
export function isShifted({ scope, input }: BatchNormLayer): boolean {
	const source = scope.producer(input);
	return source !== undefined && isShift(scope, source);
}

/** True for x + constant, constant + x, and x - constant. */
function isShift(scope: Scope, node: Node): boolean {
	const [isFirst, isSecond] = node.inputs.map((name) => isConstant(scope, name));
	const isOne = node.opType === 'Add' ? isFirst !== isSecond : node.opType === 'Sub' && !isFirst && isSecond;
	return isStandard(node) && isOne;
}

/** Returns an operator's constants with a shift of each input channel taken in; undefined if the channels do not fit. */
export function withShift(
	operator: LinearOperator,
	weights: OperatorWeights,
	shift: Float64Array,
): OperatorWeights | undefined {
	const scale = new Float64Array(shift.length).fill(1);
	return foldMapForward({ operator, rows: undefined }, weights, { scale, shift })?.weights;
}

/** Roundings of the shift that a tool divides by the scale, and of the scale. */
const ROUNDINGS = 16;

/** True if a shift in front of an operator with the layer's scales in its weights is the layer's shift at a border, too. */
export function isShiftOf(shift: Float64Array, parameters: FoldParameters): boolean {
	const { beta, mean } = parameters;
	const map = mapOf(parameters);
	return map.shift.every((value, channel) => {
		const size = Math.abs(beta[channel]) + Math.abs(mean[channel] * map.scale[channel]);
		return (
			Math.abs(map.scale[channel] * shift[channel] - value) <= ROUNDINGS * FLOAT_FORMATS.float32.unitRoundoff * size
		);
	});
}

const mapOf = ({ gamma, beta, mean, variance, epsilon }: FoldParameters): Affine =>
	affine(gamma, beta, mean, variance, epsilon);
