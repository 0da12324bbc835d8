import assert from 'node:assert/strict';
import { test } from 'node:test';
import { affine } from '../../../../../src/core/batchnorm/affine.js';
import {
	biasBounds,
	expectedFold,
	type FoldParameters,
	foldTolerance,
	forwardBias,
	scaleRows,
} from '../../../../../src/core/folding/operators/expected.js';
import {
	alongAxis,
	alongGroupedAxis,
	type ChannelLayout,
	channelCount,
} from '../../../../../src/core/folding/operators/layout.js';
import { type Random, seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import { OPERATORS, outputChannel, randomLayer } from '../../../../folding/layers.js';
import { rightRecipe, runTool } from '../../../../folding/tool.js';
import {
	batchNorm,
	conv,
	convTranspose,
	type DenseTensor,
	matMul,
	relativeDifference,
} from '../../../support/linear-reference.js';

function tensor(random: Random, dims: readonly number[]): DenseTensor {
	const length = dims.reduce((a, b) => a * b, 1);
	return { dims, data: Float64Array.from({ length }, () => random.normal()) };
}

function parameters(random: Random, channels: number): FoldParameters {
	const draw = (value: () => number) => Float64Array.from({ length: channels }, value);
	return {
		gamma: draw(random.normal),
		beta: draw(random.normal),
		mean: draw(random.normal),
		variance: draw(() => 0.1 + random.uniform()),
		epsilon: 1e-3,
	};
}

interface Form {
	readonly name: string;
	readonly x: readonly number[];
	readonly w: readonly number[];
	readonly layout: ChannelLayout;
	readonly run: (x: DenseTensor, w: DenseTensor, bias: Float64Array | null) => DenseTensor;
}

const strided = (group: number) => ({ group, pad: 1, stride: 2 });

const FORMS: readonly Form[] = [
	...[
		[[2, 4, 7], [6, 4, 3], 1],
		[[2, 4, 5, 6], [6, 2, 3, 3], 2],
		[[1, 4, 4, 5, 4], [8, 1, 2, 3, 2], 4],
	].map(([x, w, group]): Form => {
		const dims = w as number[];
		return {
			name: `Conv ${dims.join('x')} group ${group}`,
			x: x as number[],
			w: dims,
			layout: alongAxis(dims, 0),
			run: (input, weight, bias) => conv(input, weight, bias, strided(Number(group))),
		};
	}),
	...[
		[[2, 4, 5], [4, 3, 3], 1],
		[[2, 6, 4, 3], [6, 2, 3, 3], 3],
		[[1, 4, 3, 3, 2], [4, 4, 2, 3, 2], 2],
	].map(([x, w, group]): Form => {
		const dims = w as number[];
		return {
			name: `ConvTranspose ${dims.join('x')} group ${group}`,
			x: x as number[],
			w: dims,
			layout: alongGroupedAxis(dims, Number(group)),
			run: (input, weight, bias) => convTranspose(input, weight, bias, strided(Number(group))),
		};
	}),
	{ name: 'Gemm', x: [3, 4], w: [4, 5], layout: alongAxis([4, 5], 1), run: matMul },
	{
		name: 'Gemm with transB',
		x: [3, 4],
		w: [5, 4],
		layout: alongAxis([5, 4], 0),
		run: (x, w, bias) => matMul(x, w, bias, true),
	},
];

test('the folded operator computes the result of operator and layer, for every operator, rank and group', () => {
	for (const { name, x: shape, w: dims, layout, run } of FORMS) {
		for (const hasBias of [false, true]) {
			const random = seededRandom(dims.length + Number(hasBias));
			const [x, w] = [tensor(random, shape), tensor(random, dims)];
			const bias = hasBias ? tensor(random, [channelCount(layout)]).data : null;
			const layer = parameters(random, channelCount(layout));
			const expected = expectedFold(bias, layer);
			const folded = { dims, data: Float64Array.from(scaleRows(w.data, layout, expected.scale, 'float64')) };
			const difference = relativeDifference(batchNorm(run(x, w, bias), layer), run(x, folded, expected.bias));
			assert.ok(difference < 1e-13, `${name}: ${difference}`);
		}
	}
});

test('a layer in front goes into an unpadded convolution, grouped or not, exactly', () => {
	for (const group of [1, 2]) {
		const random = seededRandom(group);
		const dims = [6, 4 / group, 3, 3];
		const [x, w] = [tensor(random, [2, 4, 6, 6]), tensor(random, dims)];
		const bias = tensor(random, [6]).data;
		const layer = parameters(random, 4);
		const { scale, shift } = affine(layer.gamma, layer.beta, layer.mean, layer.variance, layer.epsilon);
		const layouts = { input: alongGroupedAxis(dims, group), output: alongAxis(dims, 0) };
		const folded = { dims, data: Float64Array.from(scaleRows(w.data, layouts.input, scale, 'float64')) };
		const moved = forwardBias(w.data, layouts, bias, shift);
		const right = (pad: number) => conv(batchNorm(x, layer), w, bias, { group, pad, stride: 1 });
		const forward = (pad: number) => conv(x, folded, moved, { group, pad, stride: 1 });
		assert.ok(relativeDifference(right(0), forward(0)) < 1e-13);
		// With padding the border sees zeros where the shift should be: the reason why such a layer stays.
		assert.ok(relativeDifference(right(1), forward(1)) > 1e-3);
	}
});

test('weights are rounded once, to their own type', () => {
	const layout = alongAxis([1, 2], 0);
	const [half] = scaleRows(Float32Array.of(1, 3), layout, Float64Array.of(1 + 2 ** -11 + 2 ** -40), 'float16');
	assert.equal(half, 1 + 2 ** -10);
	const [single] = scaleRows(Float32Array.of(1, 3), layout, Float64Array.of(1 / 3), 'float32');
	assert.equal(single, Math.fround(1 / 3));
});

test('folds computed step by step in float32 stay within the bound, and it is not loose by much', () => {
	const tolerance = foldTolerance('float32');
	let [worstWeight, worstBias] = [0, 0];
	for (let seed = 0; seed < 60; seed++) {
		const layer = randomLayer(seededRandom(seed), 8, { kind: OPERATORS[seed % OPERATORS.length] });
		const found = runTool(layer, rightRecipe(layer));
		const inFloat64 = (values: Float32Array) => Float64Array.from(values);
		const fold = {
			gamma: inFloat64(layer.gamma),
			beta: inFloat64(layer.beta),
			mean: inFloat64(layer.mean),
			variance: inFloat64(layer.variance),
			epsilon: layer.epsilon,
		};
		const bias = layer.bias && inFloat64(layer.bias);
		const expected = expectedFold(bias, fold);
		const bound = biasBounds(tolerance, bias, fold, expected.scale);
		found.weight.forEach((value, index) => {
			const exact = layer.weight[index] * expected.scale[outputChannel(layer, index)];
			const allowed = tolerance.weightRelative * Math.abs(exact) + tolerance.weightAbsolute;
			worstWeight = Math.max(worstWeight, Math.abs(value - exact) / allowed);
		});
		found.bias.forEach((value, channel) => {
			worstBias = Math.max(worstBias, Math.abs(value - expected.bias[channel]) / bound[channel]);
		});
	}
	assert.ok(worstWeight <= 1 && worstWeight > 0.2, `weights reach ${worstWeight} of the bound`);
	assert.ok(worstBias <= 1 && worstBias > 0.1, `biases reach ${worstBias} of the bound`);
});

test('the tolerance of a narrower type is its rounding and little else', () => {
	const { weightRelative, biasRelative } = foldTolerance('float16', 'float32');
	assert.ok(weightRelative > 2 ** -11 && weightRelative < 1.01 * 2 ** -11);
	assert.equal(biasRelative, 2 ** -11);
	assert.ok(foldTolerance('float16').weightRelative > 5 * 2 ** -11, 'arithmetic in float16 throughout');
	assert.ok(foldTolerance('float64').weightRelative < 1e-15);
});
