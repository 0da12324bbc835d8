import { affine } from '../../batchnorm/affine.js';
import type { BatchNormLayer } from '../../batchnorm/layer.js';
import type { FloatType } from '../../numbers/float-formats.js';
import { addBiases, type FoldParameters, gather } from '../operators/expected.js';
import { forEachRun, rowLength } from '../operators/layout.js';
import type { LinearOperator } from '../operators/linear.js';
import type { OperatorWeights } from '../operators/weights.js';
import type { FoldStep } from '../targets/fold-steps.js';
import { inputLayout } from '../targets/forward.js';
import { movesElements } from '../targets/forward-route.js';
import type { FoldTarget, ShapeEvidence } from '../targets/target.js';

/**
 * An operator with the layers folded into it. Original and folded model compute the tensor `output` from the tensor
 * `input`. The fold changes no other tensor that is visible outside. So the fold is right if the outputs agree on equal
 * inputs.
 */
export interface FoldRegion {
	/** Names of the folded layers, in the order in which they act. */
	readonly layers: readonly string[];
	readonly operator: LinearOperator;
	/** Path of the graph that holds the region, as in {@link LinearOperator.scope}. */
	readonly path: string;
	readonly input: string;
	readonly output: string;
	/** Shape of the operator's weight. */
	readonly dims: readonly number[];
	readonly dtype: FloatType;
	/** The first layer's own input, if nodes stand between that layer and the operator behind it. */
	readonly front?: Pick<BatchNormLayer, 'inputShape' | 'channelAxis' | 'channels'>;
	/** Axis of `output` with the channels; -1 is the last. */
	readonly channelAxis: number;
	/** Products summed for each output. */
	readonly summands: number;
	/** Sum of the magnitudes of all terms that make up each channel's constant, shape (channels of `output`). */
	readonly terms: Float64Array;
	/** Standard deviation of an input that makes products about as large as the constant terms. */
	readonly inputScale: number;
	/** True if nodes inside depend on the sizes of the tensors. */
	readonly movesElements: boolean;
	readonly evidence: ShapeEvidence;
}

/** Describes the folded part of a graph. @param terms as {@link backTerms} gives them, shape (rows) */
export function describeRegion(steps: readonly FoldStep[], weights: OperatorWeights, terms: Float64Array): FoldRegion {
	const { operator } = steps[0];
	const forward = steps.find(({ target }) => !target);
	const last = steps.findLast(({ target }) => target);
	const ways = steps.flatMap(({ target, forward }) => target ?? forward ?? []);
	const ofChannels = last?.target ? largestByChannel(terms, last.target.rows, last.layer.channels) : terms;
	return {
		layers: steps.map(({ layer }) => layer.name),
		operator,
		path: operator.scope.path,
		input: forward ? forward.layer.input : (operator.node.inputs[0] ?? ''),
		...(forward?.forward?.path.length && { front: forward.layer }),
		output: last ? last.layer.output : operator.output,
		dims: weights.dims,
		dtype: weights.stored,
		channelAxis: last ? last.layer.channelAxis : 1,
		summands: rowLength(weights.layout),
		terms: ofChannels,
		inputScale: inputScale(weights, terms),
		movesElements: ways.some(movesElements),
		evidence:
			(['assumed', 'declared'] as const).find((kind) => ways.some((way) => way.evidence === kind)) ?? 'inferred',
	};
}

function largestByChannel(terms: Float64Array, rows: Int32Array, channels: number): Float64Array {
	const result = new Float64Array(channels);
	rows.forEach((channel, row) => {
		result[channel] = Math.max(result[channel], terms[row]);
	});
	return result;
}

/** Magnitudes of the constant terms behind a layer: |s| (|b| + |mean|) + |beta|, shape (rows). */
export function backTerms(
	terms: Float64Array,
	{ added, rows }: FoldTarget,
	{ gamma, beta, mean, variance, epsilon }: FoldParameters,
): Float64Array {
	const { scale } = affine(gamma, beta, mean, variance, epsilon);
	const before = addBiases(terms, added?.map(Math.abs) ?? null) ?? terms;
	const [s, m, b] = [scale, mean, beta].map((values) => gather(values, rows).map(Math.abs));
	return before.map((term, row) => s[row] * (term + m[row]) + b[row]);
}

/** Magnitudes of the constant terms of an operator with a layer in front: |b| + sum |W| (|mean s| + |beta|), shape (rows). */
export function forwardTerms(
	operator: LinearOperator,
	{ weight, layout, dims }: OperatorWeights,
	{ terms, parameters }: { readonly terms: Float64Array; readonly parameters: FoldParameters },
): Float64Array {
	const { gamma, beta, mean, variance, epsilon } = parameters;
	const { scale } = affine(gamma, beta, mean, variance, epsilon);
	const input = inputLayout(operator, dims);
	const shifts = new Float64Array(weight.length);
	if (input) {
		forEachRun(input, (channel, start) => {
			shifts.fill(Math.abs(mean[channel] * scale[channel]) + Math.abs(beta[channel]), start, start + input.inner);
		});
	}
	const result = terms.slice();
	forEachRun(layout, (row, start) => {
		for (let index = start; index < start + layout.inner; index++) {
			result[row] += Math.abs(weight[index]) * shifts[index];
		}
	});
	return result;
}

/** Limits of {@link FoldRegion.inputScale}, so that float16 stays far from its largest value, 65504. */
const [MIN_SCALE, MAX_SCALE] = [1e-2, 1e2];

function inputScale({ weight, bias }: OperatorWeights, terms: Float64Array): number {
	const ratio = Math.sqrt(sumOfSquares(terms) / sumOfSquares(weight));
	return bias && ratio > 0 && Number.isFinite(ratio) ? Math.min(MAX_SCALE, Math.max(MIN_SCALE, ratio)) : 1;
}

function sumOfSquares(values: Float32Array | Float64Array): number {
	let sum = 0;
	for (let index = 0; index < values.length; index++) {
		sum += values[index] ** 2;
	}
	return sum;
}
