import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { affine } from '../../../../src/core/batchnorm/affine.js';
import { parameterValues } from '../../../../src/core/batchnorm/parameters.js';
import type { FloatType } from '../../../../src/core/numbers/float-formats.js';
import type { Kernel, Layout, StatisticsAxes } from '../../../../src/kernel/index.js';
import { METHODS } from '../../../../src/kernel/methods/methods.js';
import { type MethodQuestion, whichMethod } from '../../../../src/kernel/methods/which-method.js';
import { captureLayers, FIXTURE_MODELS } from '../../support/captured-layers.js';
import { activations, KINDS, kernelOf, parameters, runtimeOutput } from '../../support/kernel-cases.js';
import { fromNumbers, layoutOf, sizeOf, toNumbers } from '../../support/kernel-reference.js';
import { normalizeBatch } from '../../support/training.js';

const EPSILON = 1e-5;

function learned({ channels }: Layout) {
	const { scale, shift } = parameters(8, channels);
	return { gamma: scale, beta: shift };
}

/** x, and what the method makes of it, rounded to the type. */
function question(kernel: Kernel, layout: Layout, axes: StatisticsAxes, dtype: FloatType = 'float32'): MethodQuestion {
	const x = activations(sizeOf(layout), sizeOf(layout), dtype, 0.5, 2);
	const out = dtype === 'float64' ? new Float64Array(x.length) : new Float32Array(x.length);
	normalizeBatch(kernel, { x, dtype, layout, epsilon: EPSILON, axes, out, ...learned(layout) });
	return { x, y: fromNumbers([...out], dtype), dtype, layout, epsilon: EPSILON };
}

for (const kind of KINDS) {
	describe(`which method, asked of the ${kind} kernel`, () => {
		for (const axes of METHODS) {
			test(`recognises statistics per ${axes}, with gamma and beta and without`, async () => {
				const kernel = await kernelOf(kind);
				for (const layout of [layoutOf(8, 5, 36), layoutOf(3, 4, 9), layoutOf(2, 16, 100)]) {
					for (const dtype of ['float32', 'float64', 'bfloat16'] as const) {
						const asked = question(kernel, layout, axes, dtype);
						for (const answer of [
							whichMethod(kernel, asked),
							whichMethod(kernel, { ...asked, learned: learned(layout) }),
						]) {
							assert.equal(answer.verdict, axes, JSON.stringify(answer));
							assert.deepEqual(answer.fits, [axes]);
							assert.ok((answer.margin ?? 0) > 1);
							assert.deepEqual(Object.keys(answer.residuals).sort(), [...METHODS].sort());
						}
					}
				}
			});
		}

		test("recognizes running statistics, and needs gamma and beta to distinguish them from the batch's", async () => {
			const kernel = await kernelOf(kind);
			const layout = layoutOf(4, 5, 30);
			const { scale: variance, shift: mean } = parameters(9, 5);
			const { gamma, beta } = learned(layout);
			const x = activations(3, sizeOf(layout), 'float32');
			const scale = gamma.map((value, c) => value / Math.sqrt(variance[c] + EPSILON));
			const shift = beta.map((value, c) => value - mean[c] * scale[c]);
			const y = runtimeOutput(x, 'float32', layout, { scale, shift });
			const asked = { x, y, dtype: 'float32' as const, layout, epsilon: EPSILON, running: { scale, shift } };
			assert.equal(whichMethod(kernel, { ...asked, learned: { gamma, beta } }).verdict, 'running');
			const answer = whichMethod(kernel, asked);
			assert.equal(answer.verdict, 'cannot-tell');
			assert.match(answer.reason ?? '', /Gamma and beta are needed/);
			assert.deepEqual(answer.fits, ['channel', 'running']);
		});

		test('a part of the values gives the same answer, with the statistics of all', async () => {
			const kernel = await kernelOf(kind);
			for (const layout of [layoutOf(1, 70, 300), layoutOf(20, 40, 9), layoutOf(9, 30, 90)]) {
				for (const axes of METHODS.filter((method) => layout.batch > 1 || method !== 'activation')) {
					const asked = { ...question(kernel, layout, axes), learned: learned(layout) };
					const moments = kernel.moments(asked.x, asked.dtype, layout);
					for (const extra of [{}, { moments }]) {
						const answer = whichMethod(kernel, { ...asked, ...extra, maxValues: 512 });
						assert.equal(answer.verdict, axes, `${JSON.stringify(layout)} ${JSON.stringify(answer)}`);
						assert.ok(answer.values < sizeOf(layout) / 2 && answer.values >= 512 / 4, `${answer.values} values`);
					}
				}
			}
		});

		test('a part of the values keeps the statistics of its own activations (spatial=0)', async () => {
			const kernel = await kernelOf(kind);
			const layout = layoutOf(3, 40, 50);
			const { scale, shift } = parameters(4, layout.channels * layout.planeSize);
			const { scale: gamma, shift: beta } = parameters(5, layout.channels * layout.planeSize);
			const x = activations(3, sizeOf(layout), 'float32');
			const asked = {
				x,
				dtype: 'float32' as const,
				layout,
				epsilon: EPSILON,
				running: { scale, shift },
				maxValues: 512,
			};
			const stored = runtimeOutput(x, 'float32', layout, { scale, shift });
			assert.equal(whichMethod(kernel, { ...asked, y: stored, learned: { gamma, beta } }).verdict, 'running');
			const own = new Float32Array(x.length);
			normalizeBatch(kernel, { ...asked, axes: 'activation', gamma, beta, out: own });
			assert.equal(whichMethod(kernel, { ...asked, y: own, learned: { gamma, beta } }).verdict, 'activation');
		});

		test('says so when no method fits', async () => {
			const kernel = await kernelOf(kind);
			const asked = question(kernel, layoutOf(4, 5, 30), 'channel');
			const y = fromNumbers(toNumbers(asked.y, 'float32').map(Math.tanh), 'float32');
			const answer = whichMethod(kernel, { ...asked, y });
			assert.deepEqual([answer.verdict, answer.fits], ['none', []]);
		});

		test('stays undecided where the data cannot decide', async () => {
			const kernel = await kernelOf(kind);
			const reasonFor = (asked: MethodQuestion) => {
				const { verdict, reason } = whichMethod(kernel, asked);
				assert.equal(verdict, 'cannot-tell');
				return reason ?? '';
			};
			const rank2 = question(kernel, layoutOf(32, 5, 1), 'channel');
			assert.match(
				reasonFor({ ...rank2, learned: learned(rank2.layout) }),
				/per channel and per activation are the same/,
			);
			assert.match(reasonFor(question(kernel, layoutOf(2, 5, 2), 'channel')), /only 4 values a channel/);
			const one = question(kernel, layoutOf(1, 1, 50), 'channel');
			const constant = { ...one, y: new Float32Array(50).fill(0.5) };
			assert.match(reasonFor(constant), /constant in every channel/);
			const spoilt = { ...one, x: Float32Array.from(one.x, (value, i) => (i === 7 ? Number.NaN : value)) };
			assert.match(reasonFor(spoilt), /not finite/);
			const lone = question(kernel, layoutOf(1, 5, 1), 'channel');
			assert.match(reasonFor({ ...lone, learned: learned(lone.layout) }), /only one value a channel/);
			assert.match(reasonFor(question(kernel, layoutOf(0, 5, 4), 'channel')), /no values/);
			const single = question(kernel, layoutOf(20, 1, 1), 'channel');
			assert.match(reasonFor({ ...single, learned: learned(single.layout) }), /same/);
		});

		test('of a single image statistics per activation are no statistics, statistics per channel are', async () => {
			const kernel = await kernelOf(kind);
			const asked = question(kernel, layoutOf(1, 6, 64), 'channel');
			const answer = whichMethod(kernel, { ...asked, learned: learned(asked.layout) });
			assert.equal(answer.verdict, 'channel');
			assert.ok((answer.residuals.activation ?? 0) > 0.5);
		});
	});
}

test('real layers were normalized with running statistics', async () => {
	const kernel = await kernelOf('simd');
	for (const name of FIXTURE_MODELS) {
		for (const { layer, x, y, layout } of await captureLayers(name)) {
			const resolved = parameterValues(layer);
			assert.ok(resolved.ok);
			const { gamma, beta, mean, variance } = resolved.value;
			const running = affine(gamma, beta, mean, variance, layer.epsilon);
			const asked = { x, y, dtype: 'float32' as const, layout, epsilon: layer.epsilon, running };
			for (const maxValues of [undefined, 1000]) {
				const answer = whichMethod(kernel, { ...asked, learned: { gamma, beta }, ...(maxValues && { maxValues }) });
				assert.equal(answer.verdict, 'running', `${name} ${layer.name}: ${JSON.stringify(answer)}`);
			}
		}
	}
});
