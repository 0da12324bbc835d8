import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkpointBytes, checkpointError, layerValues, openBytes } from '../../../support/checkpoints.js';
import { int, pickle } from '../../../support/pickle-builder.js';

for (const protocol of [2, 5]) {
	test(`NumPy arrays in a pickle of protocol ${protocol} are read by name`, async () => {
		const { layers, choice } = await openBytes(checkpointBytes(`arrays.p${protocol}.pkl`));
		const [layer] = layers;
		assert.ok(layer);
		assert.deepEqual(choice.chosen.path, ['state_dict']);
		assert.deepEqual(await layerValues(layer), {
			gamma: [1, 2],
			beta: [0.5, -0.5],
			mean: [3, 4],
			variance: [5, 6],
		});
		assert.equal(layer.front[0]?.weight.name, 'conv.weight');
	});
}

test('a pickle without named arrays, and a large one, end in one sentence', async () => {
	await assert.rejects(openBytes(pickle(int(1))), checkpointError('no-tensors', /torch\.save/));
	const bytes = checkpointBytes('arrays.p5.pkl');
	await assert.rejects(openBytes(bytes, { plainPickleBytes: 100 }), checkpointError('limit', /plainPickleBytes/));
	await assert.rejects(openBytes(bytes.subarray(0, 200)), checkpointError('truncated'));
});
