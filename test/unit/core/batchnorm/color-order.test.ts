import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasExchangedColors } from '../../../../src/core/batchnorm/color-order.js';
import { DEFAULT_DRIFT_THRESHOLDS, statisticsDrift } from '../../../../src/core/batchnorm/drift.js';
import { imagesForExchange } from '../../../../src/core/batchnorm/exchange-power.js';
import { seededRandom } from '../../../../src/engine/child/tensors/random.js';

type Random = ReturnType<typeof seededRandom>;
type Color = readonly [number, number, number];

const C = 16;
const PIXELS = 16;
/** Constants of ImageNet. */
const MEAN: Color = [0.485, 0.456, 0.406];
const DEVIATION: Color = [0.229, 0.224, 0.225];

/**
 * Draws the pixels of an image, shape (pixels, 3), in red, green, blue from 0 to 1. Images differ in brightness and in the
 * balance of red against blue.
 */
function image(random: Random): Color[] {
	const level = 0.12 * random.normal();
	const balance = 0.05 * random.normal();
	return Array.from({ length: PIXELS }, () => {
		const gray = 0.17 * random.normal() + level;
		const of = (k: number) => MEAN[k] + gray + (1 - k) * balance + 0.06 * random.normal();
		return [of(0), of(1), of(2)] as const;
	});
}

const normalized = (color: Color): Color => [0, 1, 2].map((k) => (color[k] - MEAN[k]) / DEVIATION[k]) as never;
const exchanged = ([red, green, blue]: Color): Color => [blue, green, red];

/** Random weights, shape (channels, 3); a third of the channels see gray, a third sees red against blue. */
function weights(random: Random): Float64Array {
	return Float64Array.from({ length: 3 * C }, (_, i) => {
		const [channel, color] = [Math.floor(i / 3), i % 3];
		return random.normal() * 0.3 + [1, 1 - color, 0][channel % 3];
	});
}

function moments(colors: readonly Color[], sums: Float64Array) {
	const [mean, variance] = [new Float64Array(C), new Float64Array(C)];
	for (let c = 0; c < C; c++) {
		const values = colors.map((color) => color.reduce((sum, value, k) => sum + value * sums[3 * c + k], 0));
		mean[c] = values.reduce((sum, value) => sum + value, 0) / values.length;
		variance[c] = values.reduce((sum, value) => sum + (value - mean[c]) ** 2, 0) / values.length;
	}
	return { mean, variance };
}

const SUMS = weights(seededRandom(1));

function draw(random: Random, images: number): Color[] {
	return Array.from({ length: images }, () => image(random)).flat();
}

const POPULATION = moments(draw(seededRandom(2), 4000).map(normalized), SUMS);

function findings(images: number, seed: number, change: (color: Color) => Color) {
	const batch = moments(draw(seededRandom(100 + seed), images).map(change), SUMS);
	const subject = { parameters: POPULATION, batch, epsilon: 1e-5, images };
	return statisticsDrift({ ...subject, valuesNearInput: PIXELS, colorSums: SUMS });
}

test('red and blue exchanged are named from 64 images on, and never for images in the right order', () => {
	for (const images of [64, 256]) {
		for (let seed = 0; seed < 20; seed++) {
			const [finding] = findings(images, seed, (color) => normalized(exchanged(color)));
			assert.match(finding?.message ?? '', /BGR instead of RGB/, `${images} images, seed ${seed}`);
		}
	}
	for (const images of [1, 8, 64]) {
		for (let seed = 0; seed < 20; seed++) {
			assert.deepEqual(findings(images, seed, normalized), [], `${images} images, seed ${seed}`);
		}
	}
});

test('the number of images for an exchange is enough in 95 of 100 seeds, and undefined where the weights treat colors alike', () => {
	const layer = { parameters: POPULATION, epsilon: 1e-5, sums: SUMS };
	const enough = imagesForExchange(layer, DEFAULT_DRIFT_THRESHOLDS) ?? 0;
	assert.ok(enough >= 33 && enough < 200, `${enough}`);
	let named = 0;
	for (let seed = 0; seed < 100; seed++) {
		const [finding] = findings(enough, seed, (color) => normalized(exchanged(color)));
		named += /BGR instead of RGB/.test(finding?.message ?? '') ? 1 : 0;
	}
	assert.ok(named >= 95, `${named} of 100 with ${enough} images`);
	const gray = SUMS.map((_, i) => SUMS[i - (i % 3)]);
	assert.equal(imagesForExchange({ ...layer, sums: gray }, DEFAULT_DRIFT_THRESHOLDS), undefined);
});

test('darker images, images of another tint, and values from 0 to 1 are no exchange', () => {
	const darker = (color: Color) => normalized(color.map((value) => value - 0.2) as never);
	const greener = (color: Color) => normalized([color[0] - 0.1, color[1] + 0.1, color[2] - 0.1]);
	for (const change of [darker, greener, (color: Color) => color]) {
		for (let seed = 0; seed < 10; seed++) {
			const [finding] = findings(64, seed, change);
			assert.doesNotMatch(finding?.message ?? 'none', /BGR/, `${change} seed ${seed}`);
		}
	}
});

test('no exchange is reported if the weights treat all colors alike', () => {
	const parameters = { mean: new Float64Array(C), variance: new Float64Array(C).fill(1) };
	const batch = { mean: Float64Array.from({ length: C }, (_, c) => c) };
	assert.equal(hasExchangedColors({ parameters, batch, epsilon: 0 }, new Float64Array(3 * C).fill(1)), false);
});
