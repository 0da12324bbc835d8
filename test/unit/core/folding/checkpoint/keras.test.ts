import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareCheckpoint } from '../../../../../src/core/folding/checkpoint/compare-checkpoint.js';
import { openCheckpoint } from '../../../../../src/core/formats/open.js';
import { memorySource } from '../../../../../src/core/onnx/source.js';
import type { Comparison } from '../../../../../src/core/report/comparison/comparison.js';
import { inflate } from '../../../../../src/platform/inflate.js';
import { checkpointBytes } from '../../../support/checkpoints.js';
import { foldedModel } from '../../../support/folded.js';
import { kerasTruth } from '../../../support/keras-files.js';
import { openBytes } from '../../../support/open.js';

async function compare(checkpoint: Uint8Array, deployed: Uint8Array): Promise<Comparison> {
	const source = memorySource(checkpoint, 'original.keras');
	const { model, source: deployedSource } = await openBytes(deployed);
	return compareCheckpoint(
		{ checkpoint: await openCheckpoint(source, { inflate }), access: { source } },
		{ model, access: { source: deployedSource } },
	);
}

function statuses({ layers }: Comparison): readonly (readonly [string, string])[] {
	return layers.map(({ name, status }) => [name, status] as const);
}

/** Layers that the project's own fold leaves in Keras' export: a ReLU stands in front, and a padded convolution behind. */
const UNFOLDED: Readonly<Record<string, readonly string[]>> = { kcnn: [], kgen: [], kseq: ['bn_pre'] };

/** Layers with an epsilon of their own, which a file of weights does not hold. */
const OWN_EPSILON: Readonly<Record<string, readonly string[]>> = { 'kcnn.weights.h5': ['bn_b'] };

for (const [name, unfolded] of Object.entries(UNFOLDED)) {
	const names = kerasTruth(name).map((layer) => layer.name);
	for (const form of ['keras', 'h5', 'weights.h5']) {
		test(`${name}.${form}: Keras' own export, with the channels last, keeps every layer`, async () => {
			const comparison = await compare(checkpointBytes(`${name}.${form}`), checkpointBytes(`${name}.onnx`));
			assert.deepEqual(
				statuses(comparison),
				names.map((layer) => [layer, 'kept']),
			);
		});

		test(`${name}.${form}: every layer arrived in the export that was folded`, async () => {
			const deployed = await foldedModel(checkpointBytes(`${name}.onnx`));
			assert.deepEqual(
				statuses(await compare(checkpointBytes(`${name}.${form}`), deployed)),
				names.map((layer) => {
					const isOdd = OWN_EPSILON[`${name}.${form}`]?.includes(layer);
					return [layer, unfolded.includes(layer) ? 'kept' : isOdd ? 'mismatch' : 'match'];
				}),
			);
		});
	}
}

test('a file with a configuration gets no note about a missing graph or epsilon, a file of weights does', async () => {
	const deployed = checkpointBytes('kcnn.onnx');
	assert.deepEqual((await compare(checkpointBytes('kcnn.keras'), deployed)).notes, []);
	const notes = (await compare(checkpointBytes('kcnn.weights.h5'), deployed)).notes.join(' ');
	assert.match(notes, /does not hold epsilon: 0\.001 was inferred, which explains 3 of 4 layers/);
	assert.match(notes, /bn_b, still a layer of the deployed model, fits epsilon 1e-5 instead/);
	assert.match(notes, /has no graph/);
});

/** Replaces the first text after `anchor`, both in Latin-1, by a text of the same length. */
function replaced(bytes: Uint8Array, anchor: string, from: string, to: string): Uint8Array {
	const result = Buffer.from(bytes);
	const at = result.indexOf(from, result.indexOf(anchor), 'latin1');
	assert.ok(at > 0 && from.length === to.length);
	result.write(to, at, 'latin1');
	return new Uint8Array(result);
}

for (const form of ['keras', 'h5']) {
	test(`${form}: the epsilon that the configuration states decides, also against all other layers`, async () => {
		const original = replaced(checkpointBytes(`kcnn.${form}`), '"bn_a"', '"epsilon": 0.001', '"epsilon": 0.009');
		const { layers } = await compare(original, await foldedModel(checkpointBytes('kcnn.onnx')));
		assert.deepEqual(
			layers.map(({ name, status, cause }) => [name, status, cause]),
			[
				['bn_a', 'mismatch', 'wrong-epsilon'],
				['bn_b', 'match', null],
				['bn_c', 'match', null],
				['bn_d', 'match', null],
			],
		);
	});
}

test('another value in the statistics is found', async () => {
	const bytes = Buffer.from(checkpointBytes('kcnn.keras'));
	const mean = Buffer.from(Float32Array.from(kerasTruth('kcnn')[2]?.mean ?? []).buffer);
	const at = bytes.indexOf(mean);
	assert.ok(at > 0);
	bytes.writeFloatLE(2, at + 8);
	const { layers } = await compare(new Uint8Array(bytes), await foldedModel(checkpointBytes('kcnn.onnx')));
	assert.deepEqual(
		layers.map(({ status }) => status),
		['match', 'match', 'mismatch', 'match'],
	);
});
