import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparisonStatus } from '../../../../../src/cli/exit.js';
import {
	compareBytes,
	deployedModel,
	drawNetwork,
	type SequentialNetwork,
	type Step,
	stateDictOf,
	torchFile,
	wrongLayers,
} from '../../../support/sequential.js';

const STEPS: readonly Step[] = [
	{ conv: 'conv0', from: 3, to: 8, kernel: 3 },
	{ norm: 'bn0' },
	{ prelu: 'act0' },
	{ conv: 'conv1', from: 8, to: 8, kernel: 3 },
	{ norm: 'bn1' },
	{ prelu: 'act1' },
	{ conv: 'head', from: 8, to: 5, bias: true },
];

const network = drawNetwork(STEPS, 1);
const slopesOf = ({ slopes }: SequentialNetwork, name: string): Float64Array => slopes.get(name) ?? new Float64Array(8);

const compareWith = (slopes: Readonly<Record<string, Float64Array>>) =>
	compareBytes(torchFile(stateDictOf(network)), deployedModel(network, { slopes }));

test('slopes that are those of the checkpoint are right', async () => {
	const found = await compareWith({});
	assert.deepEqual([wrongLayers(found), found.operators, comparisonStatus(found, 'error')], [[], undefined, 0]);
});

test('slopes in another order, or with other numbers, are wrong although every layer arrived', async () => {
	const values = slopesOf(network, 'act1');
	for (const [changed, isReordered] of [
		[values.toReversed(), true],
		[values.map((value, channel) => (channel === 3 ? value * (1 + 1e-4) : value)), false],
		[values.map((value) => 1 - value), false],
	] as const) {
		const found = await compareWith({ act1: changed });
		assert.deepEqual(wrongLayers(found), []);
		assert.equal(comparisonStatus(found, 'error'), 1);
		const [operator] = found.operators ?? [];
		assert.match(operator?.evidence ?? '', /not those of "act1\.weight" in the checkpoint/);
		assert.equal(/in another order/.test(operator?.evidence ?? ''), isReordered);
	}
});

test('slopes of a module that the checkpoint lacks are not accused', async () => {
	const { 'act1.weight': _, ...rest } = stateDictOf(network);
	const deployed = deployedModel(network, { slopes: { act1: slopesOf(network, 'act1').toReversed() } });
	const found = await compareBytes(torchFile(rest), deployed);
	assert.equal(found.operators, undefined);
});
