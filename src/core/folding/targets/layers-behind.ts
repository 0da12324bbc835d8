import { axesBehind, type BatchNormLayer } from '../../batchnorm/layer.js';
import { isConstant } from '../../onnx/graph/constants.js';
import type { Node } from '../../onnx/model.js';
import type { FoldParameters } from '../operators/expected.js';
import type { BroadcastPartner } from '../operators/weight-layout.js';
import type { WeightReader } from '../operators/weights.js';

/** A layer merged with the per-channel arithmetic behind it. */
export interface ExtendedLayer {
	readonly parameters: FoldParameters;
	/** The operators taken in, in their order. */
	readonly operators: readonly string[];
}

/**
 * Maximum number of Mul and Add nodes taken in. Caffe keeps gamma and beta in a Scale layer behind its BatchNorm: a Mul
 * and an Add.
 */
const LONGEST = 4;

/**
 * Extends a layer by each Mul and Add node that follows, because fusions merge these into the same operator. m (s x +
 * t) + a is a layer with gamma m and beta t' = m beta + a.
 */
export async function extendedLayers(
	layer: BatchNormLayer,
	parameters: FoldParameters,
	weights: WeightReader,
): Promise<readonly ExtendedLayer[]> {
	const { scope, inputShape, channels, channelAxis } = layer;
	const against: BroadcastPartner = inputShape
		? { behind: axesBehind(channelAxis, inputShape.length), rank: inputShape.length }
		: { behind: 'any' };
	const extended: ExtendedLayer[] = [];
	let current: ExtendedLayer = { parameters, operators: [] };
	let tensor = layer.output;
	for (let step = 0; step < LONGEST && !scope.isOutput(tensor); step++) {
		const [next, ...others] = scope.consumers(tensor);
		const constant = next && others.length === 0 ? constantOf(next, (name) => isConstant(scope, name)) : undefined;
		const values = constant === undefined ? undefined : await weights.perChannel(scope, constant, channels, against);
		if (!next || !values) {
			break;
		}
		current = {
			parameters: extend(current.parameters, next.opType, values),
			operators: [...current.operators, next.opType],
		};
		extended.push(current);
		tensor = next.outputs[0] ?? '';
	}
	return extended;
}

/** Returns the constant operand of a Mul or Add, or the right operand of a Div or Sub. */
function constantOf({ opType, domain, inputs }: Node, isFixed: (name: string) => boolean): string | undefined {
	if (domain !== '') {
		return undefined;
	}
	if (opType === 'Mul' || opType === 'Add') {
		return inputs.find(isFixed);
	}
	const [, right = ''] = inputs;
	return (opType === 'Div' || opType === 'Sub') && isFixed(right) ? right : undefined;
}

function extend(parameters: FoldParameters, opType: string, values: Float64Array): FoldParameters {
	const { gamma, beta } = parameters;
	switch (opType) {
		case 'Mul':
			return { ...parameters, gamma: gamma.map((g, c) => g * values[c]), beta: beta.map((b, c) => b * values[c]) };
		case 'Div':
			return { ...parameters, gamma: gamma.map((g, c) => g / values[c]), beta: beta.map((b, c) => b / values[c]) };
		case 'Sub':
			return { ...parameters, beta: beta.map((b, c) => b - values[c]) };
		default:
			return { ...parameters, beta: beta.map((b, c) => b + values[c]) };
	}
}
