import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contrastLimits } from '../../../../src/core/batchnorm/contrast.js';
import {
	DEFAULT_DRIFT_THRESHOLDS,
	imagesForDrift,
	smallestDrift,
	statisticsDrift,
} from '../../../../src/core/batchnorm/drift.js';
import { seededRandom } from '../../../../src/engine/child/tensors/random.js';

const C = 16;
const PIXELS = 64;
const EPSILON = 1e-5;
/** Log deviation of the contrasts of photographs. */
const CONTRAST = 0.25;
/** The largest that the limits allow for. */
const MAX_CONTRAST = 0.5;

interface Sample {
	readonly images: number;
	readonly seed: number;
	/** Normalized value -> the value that the model is given. */
	readonly wrong?: (value: number) => number;
	/** Log deviation of the contrast, and deviation of the brightness, from image to image. */
	readonly contrast?: number;
	readonly brightness?: number;
}

/**
 * Moments of channels that are linear functions of images. Every image has its own contrast and brightness, which all
 * channels share; the running statistics are those of the population.
 */
function drift({ images, seed, wrong = (value) => value, contrast = CONTRAST, brightness = 0.5 }: Sample) {
	const random = seededRandom(seed);
	const weights = Array.from({ length: C }, () => random.normal());
	const sums = weights.map(() => ({ sum: 0, square: 0 }));
	const factor = wrong(1) - wrong(0);
	for (let n = 0; n < images; n++) {
		const own = Math.exp(contrast * random.normal());
		const level = brightness * random.normal();
		for (let c = 0; c < C; c++) {
			for (let i = 0; i < PIXELS; i++) {
				// The constant of `wrong` reaches a channel through the sum of its weights.
				const value = factor * (own * random.normal() + weights[c] * level) + wrong(0) * weights[c];
				sums[c].sum += value;
				sums[c].square += value * value;
			}
		}
	}
	const count = images * PIXELS;
	const mean = Float64Array.from(sums, ({ sum }) => sum / count);
	const variance = Float64Array.from(sums, ({ square }, c) => square / count - mean[c] ** 2);
	// E[own^2] = exp(2 contrast^2) for a log-normal contrast.
	const population = weights.map((weight) => Math.exp(2 * contrast ** 2) + (weight * brightness) ** 2);
	return statisticsDrift({
		parameters: { mean: new Float64Array(C), variance: Float64Array.from(population) },
		batch: { mean, variance },
		epsilon: EPSILON,
		images,
		valuesNearInput: PIXELS,
	});
}

test('data of the training distribution give no warning in 100 seeds', () => {
	for (const contrast of [0, CONTRAST, MAX_CONTRAST]) {
		for (const brightness of [0, 0.5, 3]) {
			for (const images of [1, 4, 8, 32, 128]) {
				for (let seed = 0; seed < 100; seed++) {
					const [finding] = drift({ images, seed, contrast, brightness });
					assert.equal(finding, undefined, `${images} images, seed ${seed}: ${finding?.message}`);
				}
			}
		}
	}
});

test('images from 0 to 1 are named from 8 images on, in all seeds', () => {
	for (const images of [8, 16, 64]) {
		for (let seed = 0; seed < 100; seed++) {
			const [finding] = drift({ images, seed, wrong: (value) => 0.25 * value + 0.45 });
			assert.match(finding?.message ?? '', /values from 0 to 1 /, `${images} images, seed ${seed}`);
		}
	}
});

test('images from 0 to 255 are named from a single image on', () => {
	for (const images of [1, 2, 8]) {
		for (let seed = 0; seed < 100; seed++) {
			const [finding] = drift({ images, seed, wrong: (value) => 255 * (0.25 * value + 0.45) });
			assert.match(finding?.message ?? '', /values from 0 to 255/, `${images} images, seed ${seed}`);
		}
	}
});

test('an input that is normalized twice is named from 8 images on', () => {
	for (let seed = 0; seed < 100; seed++) {
		const [finding] = drift({ images: 8, seed, wrong: (value) => (value - 0.45) / 0.225 });
		assert.match(finding?.message ?? '', /normalized twice/, `seed ${seed}`);
	}
});

test('contrasts exceed their limits as rarely as a normal number exceeds 4 standard errors', () => {
	const random = seededRandom(1);
	const trials = 50_000;
	for (const images of [1, 2, 8, 32]) {
		const { grown, shrunk } = contrastLimits(images, DEFAULT_DRIFT_THRESHOLDS.standardErrors);
		let beyond = 0;
		for (let trial = 0; trial < trials; trial++) {
			let sum = 0;
			for (let n = 0; n < images; n++) {
				sum += Math.exp(random.normal() - 0.5);
			}
			const spread = Math.log(sum / images) / 2;
			beyond += spread > grown || spread < -shrunk ? 1 : 0;
		}
		// 3.2e-5 a side is expected at most: 3.2 of 50,000; 12 is beyond chance.
		assert.ok(beyond <= 12, `${beyond} of ${trials} with ${images} images`);
	}
});

test('few values of an image, or channels that disagree, are no pattern', () => {
	const batch = { mean: new Float64Array(C), variance: new Float64Array(C).fill(0.05) };
	const parameters = { mean: new Float64Array(C), variance: new Float64Array(C).fill(1) };
	const subject = { parameters, batch, epsilon: EPSILON, images: 8, valuesNearInput: PIXELS };
	assert.equal(statisticsDrift(subject).length, 1);
	assert.deepEqual(statisticsDrift({ ...subject, valuesNearInput: 1 }), []);
	assert.deepEqual(statisticsDrift({ ...subject, valuesNearInput: undefined }), []);
	const mixed = { ...batch, variance: batch.variance.map((value, c) => (c % 4 === 0 ? 1.2 : value)) };
	assert.deepEqual(statisticsDrift({ ...subject, batch: mixed }), []);
});

test('the smallest drift of the sentence is seen, and a much smaller drift is not', () => {
	for (const images of [1, 8, 32, imagesForDrift(DEFAULT_DRIFT_THRESHOLDS)]) {
		const { one, most } = smallestDrift(images, DEFAULT_DRIFT_THRESHOLDS);
		const seen = (size: number, channels: number) => {
			let count = 0;
			for (let seed = 0; seed < 300; seed++) {
				const random = seededRandom(seed);
				const mean = Float64Array.from(
					{ length: C },
					(_, c) => (c < channels ? size : 0) + random.normal() / Math.sqrt(images),
				);
				const variance = new Float64Array(C).fill(1);
				const subject = {
					parameters: { mean: new Float64Array(C), variance },
					batch: { mean, variance },
					epsilon: 0,
					images,
				};
				count += statisticsDrift(subject).length;
			}
			return count;
		};
		assert.ok(seen(one, 1) >= 285, `${seen(one, 1)} of 300 with ${images} images`);
		assert.ok(seen(one / 2, 1) <= 60, `${seen(one / 2, 1)} of 300 with ${images} images`);
		if (Number.isFinite(most)) {
			assert.ok(seen(most, C) >= 285, `${seen(most, C)} of 300 with ${images} images, all channels`);
		}
	}
});
