import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attributeDifferences } from '../../../../../src/core/folding/compare/attribute-differences.js';
import type { NodeSpec } from '../../../support/model-builder.js';
import { openGraph } from '../../../support/open.js';

async function differences(original: NodeSpec['attributes'], deployed: NodeSpec['attributes'], op = 'Conv') {
	const node = (name: string, attributes: NodeSpec['attributes'], output: string): NodeSpec => ({
		...{ op: name, inputs: ['x', 'w'], outputs: [output] },
		...(attributes && { attributes }),
	});
	const { model } = await openGraph({
		nodes: [node('Conv', original, 'a'), node(op, deployed, 'b')],
		inputs: [{ name: 'x', shape: [1, 2, 4, 4] }],
		outputs: ['a', 'b'],
	});
	const [first, second] = model.graph.nodes;
	assert.ok(first && second);
	return attributeDifferences(first, second);
}

test('attributes that change the output are named with both values', async () => {
	const found = await differences({ pads: { ints: [1, 1, 1, 1] }, group: { i: 1 } }, { group: { i: 2 } });
	assert.deepEqual(found, ['pads 0, 0, 0, 0 instead of 1, 1, 1, 1', 'group 2 instead of 1']);
});

test('a default that one operator leaves out is no difference, nor is an operator of another type', async () => {
	assert.deepEqual(await differences({ pads: { ints: [0, 0, 0, 0] }, strides: { ints: [1, 1] } }, {}), []);
	assert.deepEqual(await differences({ group: { i: 2 } }, {}, 'ConvTranspose'), []);
});
