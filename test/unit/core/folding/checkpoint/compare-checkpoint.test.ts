import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { compareCheckpoint } from '../../../../../src/core/folding/checkpoint/compare-checkpoint.js';
import { openCheckpoint } from '../../../../../src/core/formats/open.js';
import { memorySource } from '../../../../../src/core/onnx/source.js';
import type { Comparison } from '../../../../../src/core/report/comparison.js';
import { inflate } from '../../../../../src/platform/inflate.js';
import { checkpointBytes } from '../../../support/checkpoints.js';
import { foldedModel } from '../../../support/folded.js';
import { openBytes } from '../../../support/open.js';

async function compare(checkpoint: Uint8Array, deployed: Uint8Array): Promise<Comparison> {
	const source = memorySource(checkpoint, 'original.pth');
	const { model, source: deployedSource } = await openBytes(deployed);
	return compareCheckpoint(
		{ checkpoint: await openCheckpoint(source, { inflate }), access: { source } },
		{ model, access: { source: deployedSource } },
	);
}

const kept = (network: string) => checkpointBytes(`${network}.kept.onnx`);

/** Forms of each network among the fixtures. */
const FORMS: Readonly<Record<string, readonly string[]>> = {
	conv1d: ['pth', 'legacy.pth', 'nested.ckpt', 'half.pth', 'views.pth', 'full.pt', 'script.pt', 'safetensors'],
	mlp: ['pth', 'legacy.pth', 'nested.ckpt', 'half.pth', 'views.pth', 'full.pt', 'script.pt', 'safetensors'],
	preact: ['pth', 'legacy.pth', 'nested.ckpt', 'half.pth', 'views.pth', 'full.pt', 'script.pt', 'safetensors'],
	plain_cnn: ['full.pt', 'script.pt'],
	generator: ['pth'],
};

interface Truth {
	readonly layers: readonly string[];
	readonly wrong: { readonly layer: string } | null;
}

const truthOf = (network: string): Truth =>
	JSON.parse(readFileSync(`test/fixtures/checkpoints/${network}.truth.json`, 'utf8'));

/** Name of a layer without the wrapper "module." of the nested form. */
const plainName = (name: string) => name.replace(/^module\./, '');

for (const [network, forms] of Object.entries(FORMS)) {
	for (const form of forms) {
		test(`${network}.${form}: every layer arrived in the folded and in the unfolded export`, async () => {
			for (const deployed of [kept(network), await foldedModel(kept(network))]) {
				const { layers } = await compare(checkpointBytes(`${network}.${form}`), deployed);
				assert.deepEqual(
					layers.map(({ status }) => status).filter((status) => status !== 'match' && status !== 'kept'),
					[],
				);
				assert.deepEqual(layers.map(({ name }) => plainName(name)).toSorted(), [...truthOf(network).layers].toSorted());
			}
		});

		const { wrong, layers: names } = truthOf(network);
		if (wrong) {
			test(`${network}.${form}: a layer folded with another epsilon is named, and no other`, async () => {
				const deployed = await foldedModel(kept(network), { [names.indexOf(wrong.layer)]: 1e-3 });
				const { layers } = await compare(checkpointBytes(`${network}.${form}`), deployed);
				const found = layers.filter(({ status }) => status === 'mismatch');
				assert.deepEqual(
					found.map(({ name, cause }) => [plainName(name), cause]),
					[[wrong.layer, 'wrong-epsilon']],
				);
			});
		}
	}
}

test('the epsilon is inferred from all layers together, and the note says so', async () => {
	const { notes } = await compare(checkpointBytes('conv1d.pth'), await foldedModel(kept('conv1d')));
	assert.match(notes.join(' '), /does not hold epsilon: 1e-5 was inferred, which explains every layer/);
	const other = await foldedModel(kept('conv1d'), { 0: 2e-3, 1: 2e-3 });
	const { notes: odd, summary } = await compare(checkpointBytes('conv1d.pth'), other);
	assert.equal(summary.mismatch, 0);
	assert.match(odd.join(' '), /0\.002 was inferred.*check that the model sets 0\.002/);
});

test('an epsilon that the file states is not inferred', async () => {
	const { notes } = await compare(checkpointBytes('conv1d.full.pt'), await foldedModel(kept('conv1d')));
	assert.doesNotMatch(notes.join(' '), /epsilon/);
});

test('weights of another network are called other weights', async () => {
	const deployed = readFileSync('test/fixtures/models/conv1d.folded.onnx');
	const { layers, notes } = await compare(checkpointBytes('conv1d.pth'), deployed);
	assert.ok(
		layers.every(({ status, details }) => status === 'mismatch' && details.similarity?.kind === 'other-weights'),
	);
	assert.match(notes.join(' '), /^Other weights: /);
});
