import { FLOAT_FORMATS } from '../../../core/numbers/float-formats.js';
import { nodesInOrder, type Place } from '../../../core/onnx/graph/traverse.js';
import { typeName } from '../../../core/onnx/types.js';
import type { Comparison } from '../../../core/report/comparison/comparison.js';
import type { OpenedModel } from './opened-model.js';

/** Returns the unit roundoff of the coarsest floating type that a model stores, or was rounded to. */
export function coarsestRounding(files: readonly OpenedModel[], { layers }: Pick<Comparison, 'layers'>): number {
	const types = new Set<string>();
	for (const { model } of files) {
		for (const { dataType } of [...model.graph.initializers.values(), ...model.graph.inputs]) {
			types.add(typeName(dataType));
		}
	}
	const causes = new Set(layers.flatMap((layer) => layer.causes));
	if (types.has('bfloat16') || causes.has('rounding-bf16')) {
		return FLOAT_FORMATS.bfloat16.unitRoundoff;
	}
	return types.has('float16') || causes.has('rounding-fp16')
		? FLOAT_FORMATS.float16.unitRoundoff
		: FLOAT_FORMATS.float32.unitRoundoff;
}

const INTEGER_OPERATORS =
	/^(QuantizeLinear|QLinear.*|QGemm|ConvInteger|MatMulInteger|DynamicQuantizeLinear|MatMulNBits)$/;

/** True if a model quantizes activations or stores integer weights, also in functions and bodies. */
export function computesInIntegers({ model }: OpenedModel): boolean {
	return [...nodesInOrder(model)].some(isInteger);
}

/** True if operators on integers are in the functions or bodies of a model. */
export function hidesIntegers({ model }: OpenedModel): boolean {
	return [...nodesInOrder(model)].some((place) => place.scope.depth > 0 && isInteger(place));
}

const isInteger = ({ node: { opType } }: Place): boolean =>
	INTEGER_OPERATORS.test(opType) || opType === 'DequantizeLinear';
