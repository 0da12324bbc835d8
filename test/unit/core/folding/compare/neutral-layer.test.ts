import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNeutral } from '../../../../../src/core/folding/compare/neutral-layer.js';
import { readNetwork } from '../../../../../src/core/folding/targets/network.js';
import { openGraph } from '../../../support/open.js';

/** Values of gamma, beta, mean and variance of two channels. */
async function neutral(
	gamma: number[],
	beta: number[],
	mean: number[],
	variance: number[],
): Promise<boolean | undefined> {
	const names = ['gamma', 'beta', 'mean', 'variance'];
	const { model, source } = await openGraph({
		nodes: [{ op: 'BatchNormalization', inputs: ['x', ...names], outputs: ['y'] }],
		initializers: [gamma, beta, mean, variance].map((values, index) => ({ name: names[index] ?? '', values })),
		inputs: [{ name: 'x', shape: [1, 2, 4, 4] }],
		outputs: ['y'],
	});
	const [layer] = (await readNetwork(model, { source })).layers;
	return layer && isNeutral(layer);
}

test('a layer with scale 1 and shift 0 in each channel hands on its input', async () => {
	assert.equal(await neutral([1, 1], [0, 0], [0, 0], [1, 1]), true);
	assert.equal(await neutral([2, 3], [5, 0], [5, 0], [4, 9]), true);
});

test('a layer that changes a single channel does not', async () => {
	assert.equal(await neutral([1, 1.1], [0, 0], [0, 0], [1, 1]), false);
	assert.equal(await neutral([1, 1], [0, 0.1], [0, 0], [1, 1]), false);
});
