import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DriftSubject, driftOf, samplingNoise, statisticsDrift } from '../../../../src/core/batchnorm/drift.js';
import { seededRandom } from '../../../../src/engine/child/tensors/random.js';

const EPSILON = 1e-5;

/** Running mean 0 and variance 4 in each channel, against a batch's. */
function subject(mean: number[], variance: number[], images: number): DriftSubject {
	const running = { mean: Float64Array.from(mean, () => 0), variance: Float64Array.from(mean, () => 4) };
	return {
		parameters: running,
		batch: { mean: Float64Array.from(mean), variance: Float64Array.from(variance) },
		epsilon: EPSILON,
		images,
	};
}

function channels(...args: Parameters<typeof subject>): readonly number[] {
	return statisticsDrift(subject(...args)).flatMap((finding) => finding.channels);
}

test('drift has a sign, and the noise of a mean and of a spread is that of as many normal numbers', () => {
	const { shift, spread } = driftOf({ ...subject([2, -1], [4, 1], 8), epsilon: 0 });
	assert.deepEqual([shift, spread], [Float64Array.of(1, -0.5), Float64Array.of(0, Math.log(1 / 4) / 2)]);
	const images = 200;
	const random = seededRandom(5);
	const [means, spreads] = [[], []] as [number[], number[]];
	for (let trial = 0; trial < 2000; trial++) {
		const values = Array.from({ length: images }, random.normal);
		const mean = values.reduce((sum, value) => sum + value, 0) / images;
		means.push(mean);
		spreads.push(Math.log(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / images) / 2);
	}
	const rms = (list: number[]) => Math.sqrt(list.reduce((sum, value) => sum + value ** 2, 0) / list.length);
	const noise = samplingNoise(images);
	// The root mean square of 2000 trials is known to 1/sqrt(4000), 1.6 %: six times that.
	assert.ok(Math.abs(rms(means) / noise.shift - 1) < 0.1, `${rms(means)}`);
	assert.ok(Math.abs(rms(spreads) / noise.spread - 1) < 0.1, `${rms(spreads)}`);
});

test('a mean that moved is found beyond a quarter of a standard deviation', () => {
	assert.deepEqual(channels([0.49, 0.51, -3], [4, 4, 4], 10_000), [1, 2]);
	const [finding] = statisticsDrift(subject([0, -3], [4, 4], 10_000));
	assert.match(
		finding.message,
		/channel 1 do not fit the data \(10000 images\): in channel 1 its mean is off by 1.5 running/,
	);
});

test('a spread that changed is found beyond exp(0.25)', () => {
	const ratio = Math.exp(0.5);
	assert.deepEqual(channels([0, 0, 0], [4 * ratio * 1.02, 4 / ratio / 1.02, 4 * ratio * 0.98], 10_000), [0, 1]);
	const [finding] = statisticsDrift(subject([0], [100], 10_000));
	assert.match(finding.message, /its standard deviation is 5 times the running one/);
});

test('few images allow more drift: 4 standard errors of the images, not of the pixels, and a rare image among them', () => {
	// In running standard deviations, which are 2: 4 / sqrt(16) + 12 / 16 = 1.75.
	assert.deepEqual(channels([3.4], [4], 16), []);
	assert.deepEqual(channels([3.6], [4], 16), [0]);
	// 1 + 4 * sqrt(50 / 100) = 3.83 times the variance.
	assert.deepEqual(channels([0], [4 * 3.7], 100), []);
	assert.deepEqual(channels([0], [4 * 4], 100), [0]);
});

test('few images prove no change of the variance, but may prove a mean that is far off', () => {
	assert.deepEqual(channels([0], [400], 1), []);
	assert.deepEqual(channels([0], [400], 31), []);
	assert.deepEqual(channels([0], [0], 1023), []);
	assert.deepEqual(channels([0], [0], 1024), [0]);
	assert.deepEqual(channels([40], [4], 1), [0]);
	assert.match(statisticsDrift(subject([40], [4], 1))[0].message, /a single image/);
});

type Image = (random: ReturnType<typeof seededRandom>) => number[];
const PIXELS = 8;
const pixels = (value: () => number) => Array.from({ length: PIXELS }, value);

/** Data of which few images carry mean and variance, or pixels of an image are all the same; the last is plain noise. */
const GENERATORS: Readonly<Record<string, Image>> = {
	sparse: ({ uniform, normal }) => {
		const on = uniform() < 0.05 ? 3 : 0;
		return pixels(() => on * Math.abs(normal()));
	},
	rectified: ({ normal }) => {
		const value = Math.max(normal() - 1, 0);
		return pixels(() => value);
	},
	lognormal: ({ normal }) => {
		const amplitude = Math.exp(normal());
		return pixels(() => amplitude * normal());
	},
	images: ({ normal }) => {
		const value = normal();
		return pixels(() => value + 0.1 * normal());
	},
	noise: ({ normal }) => pixels(normal),
};

function momentsOf(values: readonly number[]): { mean: number; variance: number } {
	const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
	return { mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length };
}

/** A batch of 64 channels against statistics of 20,000 images of the same generator, with something done to it. */
function drawn(image: Image, images: number, seed: number, change: (value: number, deviation: number) => number) {
	const random = seededRandom(seed);
	const draw = (count: number) => Array.from({ length: count }, () => image(random)).flat();
	const running = momentsOf(draw(20_000));
	const deviation = Math.sqrt(running.variance);
	const batches = Array.from({ length: 64 }, () =>
		momentsOf(draw(images).map((value) => change(value - running.mean, deviation) + running.mean)),
	);
	const of = (key: 'mean' | 'variance') => Float64Array.from(batches, (batch) => batch[key]);
	const parameters = { mean: of('mean').fill(running.mean), variance: of('variance').fill(running.variance) };
	const batch = { mean: of('mean'), variance: of('variance') };
	return statisticsDrift({ parameters, batch, epsilon: EPSILON, images }).flatMap((finding) => finding.channels);
}

for (const [name, image] of Object.entries(GENERATORS)) {
	test(`${name}: data that the statistics are of have not drifted, however few`, () => {
		for (const images of [1, 2, 3, 8, 32, 128, 512, 2048]) {
			assert.deepEqual(
				drawn(image, images, images, (value) => value),
				[],
				`${images} images`,
			);
		}
	});

	test(`${name}: a mean off by a standard deviation is found with 8 images`, () => {
		for (const images of [8, 32, 128]) {
			const found = drawn(image, images, images, (value, deviation) => value + deviation);
			assert.ok(found.length > 32, `${images} images: ${found.length} channels`);
		}
	});
}

for (const name of ['images', 'noise']) {
	test(`${name}: four times the variance is found with 8 images`, () => {
		for (const images of [8, 32, 128]) {
			const found = drawn(GENERATORS[name], images, images, (value) => 2 * value);
			assert.ok(found.length > 32, `${images} images: ${found.length} channels`);
		}
	});
}

test('with heavy tails four times the variance takes more images', () => {
	for (const name of ['sparse', 'rectified', 'lognormal']) {
		assert.ok(drawn(GENERATORS[name], 128, 1, (value) => 2 * value).length > 32, name);
	}
});

test('channels that epsilon rules are left alone', () => {
	const dead = {
		parameters: { mean: Float64Array.of(0), variance: Float64Array.of(5.6e-45) },
		batch: { mean: Float64Array.of(0), variance: Float64Array.of(0) },
		epsilon: EPSILON,
		images: 1000,
	};
	assert.deepEqual(statisticsDrift(dead), []);
});
