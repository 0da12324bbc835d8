/** What an inspection says of a fold, and what the fold does: one thing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findLayers } from '../../../../../src/core/batchnorm/find.js';
import { compareModels } from '../../../../../src/core/folding/compare/compare.js';
import { planFold } from '../../../../../src/core/folding/rewrite/fold-model.js';
import { foldability } from '../../../../../src/core/folding/targets/foldability.js';
import { countingSource } from '../../../support/counting-source.js';
import { openFixture } from '../../../support/fixtures.js';
import { foldedModel } from '../../../support/folded.js';
import { linearNetwork, linearZoo } from '../../../support/linear-zoo.js';
import { buildModel } from '../../../support/model-builder.js';
import { type OpenModel, openBytes } from '../../../support/open.js';
import {
	asConstantNodes,
	asExpressions,
	asHalf,
	asQuantized,
	specOf,
	withIdentities,
} from '../../../support/respec.js';

const MODELS = ['plain_cnn', 'depthwise', 'generator', 'preact', 'mlp', 'conv1d', 'conv3d'];

/** How many layers fold, once what is said was held against what is done. */
async function assertAgreement({ model, source }: OpenModel, description: string): Promise<number> {
	const layers = await findLayers(model, { source });
	const said = await foldability({ model, layers, access: { source } });
	const { folded, kept } = await planFold(model, { source });
	const done = new Map<string, unknown>([
		...folded.map(({ name, into }) => [name, into] as const),
		...kept.map(({ name, reasons }) => [name, reasons] as const),
	]);
	const shared = (reasons: readonly string[]) => reasons.every((reason) => reason === 'shared-weight');
	layers.forEach(({ name }, index) => {
		const { into, reasons } = said[index];
		assert.deepEqual(into ?? reasons, done.get(name), `${description}: ${name}`);
		assert.ok(into === null ? reasons.length > 0 && !shared(reasons) : shared(reasons), `${description}: ${name}`);
	});
	return folded.length;
}

test('over a zoo of operators, the nodes behind them, and chains of layers', async () => {
	let folded = 0;
	for (const { bytes, description } of [...linearZoo(200), ...linearZoo(400, { chains: true })]) {
		folded += await assertAgreement(await openBytes(bytes), description);
	}
	assert.ok(folded > 800, `${folded} folded`);
});

test('the comparison recognizes each fold, layer by layer', async () => {
	for (const { bytes, description } of linearZoo(200, { chains: true })) {
		const original = await openBytes(bytes);
		const deployed = await openBytes(await foldedModel(bytes));
		const { folded } = await planFold(original.model, { source: original.source });
		const { layers } = await compareModels(
			{ model: original.model, access: { source: original.source } },
			{ model: deployed.model, access: { source: deployed.source } },
		);
		for (const { name, status, evidence } of layers) {
			const expected = folded.some((layer) => layer.name === name) ? 'match' : 'kept';
			assert.equal(status, expected, `${description}: ${name}: ${evidence}`);
		}
	}
});

test("PyTorch's models, plain and written in other ways", async () => {
	const ways = { asConstantNodes, asExpressions, asHalf, asQuantized, withIdentities };
	for (const name of MODELS) {
		const original = await openFixture(`${name}.onnx`);
		await assertAgreement(original, name);
		for (const [way, change] of Object.entries(ways)) {
			await assertAgreement(await openBytes(buildModel(change(await specOf(original)))), `${name} ${way}`);
		}
	}
});

test('of a chain behind a product and its Add every layer folds', async () => {
	for (const op of ['Conv', 'ConvTranspose', 'Gemm', 'MatMul'] as const) {
		for (const between of [undefined, 'add', 'identity'] as const) {
			for (const link of [undefined, 'add', 'identity'] as const) {
				const block = { op, channels: 4, chain: 3, ...(between && { between }), ...(link && { link }) };
				const original = await openBytes(linearNetwork([block], { seed: 1, batch: 2 }));
				const description = `${op} ${between} ${link}`;
				// Without a place for a bias one is added where the layers were: nothing may stand between them.
				const isHeld = op !== 'MatMul' || between === 'add' || link !== 'identity';
				assert.equal(await assertAgreement(original, description), isHeld ? 3 : 1, description);
			}
		}
	}
});

test('the answer reads no weight', async () => {
	const original = await openFixture('plain_cnn.onnx');
	const quantized = buildModel(asQuantized(await specOf(original)));
	for (const bytes of [original.bytes, quantized]) {
		const { model } = await openBytes(bytes);
		const counted = countingSource(bytes);
		const layers = await findLayers(model, { source: counted });
		const before = counted.bytesRead;
		await foldability({ model, layers, access: { source: counted } });
		assert.equal(counted.bytesRead - before, 0);
	}
});
