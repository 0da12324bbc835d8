import { type Affine, affine } from '../../batchnorm/affine.js';
import type { CauseCode } from '../../report/causes.js';
import type { FoldParameters } from '../operators/expected.js';
import type { OperatorWeights } from '../operators/weights.js';
import { type ForwardPlace, foldMapForward } from '../targets/forward.js';

/** A wrong scale and shift of a layer that was folded forward. */
export interface WrongMap {
	readonly cause: CauseCode;
	readonly map: Affine;
}

/** Defaults of frameworks. */
const EPSILONS: readonly number[] = [1e-5, 1e-3, 1e-4, 1e-6, 2e-5, 1e-8, 1e-12, 5e-5, 1e-2, 0].map(Math.fround);
/** Factor of the moving average that Caffe keeps beside mean and variance. */
const CAFFE_FACTOR = 999.982;

/** Lists the scale and shift that each cause of the catalogue gives; input channels have no order or bias of their own. */
export function listWrongMaps({ gamma, beta, mean, variance, epsilon }: FoldParameters): readonly WrongMap[] {
	const { scale, shift } = affine(gamma, beta, mean, variance, epsilon);
	const withScale = (cause: CauseCode, of: (channel: number) => number): WrongMap => {
		const wrong = scale.map((_, channel) => of(channel));
		return { cause, map: { scale: wrong, shift: wrong.map((s, channel) => beta[channel] - mean[channel] * s) } };
	};
	const withShift = (cause: CauseCode, of: (channel: number) => number): WrongMap => {
		return { cause, map: { scale, shift: shift.map((_, channel) => of(channel)) } };
	};
	const deviation = (channel: number, e = epsilon) => Math.sqrt(variance[channel] + e);
	const others = EPSILONS.filter((other) => other !== Math.fround(epsilon));
	const reset = affine(gamma, beta, new Float64Array(mean.length), new Float64Array(mean.length).fill(1), epsilon);
	const factors = [CAFFE_FACTOR, 1 / CAFFE_FACTOR].map((factor): WrongMap => {
		const [m, v] = [mean, variance].map((values) => values.map((value) => value * factor));
		return { cause: 'variance-scale-factor', map: affine(gamma, beta, m, v, epsilon) };
	});
	return [
		...others.map((other) => withScale('wrong-epsilon', (c) => gamma[c] / deviation(c, other))),
		withScale('epsilon-outside-sqrt', (c) => gamma[c] / (Math.sqrt(variance[c]) + epsilon)),
		withScale('epsilon-clamped', (c) => gamma[c] / Math.sqrt(Math.max(variance[c], epsilon))),
		withScale('epsilon-applied-twice', (c) => gamma[c] / deviation(c) / Math.sqrt(1 + epsilon)),
		withScale('missing-sqrt', (c) => gamma[c] / (variance[c] + epsilon)),
		withScale('std-as-variance', (c) => gamma[c] / Math.sqrt(Math.sqrt(variance[c]) + epsilon)),
		withScale('multiplied-by-std', (c) => gamma[c] * deviation(c)),
		withScale('variance-ignored', (c) => gamma[c]),
		withScale('gamma-dropped', (c) => 1 / deviation(c)),
		withScale('gamma-sign-lost', (c) => Math.abs(gamma[c]) / deviation(c)),
		...factors,
		{ cause: 'initial-statistics', map: reset },
		withShift('beta-dropped', (c) => -mean[c] * scale[c]),
		withShift('mean-dropped', (c) => beta[c]),
		withShift('mean-sign-flipped', (c) => beta[c] + mean[c] * scale[c]),
		withShift('mean-unscaled', (c) => beta[c] - mean[c]),
		withShift('bias-not-folded', () => 0),
		{ cause: 'weights-not-folded', map: { scale: scale.map(() => 1), shift } },
		{
			cause: 'folded-twice',
			map: { scale: scale.map((s) => s * s), shift: shift.map((t, c) => t * scale[c] + t) },
		},
	];
}

/** An operator's constants with a layer folded forward into them wrongly. */
export interface WrongForwardFold {
	readonly cause: CauseCode;
	readonly weights: OperatorWeights;
}

/** Yields the constants of an operator for each wrong way of folding a layer forward into it. */
export function* wrongForwardFolds(
	place: ForwardPlace,
	weights: OperatorWeights,
	parameters: FoldParameters,
): Generator<WrongForwardFold> {
	for (const { cause, map } of listWrongMaps(parameters)) {
		const fold = foldMapForward(place, weights, map);
		if (fold) {
			yield { cause, weights: fold.weights };
		}
	}
	const fold = weights.bias && foldMapForward(place, { ...weights, bias: null }, affineOf(parameters));
	if (fold) {
		yield { cause: 'conv-bias-dropped', weights: fold.weights };
	}
}

function affineOf({ gamma, beta, mean, variance, epsilon }: FoldParameters): Affine {
	return affine(gamma, beta, mean, variance, epsilon);
}
