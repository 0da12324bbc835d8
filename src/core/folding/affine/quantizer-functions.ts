import { isConstant } from '../../onnx/graph/constants.js';
import { integerRange, isStandard } from '../../onnx/graph/quantization.js';
import { Scope } from '../../onnx/graph/scope.js';
import type { Node } from '../../onnx/model.js';
import { typeCode, typeName } from '../../onnx/types.js';
import { recordOf } from '../operators/linear.js';
import type { Network } from '../targets/network.js';
import { clipRanges, replacedRange } from './clip-ranges.js';
import type { QuantizerFunctions } from './planner.js';

/** Positions of scale and zero point of an operator's output. */
const OUTPUT_GRIDS: ReadonlyMap<string, readonly [scale: number, zeroPoint: number]> = new Map([
	['QuantizeLinear', [1, 2]],
	['QLinearConv', [6, 7]],
	['QLinearMatMul', [6, 7]],
	['QGemm', [7, 8]],
]);

/** Returns the quantizers that may replace an activation of the original, because they clip where it does. */
export async function quantizerFunctions(
	{ model, weights }: Network,
	original: Pick<Network, 'model' | 'weights'>,
): Promise<QuantizerFunctions> {
	const found = new Map<Node, string>();
	const scope = Scope.ofModel(model);
	const quantizers = model.graph.nodes.filter(({ opType }) => OUTPUT_GRIDS.has(opType));
	if (quantizers.length === 0) {
		return found;
	}
	const functions = await clipRanges(original.model, original.weights);
	for (const node of quantizers) {
		const [scaleAt, zeroAt] = OUTPUT_GRIDS.get(node.opType) ?? [0, 0];
		const [scale = '', zeroPoint = ''] = [node.inputs[scaleAt], node.inputs[zeroAt]];
		const isActivation = node.opType !== 'QuantizeLinear' || isUnclipped(scope, node.inputs[0] ?? '');
		const [step] = isActivation ? ((await weights.perChannel(scope, scale, 1)) ?? []) : [];
		const zero = zeroPoint === '' ? 0 : (await weights.perChannel(scope, zeroPoint, 1))?.[0];
		const type =
			recordOf(scope, zeroPoint)?.dataType ?? (scope.attribute(node, 'output_dtype')?.i || typeCode('uint8'));
		const range = integerRange(typeName(type));
		if (step === undefined || zero === undefined || !range) {
			continue;
		}
		const [low, high] = replacedRange(functions, [(range[0] - zero) * step, (range[1] - zero) * step]);
		if (Number.isFinite(low) || Number.isFinite(high)) {
			found.set(node, low === 0 && high === Number.POSITIVE_INFINITY ? 'Relu' : 'Clip');
		}
	}
	return found;
}

/** Operators that hand on values, or add them up. */
const HANDED_ON: ReadonlySet<string> = new Set([
	...['Identity', 'Cast', 'Reshape', 'Transpose', 'Squeeze', 'Unsqueeze', 'Flatten', 'DequantizeLinear'],
]);
const UNCLIPPED: ReadonlySet<string> = new Set([
	...['Conv', 'ConvTranspose', 'Gemm', 'MatMul', 'MatMulNBits', 'Add', 'Sub', 'Sum', 'BatchNormalization', 'Concat'],
	...['QLinearConv', 'QLinearMatMul', 'QGemm', 'QLinearAdd'],
]);
/** Maximum number of nodes followed to the operator in front of a quantizer. */
const MAX_STEPS = 8;

/** True for the result of an operator that no activation has clipped, as far as the graph shows. */
function isUnclipped(scope: Scope, name: string): boolean {
	let node = isConstant(scope, name) ? undefined : scope.producer(name);
	for (let step = 0; step < MAX_STEPS && node && isStandard(node) && HANDED_ON.has(node.opType); step++) {
		node = scope.producer(node.inputs[0] ?? '');
	}
	return node !== undefined && UNCLIPPED.has(node.opType);
}
