import { Scope } from '../../onnx/graph/scope.js';
import type { Model } from '../../onnx/model.js';
import type { WeightReader } from '../operators/weights.js';

/** Smallest and largest value that a function lets through; infinite without a limit. */
export type ClipRange = readonly [low: number, high: number];

const UNLIMITED: ClipRange = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
const RELU: ClipRange = [0, Number.POSITIVE_INFINITY];
/** Distance at which a limit of a quantizer is the limit of a function, relative to the quantizer's range. */
const SAME = 1e-3;

/** Lists the ranges to which functions of a model clip values: those of Relu and of each Clip with constant limits. */
export async function clipRanges(model: Model, weights: WeightReader): Promise<ClipRange[]> {
	const scope = Scope.ofModel(model);
	const ranges: ClipRange[] = [];
	const add = (range: ClipRange) => {
		if (!ranges.some(([low, high]) => low === range[0] && high === range[1])) {
			ranges.push(range);
		}
	};
	for (const node of model.graph.nodes.filter(({ domain }) => domain === '')) {
		const limit = async (attribute: string, input: number, none: number): Promise<number> => {
			const name = node.inputs[input] ?? '';
			const values = name === '' ? undefined : await weights.perChannel(scope, name, 1);
			return values?.[0] ?? scope.attribute(node, attribute)?.f ?? none;
		};
		if (node.opType === 'Relu') {
			add(RELU);
		} else if (node.opType === 'Clip') {
			add([await limit('min', 1, UNLIMITED[0]), await limit('max', 2, UNLIMITED[1])]);
		}
	}
	return ranges;
}

/**
 * Returns the range of the function that a quantizer may replace. Tools drop an activation in front of a quantizer whose
 * values all lie in the activation's range, so that the quantizer clips instead. Such a quantizer has a limit in common
 * with the function.
 * @param range values that the quantizer represents
 * @returns a range without limits if there is no such function
 */
export function replacedRange(functions: readonly ClipRange[], [low, high]: ClipRange): ClipRange {
	const slack = SAME * (high - low);
	const fitting = functions
		.map((range) => {
			const isSame = [Math.abs(low - range[0]) <= slack, Math.abs(high - range[1]) <= slack];
			const isInside = low >= range[0] - slack && high <= range[1] + slack;
			return { range, limits: isInside ? isSame.filter(Boolean).length : 0, width: range[1] - range[0] };
		})
		.filter(({ limits }) => limits > 0)
		.sort((a, b) => b.limits - a.limits || b.width - a.width);
	return fitting[0]?.range ?? UNLIMITED;
}
