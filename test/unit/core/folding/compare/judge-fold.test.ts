import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeFold } from '../../../../../src/core/folding/compare/judge-fold.js';
import type { FoldCase } from '../../../../../src/core/folding/diagnosis/observed/fold-case.js';
import type { CauseCode } from '../../../../../src/core/report/causes.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import { foldWith } from '../../../../folding/cases.js';
import { FAULTS } from '../../../../folding/faults.js';
import { type RandomLayer, randomLayer } from '../../../../folding/layers.js';
import { type Recipe, rightRecipe, runTool } from '../../../../folding/tool.js';
import { foldCaseOf } from '../../../support/fold-cases.js';

const context = { epsilon: 1e-5, operator: 'Conv' };

/** A Conv of 16 channels, with a bias, epsilon 1e-5 and the statistics of the seed. */
function layerOf(seed = 1): RandomLayer {
	return {
		...randomLayer(seededRandom(seed), 16, { kind: 'Conv', bias: true, square: true }),
		epsilon: Math.fround(1e-5),
	};
}

const layer = layerOf();

function judge(change: Partial<Recipe> = {}, edit: (fold: FoldCase) => void = () => undefined, of = layer) {
	const fold = foldCaseOf(of, runTool(of, { ...rightRecipe(of), ...change }));
	edit(fold);
	return judgeFold(fold, context);
}

function judgeFaults(...codes: CauseCode[]) {
	const faults = codes
		.map((code) => FAULTS.find((fault) => fault.code === code))
		.filter((fault) => fault !== undefined);
	assert.equal(faults.length, codes.length);
	return judgeFold(foldCaseOf(layer, foldWith(layer, { faults }, 3)), context);
}

test('a right fold matches, and shows the bound beside the error', () => {
	const { status, cause, causes, confidence, maxAbs, maxRel, maxUlp, bound, evidence, perChannel } = judge();
	assert.deepEqual({ status, cause, causes, confidence }, { status: 'match', cause: null, causes: [], confidence: 1 });
	assert.ok(maxAbs !== null && bound !== null && maxAbs > 0 && maxAbs <= bound);
	assert.ok(maxRel !== null && maxRel < 1e-6 && maxUlp !== null && maxUlp < 10);
	assert.match(evidence, /^The fold of all 16 channels arrived: the largest error is \d+ % of what rounding allows\.$/);
	assert.ok(perChannel.boundRatio?.every((ratio) => ratio <= 1));
	perChannel.weightRatio.forEach((ratio, c) => {
		assert.ok(Math.abs(ratio / (perChannel.expectedRatio?.[c] ?? 0) - 1) < 1e-6);
	});
});

test("another epsilon is named with its framework, the file's epsilon and the number of channels that agree", () => {
	const verdict = judge({ epsilon: Math.fround(1e-3) });
	assert.equal(verdict.cause, 'wrong-epsilon');
	assert.ok(verdict.confidence > 0.95);
	assert.match(
		verdict.evidence,
		/^The weights fit epsilon 0.001, the default of Keras, TensorFlow and MXNet; the original says 1e-5; 16 of 16 channels fit this to \d/,
	);
	assert.deepEqual(verdict.details['wrong-epsilon'], { epsilon: 1e-3 });
});

test('an uncommon epsilon is fitted', () => {
	const { cause, details } = judge({ epsilon: Math.fround(0.0137) });
	assert.equal(cause, 'wrong-epsilon');
	const { epsilon } = details['wrong-epsilon'] as { epsilon: number };
	assert.ok(Math.abs(epsilon / 0.0137 - 1) < 1e-5);
});

test('epsilon that no channel is small enough for makes no difference, and is no mismatch', () => {
	const large = { ...layer, variance: layer.variance.map((value) => value + 1e5) };
	assert.equal(judge({ epsilon: Math.fround(1e-6) }, undefined, large).status, 'match');
});

test('where two formulas agree in every channel, the second is an alternative', () => {
	// Every variance above epsilon: a lower limit is an epsilon of 0.
	const large = { ...layer, variance: layer.variance.map((value) => value + 1e-2), epsilon: Math.fround(1e-3) };
	const verdict = judge(
		{ scale: (gamma, variance) => Math.fround(gamma / Math.fround(Math.sqrt(variance))) },
		undefined,
		large,
	);
	const named = [verdict.cause, ...verdict.alternatives.map(({ causes }) => causes.join())];
	assert.ok(named.includes('wrong-epsilon') && named.includes('epsilon-clamped'), named.join());
	assert.ok(verdict.confidence < 0.9);
});

test('two causes at once, the larger effect first', () => {
	const small = judgeFaults('wrong-epsilon', 'beta-dropped');
	assert.deepEqual(small.causes, ['beta-dropped', 'wrong-epsilon']);
	const large = judgeFaults('gamma-dropped', 'mean-dropped');
	assert.deepEqual([...large.causes].sort(), ['gamma-dropped', 'mean-dropped']);
	assert.match(large.evidence, /gamma is missing/);
	assert.match(large.evidence, /the mean is missing/);
	const rounded = judgeFaults('missing-sqrt', 'rounding-fp16');
	assert.deepEqual(rounded.causes, ['missing-sqrt', 'rounding-fp16']);
	assert.equal(rounded.status, 'mismatch');
});

test('a fold that is right except for its rounding matches, and names the rounding', () => {
	for (const code of ['rounding-fp16', 'rounding-bf16', 'quantized-int8'] as const) {
		const verdict = judgeFaults(code);
		assert.deepEqual([verdict.status, verdict.cause], ['match', code]);
		assert.ok(verdict.maxAbs !== null && verdict.bound !== null && verdict.maxAbs <= verdict.bound);
	}
});

test('a wide layer is searched on some of its rows and judged on all', () => {
	const wide = {
		...randomLayer(seededRandom(4), 300, { kind: 'DepthwiseConv', bias: true }),
		epsilon: Math.fround(1e-5),
	};
	const verdict = judge(
		{ epsilon: Math.fround(0.0123) },
		({ deployed: found }) => {
			found.weight[299 * 9] += 1;
		},
		wide,
	);
	assert.equal(verdict.cause, 'wrong-epsilon');
	assert.deepEqual(verdict.details.unexplained, [299]);
	assert.match(verdict.evidence, /299 of 300 channels fit this/);
});

test('a variance that overflows float16 leaves a row of zeros, and the evidence says so', () => {
	const variance = layer.variance.slice();
	variance[3] = 70000;
	variance[9] = 1e6;
	const overflowing = { ...layer, variance };
	const scale: Recipe['scale'] = (gamma, v, epsilon) => (v > 65504 ? 0 : gamma / Math.sqrt(v + epsilon));
	const verdict = judge({ scale }, undefined, overflowing);
	assert.equal(verdict.status, 'mismatch');
	assert.equal(verdict.cause, 'rounding-fp16');
	assert.match(verdict.evidence, /variance overflowed float16/);
});

test('an edited weight is unknown, with its channel and the number of right channels', () => {
	const verdict = judge({}, ({ deployed: found }) => {
		found.weight[5 * 16 * 9 + 7] += 0.01;
	});
	assert.deepEqual([verdict.status, verdict.cause, verdict.confidence], ['mismatch', 'unknown', 0]);
	assert.match(verdict.evidence, /^15 of 16 channels carry the right fold; the weights of channel 5 are no multiple/);
	assert.deepEqual(verdict.details.unexplained, [5]);
});

test('an edited bias is unknown, and the weights are cleared', () => {
	const verdict = judge({}, ({ deployed: found }) => {
		found.bias?.fill(1, 2, 4);
	});
	assert.equal(verdict.cause, 'unknown');
	assert.match(verdict.evidence, /the bias of channels 2 and 3 differs, the weights do not/);
});

test('a wrong formula with an edited channel is named, less surely, with the channel that it leaves', () => {
	const verdict = judge({ epsilon: Math.fround(1e-3) }, ({ deployed: found }) => {
		found.weight[4 * 16 * 9] *= 2;
	});
	assert.equal(verdict.cause, 'wrong-epsilon');
	assert.ok(verdict.confidence > 0.5 && verdict.confidence < 0.9);
	assert.match(verdict.evidence, /15 of 16 channels fit this to .*, channel 4 do not/);
});

test('weights of another training run are called that, noise is not', () => {
	const random = seededRandom(8);
	const foreign = judge({}, ({ deployed: found }) => {
		found.weight.forEach((_, index) => {
			found.weight[index] = random.normal();
		});
	});
	assert.equal(foreign.cause, 'unknown');
	assert.match(foreign.evidence, /^Other weights: .* most likely another network or another training run\.$/);
	const noisy = judge({}, ({ deployed: found }) => {
		found.weight.forEach((value, index) => {
			found.weight[index] = value * (1 + 1e-3 * random.normal());
		});
	});
	assert.equal(noisy.cause, 'unknown');
	assert.match(noisy.evidence, /^The weights were altered: 16 of 16 rows/);
});

test('other statistics are a last explanation, with little confidence', () => {
	const verdict = judgeFaults('stale-statistics');
	assert.equal(verdict.cause, 'stale-statistics');
	assert.ok(verdict.confidence <= 0.6);
	assert.match(verdict.evidence, /Confirm with data\.$/);
});

test('channels with gamma 0 or zero weights are set apart, and all of them together are no match', () => {
	const gamma = layer.gamma.slice().fill(0, 0, 3);
	const partly = judge({ gamma }, undefined, { ...layer, gamma });
	assert.equal(partly.status, 'match');
	assert.deepEqual(partly.details.notIdentifiable, [0, 1, 2]);
	assert.ok(partly.confidence < 1);
	assert.match(partly.evidence, /3 channels with gamma 0 or zero weights cannot be told/);
	const dead = { ...layer, gamma: layer.gamma.map(() => 0) };
	const wholly = judge({ gamma: dead.gamma }, undefined, dead);
	assert.deepEqual([wholly.status, wholly.cause], ['not-identifiable', 'not-identifiable']);
	const empty = { ...layer, weight: layer.weight.map(() => 0) };
	assert.equal(judge({}, undefined, empty).status, 'not-identifiable');
});

test('a row that should be zero and is not is a mismatch', () => {
	const gamma = layer.gamma.slice().fill(0, 0, 1);
	const verdict = judge({ gamma: layer.gamma }, undefined, { ...layer, gamma });
	assert.deepEqual([verdict.status, verdict.cause], ['mismatch', 'unknown']);
});

test('parameters that give no finite scale cannot be compared', () => {
	const variance = layer.variance.slice();
	variance[2] = -1;
	const verdict = judge({}, undefined, { ...layer, variance });
	assert.equal(verdict.status, 'not-identifiable');
	assert.match(verdict.evidence, /channel 2 give no finite scale/);
});

test('a deployed NaN is a mismatch, however right the rest is', () => {
	const verdict = judge({}, ({ deployed: found }) => {
		found.weight[0] = Number.NaN;
	});
	assert.equal(verdict.status, 'mismatch');
	assert.equal(verdict.maxAbs, Number.POSITIVE_INFINITY);
	assert.equal(verdict.cause, 'unknown');
});

test('gemm-beta-reapplied needs a beta', () => {
	const gemm = { ...randomLayer(seededRandom(2), 16, { kind: 'Gemm', bias: true }) };
	const right = runTool(gemm, rightRecipe(gemm));
	const fold = foldCaseOf(gemm, { ...right, bias: right.bias.map((value) => value * 0.25) });
	assert.equal(judgeFold({ ...fold, gemmBetas: [0.25] }, context).cause, 'gemm-beta-reapplied');
	assert.equal(judgeFold(fold, context).cause, 'unknown');
});

test('every sentence ends, begins with a capital and holds a number', () => {
	for (const { code } of FAULTS) {
		if (code === 'gemm-beta-reapplied') {
			continue;
		}
		const { evidence } = judgeFaults(code);
		assert.match(evidence, /^[A-Z].*\d.*\.$/, code);
		assert.doesNotMatch(evidence, /NaN|undefined|null|\[object/, code);
	}
});

/** The right fold with its weights multiplied, and nothing else. */
const multiplied = (factor: number, of = layer) =>
	judge(
		{ finish: ({ weight, bias }) => ({ weight: weight.map((value) => Math.fround(value * factor)), bias }) },
		undefined,
		of,
	);

test('a constant on weights with a right bias is neither a factor on the variance nor an epsilon', () => {
	for (const factor of [1 / 255, 1 / 256, 1 / 127.5, 0.1, 0.5, 1.3, 2, 10]) {
		const { causes, confidence, evidence, details } = multiplied(factor);
		assert.deepEqual([causes, confidence], [['unknown'], 0], evidence);
		assert.match(evidence, /^The weights are the right ones multiplied by \d.*, the bias is right: /);
		assert.ok(Math.abs((details.unknown as { factor: number }).factor / factor - 1) < 1e-6);
	}
});

test('both causes are named if neither mean nor bias distinguishes a factor on the variance from a factor on the weights', () => {
	// Variances next to which epsilon is nothing: k on the variance is 1 / sqrt(k) on the weights.
	const silent = {
		...layer,
		bias: new Float32Array(16),
		mean: new Float32Array(16),
		variance: layer.variance.map((value) => 1e3 * (1 + value)),
	};
	const { causes, confidence, evidence } = multiplied(0.1, silent);
	assert.ok(confidence <= 0.5, evidence);
	assert.doesNotMatch(evidence, /the bias the mean/);
	assert.deepEqual(causes, ['variance-scale-factor']);
	assert.match(evidence, /multiplied by 0\.1 would be the same/);
});

test('a factor on mean and variance is named where the bias shows it', () => {
	const evidence = judgeFaults('variance-scale-factor').evidence;
	assert.match(evidence, /^The weights fit the variance, and the bias the mean, multiplied by /);
});

const zeroed = (of = layer, shift = 0) =>
	judge(
		{
			finish: ({ weight, bias }) => ({
				weight: weight.map(() => 0),
				bias: bias.map((value) => Math.fround(value + shift)),
			}),
		},
		undefined,
		of,
	);

test('weights that are all zero are called that, and no other weights', () => {
	const { cause, evidence, details } = zeroed();
	assert.equal(cause, 'unknown');
	assert.match(evidence, /^The deployed weights of all 16 channels are zero, and only the bias is left: .* \d/);
	assert.deepEqual(details.similarity, { kind: 'zero-weights', cosine: null });
});

test('with gamma 0 in all channels zeros are the right weights, and the bias differs', () => {
	const { cause, evidence } = zeroed({ ...layer, gamma: layer.gamma.map(() => 0) }, 1);
	assert.equal(cause, 'unknown');
	assert.match(
		evidence,
		/^0 of 16 channels carry the right fold; the bias of channels .* differs, the weights do not; /,
	);
});

test('an original of zeros has no direction either', () => {
	const { evidence } = judge(
		{ finish: ({ weight, bias }) => ({ weight: weight.map((_, index) => 1 + index), bias }) },
		undefined,
		{
			...layer,
			weight: layer.weight.map(() => 0),
		},
	);
	assert.doesNotMatch(evidence, /NaN/);
});

test('the same weights in another order within their rows are no other weights', () => {
	// [16, 16, 3, 3]
	const [, inputs, height, width] = layer.dims;
	type Place = readonly [input: number, y: number, x: number];
	const order = Array.from({ length: inputs }, (_, input) => (input * 7 + 3) % inputs);
	const orders: readonly (readonly [RegExp, (...place: Place) => Place])[] = [
		[/height and width swapped/, (i, y, x) => [i, x, y]],
		[/flipped along its width;/, (i, y, x) => [i, y, width - 1 - x]],
		[/flipped along its height and width/, (i, y, x) => [i, height - 1 - y, width - 1 - x]],
		[/input channels in reverse;/, (i, y, x) => [inputs - 1 - i, y, x]],
		[/input channels in another order, /, (i, y, x) => [order[i], y, x]],
	];
	for (const [words, from] of orders) {
		const { cause, evidence, details } = judge({
			finish: ({ weight, bias }) => ({
				bias,
				weight: weight.map((_, index) => {
					const at = index % (inputs * height * width);
					const [i, y, x] = from(Math.floor(at / height / width), Math.floor(at / width) % height, at % width);
					return weight[index - at + (i * height + y) * width + x];
				}),
			}),
		});
		assert.equal(cause, 'unknown');
		assert.match(evidence, /^The rows are the original ones with /);
		assert.match(evidence, words);
		assert.equal((details.similarity as { kind: string }).kind, 'rearranged');
	}
});
