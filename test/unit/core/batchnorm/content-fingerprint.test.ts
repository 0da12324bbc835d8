import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { contentFingerprint } from '../../../../src/core/batchnorm/content-fingerprint.js';
import { findNormalizations } from '../../../../src/core/batchnorm/find.js';
import { compareModels } from '../../../../src/core/folding/compare/compare.js';
import { structureReport } from '../../../../src/core/inspection/structure-report.js';
import { layerFingerprint } from '../../../../src/core/report/fingerprint/fingerprint.js';
import {
	acceptedMismatches,
	applyBaselineToComparison,
} from '../../../../src/core/report/fingerprint/known-mismatches.js';
import { fixture } from '../../support/fixtures.js';
import { foldedModel } from '../../support/folded.js';
import { buildModel } from '../../support/model-builder.js';
import { openBytes } from '../../support/open.js';
import { smallGraph, smallModel } from '../../support/small-model.js';

async function open(bytes: Uint8Array) {
	const { model, source } = await openBytes(bytes);
	return { model, access: { source } };
}

test("a layer has the same fingerprint in the file and in its report, for every network of PyTorch's", async () => {
	for (const name of ['plain_cnn', 'preact', 'mlp', 'conv1d', 'depthwise']) {
		const { model, access } = await open(readFileSync(fixture(`${name}.onnx`)));
		const layers = await findNormalizations(model, access);
		const report = await structureReport({ model, layers, access });
		const prints = layers.map(contentFingerprint);
		assert.equal(new Set(prints).size, layers.length, name);
		const ofReport = report.layers.map((layer) => layerFingerprint({ ...layer, source: layer.source?.op }));
		assert.deepEqual(ofReport, prints, name);
	}
});

test('a wrong fold stays known when every tensor and node of both models gets another name', async () => {
	const graph = smallGraph();
	const other = (name: string) => `other/${name}`;
	const renamed = buildModel({
		graph: {
			inputs: [{ name: other('x'), shape: ['N', 3, 8, 8] }],
			outputs: [{ name: other('y'), shape: ['N', 2, 6, 6] }],
			initializers: graph.initializers?.map((tensor) => ({ ...tensor, name: other(tensor.name ?? '') })).reverse(),
			nodes: graph.nodes?.map((node) => ({
				...node,
				name: other(node.name ?? ''),
				inputs: node.inputs?.map(other),
				outputs: node.outputs?.map(other),
			})),
		},
	});
	const compareWithWrongFold = async (original: Uint8Array, epsilon: number) =>
		compareModels(await open(original), await open(await foldedModel(original, { 0: epsilon })));
	const before = await compareWithWrongFold(smallModel(), 0.1);
	assert.equal(before.summary.mismatch, 1);
	const entry = { model: 'a', original: 'b', findings: acceptedMismatches(before, undefined) };
	const after = await compareWithWrongFold(renamed, 0.1);
	assert.equal(after.layers[0].name, 'other/bn');
	assert.deepEqual(applyBaselineToComparison(after, entry).baseline, { known: 1, fresh: 0, vanished: [] });
	// Another measured epsilon is the same cause.
	const farther = await compareWithWrongFold(renamed, 0.2);
	assert.equal(applyBaselineToComparison(farther, entry).baseline?.fresh, 0);
});
