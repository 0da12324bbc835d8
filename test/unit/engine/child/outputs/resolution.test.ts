import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolutionOf } from '../../../../../src/engine/child/outputs/resolution.js';
import type { NodeSpec } from '../../../support/model-builder.js';
import { openGraph } from '../../../support/open.js';

async function resolution(...nodes: readonly NodeSpec[]): Promise<number> {
	const { model } = await openGraph({ nodes, inputs: [{ name: 'x', shape: [1, 2] }], outputs: ['y'] });
	return resolutionOf(model, 'y');
}

const node = (op: string, inputs: readonly string[], output: string): NodeSpec => ({ op, inputs, outputs: [output] });

test('a Sigmoid behind an output has an absolute error, also in front of nodes that hand on values', async () => {
	const step = 2 ** -23;
	assert.equal(await resolution(node('Sigmoid', ['x'], 'y')), step);
	assert.equal(await resolution(node('Sigmoid', ['x'], 's'), node('Flatten', ['s'], 'y')), step);
	assert.equal(await resolution(node('Sigmoid', ['x'], 's'), node('Concat', ['x', 's'], 'y')), step);
});

test('other functions have none, and hide a Sigmoid in front', async () => {
	assert.equal(await resolution(node('Relu', ['x'], 'y')), 0);
	assert.equal(await resolution(node('Sigmoid', ['x'], 's'), node('Relu', ['s'], 'y')), 0);
});
