/** Repairs of layers in a wrong place: the layer is put right, or the reason says why no constants make it right. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareNetworks } from '../../../../src/core/folding/compare/compare.js';
import { editedBytes, planEdits } from '../../../../src/core/onnx/write/edit.js';
import { planFoldRepair } from '../../../../src/core/repair/fold-repair.js';
import { layerOf, modelBytes, scaleRows, surround, WIDTH, weightOf } from '../../support/deployed-forms.js';
import { type OpenModel, openBytes } from '../../support/open.js';
import { WRONG_FORMS } from '../../support/wrong-forms.js';

const compared = ({ model, source }: OpenModel) => ({ model, access: { source } });

type Form = (typeof WRONG_FORMS)[keyof typeof WRONG_FORMS]['block'];

async function repair(block: Form, seed: number) {
	const pair = surround(block, seed);
	const [original, deployed] = await Promise.all([pair.original, pair.deployed].map((g) => openBytes(modelBytes(g))));
	const before = await compareNetworks(compared(original), compared(deployed));
	const plan = await planFoldRepair(before, { source: deployed.source });
	const bytes = await editedBytes(await planEdits(deployed.source, plan.edits), deployed.source);
	const after = await compareNetworks(compared(original), compared(await openBytes(bytes)));
	const wrong = (files: typeof before) =>
		files.comparison.layers
			.filter(({ status }) => status !== 'match' && status !== 'kept')
			.map(({ evidence }) => evidence);
	return { ...plan, before: wrong(before), after: wrong(after) };
}

/** Reasons of faults that stay; the other faults are repaired. */
const REASONS: Readonly<Partial<Record<keyof typeof WRONG_FORMS, RegExp>>> = {
	'training mode in the original': /^the original is in training mode itself: repair the original first$/,
	'training mode in the original of a folded layer':
		/^the original is in training mode itself: repair the original first$/,
	'layer folded across an activation':
		/^an activation stands between the layer and the operator that it was folded into/,
	'layer moved in front of an activation': /^it stands on the other side of an activation now: export the model again$/,
	'fold into an operator with another reader':
		/^another node reads Conv_\d+ and needs the values without the layer, so no weights are right for both/,
};

for (const [name, { block }] of Object.entries(WRONG_FORMS)) {
	const reason = REASONS[name as keyof typeof WRONG_FORMS];
	test(`${name}: ${reason ? 'the reason why it stays' : 'put right'}`, async () => {
		for (const seed of [1, 3]) {
			const { before, after, repaired, unrepaired, edits } = await repair(block, seed);
			assert.ok(before.length > 0);
			if (reason) {
				assert.equal(unrepaired.length, before.length);
				for (const part of unrepaired) {
					assert.match(part.reason, reason);
				}
				assert.deepEqual([repaired, edits], [[], []]);
			} else {
				assert.deepEqual([unrepaired, after], [[], []]);
				assert.equal(repaired.length, before.length);
			}
		}
	});
}

test('kept layers that were exchanged with their operators get their own parameters back', async () => {
	const block: Form = ({ random, from, to }, [x, y]) => {
		const blocks = [2, 1, 0].map(() => ({ weight: weightOf(random, WIDTH, WIDTH, 3), layer: layerOf(random, WIDTH) }));
		const chain = (graph: typeof from, start: string, order: readonly number[]) =>
			order.reduce((at, index) => {
				const { weight, layer } = blocks[index];
				return graph.relu(graph.batchNorm(graph.conv(at, weight), layer));
			}, start);
		return [chain(from, x, [0, 1, 2]), chain(to, y, [2, 1, 0])];
	};
	const { before, after, repaired, unrepaired } = await repair(block, 2);
	assert.equal(before.length, 2);
	assert.deepEqual([unrepaired, after, repaired.length], [[], [], 2]);
	assert.match(repaired[0]?.change ?? '', /^gamma, beta, mean, variance of \S+ corrected, weight of \S+ corrected/);
});

test('a layer folded across an activation goes into the operator behind it', async () => {
	const block: Form = ({ random, from, to }, [x, y]) => {
		const [weight, next] = [weightOf(random, WIDTH, WIDTH, 3), weightOf(random, WIDTH, WIDTH, 1)];
		const layer = layerOf(random, WIDTH);
		return [
			from.conv(from.batchNorm(from.relu(from.conv(x, weight)), layer), next),
			to.conv(to.relu(to.conv(y, scaleRows(weight, layer.scale), layer.shift)), next),
		];
	};
	const { before, after, repaired, unrepaired } = await repair(block, 4);
	assert.equal(before.length, 1);
	assert.deepEqual([unrepaired, after], [[], []]);
	assert.match(
		repaired[0]?.change ?? '',
		/^weight and bias of \S+ corrected, weight and bias of \S+ corrected \(was: /,
	);
});
