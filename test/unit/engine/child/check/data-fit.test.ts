import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { layerDrift } from '../../../../../src/core/inspection/layer-drift.js';
import { toCsv } from '../../../../../src/core/report/export/csv.js';
import type { Report } from '../../../../../src/core/report/types.js';
import { encodeNpy } from '../../../../../src/engine/child/tensors/npy.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import { hasFigure, plotDefinition } from '../../../../../src/view/model/plots/figures.js';
import { fixture } from '../../../support/fixtures.js';
import { inspectModel } from '../../../support/inspect.js';

const SHAPE = [3, 32, 32];
const FIRST = '/1/BatchNormalization';

/** Inspects plain_cnn on images of noise. @param wrong normalized value and its color -> the value that the model is given */
async function inspectImages(
	images: number,
	wrong: (value: number, color: number) => number,
	seed = 0,
): Promise<Report> {
	const folder = await mkdtemp(path.join(tmpdir(), 'data-fit-'));
	try {
		const file = path.join(folder, 'images.npy');
		const random = seededRandom(seed);
		const length = SHAPE.reduce((product, dim) => product * dim, images);
		const pixels = SHAPE[1] * SHAPE[2];
		const data = Float32Array.from({ length }, (_, i) => wrong(random.normal(), Math.floor(i / pixels) % SHAPE[0]));
		await writeFile(file, encodeNpy({ type: 'float32', shape: [images, ...SHAPE], data }));
		const bytes = await readFile(fixture('plain_cnn.onnx'));
		const { report } = await inspectModel(
			{ path: 'plain_cnn.onnx', bytes },
			{ inputs: [{ input: undefined, path: file }] },
		);
		assert.equal(report.run.status, 'ok', report.run.reason);
		return report;
	} finally {
		await rm(folder, { recursive: true });
	}
}

function answerOf({ run }: Report) {
	return run.status === 'ok' ? run.data : undefined;
}

function messageOf({ layers }: Report): string {
	const first = layers.find(({ name }) => name === FIRST);
	return first?.findings.find(({ code }) => code === 'statistics-drift')?.message ?? '';
}

test('images that are not normalized are named from 8 images on, and 0 to 255 from a single image on', async () => {
	for (const images of [8, 16]) {
		const report = await inspectImages(images, (value) => 0.45 + 0.25 * value);
		assert.match(messageOf(report), /not normalized as in training: values from 0 to 1 /);
		assert.equal(answerOf(report)?.verdict, 'does-not-fit');
		assert.match(
			answerOf(report)?.sentence ?? '',
			/^The running statistics of 1 of 3 layers do not fit the data \(\d+ im.* not normalized as in training: values from 0 to 1 /,
		);
	}
	const bytes = await inspectImages(1, (value) => 255 * (0.45 + 0.25 * value));
	assert.match(messageOf(bytes), /not normalized as in training: values from 0 to 255/);
	assert.match(answerOf(bytes)?.sentence ?? '', /not normalized as in training: values from 0 to 255/);
});

test('colors that moved apart as red and blue do are named as exchanged', async () => {
	const report = await inspectImages(32, (value, color) => value + 1.5 * (color - 1));
	assert.match(messageOf(report), /BGR instead of RGB/);
	assert.match(answerOf(report)?.sentence ?? '', /BGR instead of RGB/);
	assert.doesNotMatch(messageOf(await inspectImages(32, (value) => value + 1.5)), /BGR/);
});

test('few images end in a sentence with the drift that they would show', async () => {
	for (const images of [1, 8]) {
		const report = await inspectImages(images, (value) => value, images);
		assert.equal(messageOf(report), '');
		assert.equal(answerOf(report)?.verdict, 'too-few');
		assert.match(
			answerOf(report)?.sentence ?? '',
			/^\d+ images? (is|are) too few to tell.*off by [\d.]+ running.*use at least \d+ images\. .*\(BGR instead of RGB\), use at least about \d+ images\.$/,
		);
	}
});

test('random input does not judge the running statistics, and is not drawn as data', async () => {
	const bytes = await readFile(fixture('plain_cnn.onnx'));
	const { report } = await inspectModel({ path: 'plain_cnn.onnx', bytes });
	assert.equal(answerOf(report), undefined);
	assert.equal(messageOf(report), '');
	for (const layer of report.layers) {
		assert.equal(layer.batch?.isRandom, true);
		assert.equal(layerDrift(layer), null);
		assert.deepEqual([hasFigure('batch', layer), hasFigure('drift', layer)], [false, false]);
		assert.match(plotDefinition('drift').missing(layer), /random input/);
	}
	const [row] = toCsv(report).split('\n').slice(1);
	assert.ok(row?.includes(',,,'), row);
	const own = await inspectImages(2, (value) => value);
	assert.deepEqual([own.layers[0].batch?.isRandom, hasFigure('drift', own.layers[0])], [undefined, true]);
});
