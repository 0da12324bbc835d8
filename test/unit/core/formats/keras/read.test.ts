import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Checkpoint } from '../../../../../src/core/formats/checkpoint.js';
import { openCheckpoint } from '../../../../../src/core/formats/open.js';
import { locateTensor } from '../../../../../src/core/formats/tensor.js';
import { inflate } from '../../../../../src/platform/inflate.js';
import { buildZip } from '../../../support/checkpoint-builder.js';
import { checkpointBytes, openBytes, values } from '../../../support/checkpoints.js';
import { countingSource } from '../../../support/counting-source.js';
import { describeFronts, kerasParameters, kerasTruth, parametersOf } from '../../../support/keras-files.js';

async function expectTruth({ layers }: Checkpoint, name: string): Promise<void> {
	const truth = kerasTruth(name);
	assert.deepEqual(
		layers.map((layer) => layer.name),
		truth.map((layer) => layer.name),
	);
	assert.deepEqual(await Promise.all(layers.map(kerasParameters)), truth.map(parametersOf));
}

for (const name of ['kcnn', 'kgen', 'kseq']) {
	for (const form of ['h5', 'keras']) {
		test(`${name}.${form} has Keras' own parameters bit for bit, in the order of execution, with epsilon`, async () => {
			const checkpoint = await openBytes(checkpointBytes(`${name}.${form}`));
			assert.equal(checkpoint.format, 'keras');
			assert.equal(checkpoint.order, 'execution');
			assert.deepEqual(checkpoint.notes, []);
			await expectTruth(checkpoint, name);
			const modules = new Map(checkpoint.modules.map((module) => [module.name, module]));
			for (const [index, { epsilon }] of kerasTruth(name).entries()) {
				const layer = checkpoint.layers[index];
				assert.equal(layer?.epsilon, epsilon);
				assert.equal(modules.get(layer?.name ?? '')?.settings.get('momentum'), 0.99);
			}
		});
	}

	test(`${name}.weights.h5 has them without a configuration, in the order of writing`, async () => {
		const checkpoint = await openBytes(checkpointBytes(`${name}.weights.h5`));
		assert.equal(checkpoint.order, 'definition');
		await expectTruth(checkpoint, name);
		assert.ok(checkpoint.layers.every(({ epsilon, input }) => epsilon === undefined && input === undefined));
		assert.match(checkpoint.notes.join(' '), /does not hold epsilon/);
		assert.match(checkpoint.notes.join(' '), /no configuration/);
	});
}

test('a configuration states the operator in front, whose weight is in the arrangement of ONNX', async () => {
	assert.deepEqual(describeFronts((await openBytes(checkpointBytes('kcnn.h5'))).layers), [
		'bn_a < conv_a (conv_a/kernel [12,3,3,3]@0)',
		'bn_b < dw_b (dw_b/kernel [12,1,3,3]@0+b)',
		'bn_c < conv_c (conv_c/kernel [16,12,1,1]@0+b)',
		'bn_d < fc_d (fc_d/kernel [10,16]@0+b)',
	]);
	assert.deepEqual(describeFronts((await openBytes(checkpointBytes('kgen.keras'))).layers), [
		'bn_a < up_a (up_a/kernel [8,6,3,3]@1)',
		'bn_b < conv_b (conv_b/kernel [6,6,3,3]@0+b)',
	]);
	// A ReLU feeds bn_pre, so no operator can take it.
	assert.deepEqual(describeFronts((await openBytes(checkpointBytes('kseq.keras'))).layers), [
		'bn_a < conv_a (conv_a/kernel [8,5,5]@0+b)',
		'bn_pre < re_lu_3 ()',
		'bn_b < conv_b (conv_b/kernel [8,8,3]@0+b)',
	]);
});

test('without a configuration the nearest fitting operator comes first', async () => {
	const [a, b, c, d] = (await openBytes(checkpointBytes('kcnn.weights.h5'))).layers;
	assert.deepEqual(
		[a, b, c, d].map((layer) => layer?.front[0]?.weight.name),
		['conv_a/kernel', 'dw_b/kernel', 'conv_c/kernel', 'fc_d/kernel'],
	);
});

test('views of kernels hold the values that the file has in its own arrangement', async () => {
	const { tensors } = await openBytes(checkpointBytes('kgen.h5'));
	const kernel = tensors.find(({ name }) => name === 'conv_b/kernel');
	assert.ok(kernel);
	const { name, dtype, storage, byteOffset } = kernel;
	const inFile = await values({ name, dtype, storage, byteOffset, dims: [3, 3, 6, 6] });
	const arranged = await values(kernel);
	for (const [o, i, y, x] of [
		[0, 0, 0, 0],
		[5, 1, 2, 0],
		[2, 4, 1, 2],
	] as const) {
		assert.equal(arranged[((o * 6 + i) * 3 + y) * 3 + x], inFile[((y * 3 + x) * 6 + i) * 6 + o]);
	}
});

test('opening reads structure only, and a tensor lies in the file also inside of an archive', async () => {
	const bytes = checkpointBytes('kcnn.keras');
	const source = countingSource(bytes);
	const { layers } = await openCheckpoint(source, { inflate });
	const mean = layers[0]?.mean;
	assert.ok(mean);
	const range = await locateTensor(mean);
	assert.ok(range);
	const inFile = new Float32Array(Uint8Array.from(bytes.subarray(range.offset, range.offset + range.length)).buffer);
	assert.deepEqual([...inFile], await values(mean));
});

test('an archive that another program compressed is read as well', async () => {
	const archive = await openBytes(checkpointBytes('kcnn.keras'));
	const h5 = checkpointBytes('kcnn.weights.h5');
	const { notes, layers } = await openBytes(
		buildZip({
			entries: [
				{ name: 'config.json', data: configOf('kcnn'), deflate: true },
				{ name: 'model.weights.h5', data: h5, deflate: true },
			],
		}),
	);
	assert.deepEqual(notes, []);
	assert.deepEqual(
		layers.map(({ name, epsilon }) => [name, epsilon]),
		archive.layers.map(({ name, epsilon }) => [name, epsilon]),
	);
});

/** Returns config.json of a .keras archive, which Keras stores without compression behind its local header. */
function configOf(name: string): Uint8Array {
	const bytes = Buffer.from(checkpointBytes(`${name}.keras`));
	const header = bytes.indexOf('config.json') - 30;
	const start = header + 30 + bytes.readUInt16LE(header + 26) + bytes.readUInt16LE(header + 28);
	return bytes.subarray(start, start + bytes.readUInt32LE(header + 18));
}
