import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { compareCheckpointNetworks } from '../../../../../src/core/folding/checkpoint/compare-checkpoint.js';
import type { ComparedFiles } from '../../../../../src/core/folding/compare/compare.js';
import { openCheckpoint } from '../../../../../src/core/formats/open.js';
import { memorySource } from '../../../../../src/core/onnx/source.js';
import type { Comparison } from '../../../../../src/core/report/comparison/comparison.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import { inflate } from '../../../../../src/platform/inflate.js';
import { checkpointBytes } from '../../../support/checkpoints.js';
import { foldedModel } from '../../../support/folded.js';
import { buildModel } from '../../../support/model-builder.js';
import { type OpenModel, openBytes } from '../../../support/open.js';
import { specOf } from '../../../support/respec.js';

async function compare(checkpoint: Uint8Array, deployed: Uint8Array): Promise<Comparison> {
	return (await networksOf(checkpoint, await openBytes(deployed))).comparison;
}

async function networksOf(checkpoint: Uint8Array, { model, source: deployed }: OpenModel): Promise<ComparedFiles> {
	const source = memorySource(checkpoint, 'original.pth');
	return compareCheckpointNetworks(
		{ checkpoint: await openCheckpoint(source, { inflate }), access: { source } },
		{ model, access: { source: deployed } },
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
	assert.match(notes.join(' '), /^The shapes are the same, but the weights of 2 of 2 operators /);
});

/** Networks among the fixtures with an operator that has no layer. */
for (const network of ['plain_cnn', 'preact']) {
	const form = network === 'plain_cnn' ? 'full.pt' : 'pth';

	test(`${network}: a wrong weight of an operator without a layer is named, and a right one is not`, async () => {
		const deployed = await openBytes(await foldedModel(kept(network)));
		const { models, comparison } = await networksOf(checkpointBytes(`${network}.${form}`), deployed);
		assert.equal(comparison.operators, undefined);
		const withLayer = new Set(Array.from(models.original.targets.values(), ({ operator }) => operator));
		const others = [...models.pairing.byOriginal.values()].filter(({ original }) => !withLayer.has(original));
		assert.ok(others.length > 0);
		for (const { deployed: operator } of others) {
			const spec = await specOf(deployed);
			const initializers = (spec.graph.initializers ?? []).map((tensor) =>
				tensor.name === operator.weight
					? { ...tensor, values: (tensor.values ?? []).map((value, index) => Number(value) + (index === 3 ? 0.01 : 0)) }
					: tensor,
			);
			const wrong = await openBytes(buildModel({ ...spec, graph: { ...spec.graph, initializers } }));
			const after = (await networksOf(checkpointBytes(`${network}.${form}`), wrong)).comparison;
			assert.deepEqual(
				after.operators?.map(({ name }) => name),
				[operator.name],
			);
			assert.ok(after.notes.some((note) => note.includes('has no layer')));
			assert.deepEqual(after.summary, comparison.summary);
		}
	});
}

test('names of the dynamo exporter decide between operators of the same shape if their weights cannot', async () => {
	const deployed = await openBytes(await foldedModel(kept('preact')));
	const { models } = await networksOf(checkpointBytes('preact.pth'), deployed);
	const spec = await specOf(deployed);
	const names = new Map(
		[...models.pairing.byOriginal.values()].flatMap(({ original, deployed: { weight, bias } }) => [
			[weight, original.weight],
			[bias, `${original.weight}_bias`],
		]),
	);
	const rename = (name: string) => names.get(name) ?? name;
	const noise = seededRandom(5);
	const write = (isNoise: boolean) => {
		const { graph } = spec;
		const initializers = (graph.initializers ?? []).map((tensor) => {
			const isWeight = isNoise && (tensor.dims?.length ?? 0) > 1;
			const values = isWeight ? (tensor.values ?? []).map(() => noise.normal()) : (tensor.values ?? []);
			return { ...tensor, name: rename(tensor.name ?? ''), values };
		});
		const nodes = (graph.nodes ?? []).map((node) => ({ ...node, inputs: (node.inputs ?? []).map(rename) }));
		return openBytes(buildModel({ ...spec, graph: { ...graph, nodes, initializers: initializers.toReversed() } }));
	};
	const exported = await networksOf(checkpointBytes('preact.pth'), await write(false));
	assert.deepEqual([exported.comparison.summary.mismatch, exported.comparison.operators], [0, undefined]);
	const { pairing } = (await networksOf(checkpointBytes('preact.pth'), await write(true))).models;
	assert.ok(pairing.byOriginal.size > 2);
	for (const { original, deployed: partner } of pairing.byOriginal.values()) {
		assert.equal(partner.weight, original.weight);
	}
});
