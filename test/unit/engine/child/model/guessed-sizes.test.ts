import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspectBytes } from '../../../support/inspect.js';
import { buildModel, type GraphSpec } from '../../../support/model-builder.js';

const ones = (count: number) => Array.from({ length: count }, () => 1);
const parameters = ['gamma', 'beta', 'mean', 'variance'].map((name) => ({ name, values: [1, 2, 3, 4] }));

/** Conv and BatchNormalization over four channels. @param group of the convolution, which reads 2 channels a group */
function model(shape: readonly (number | string | null)[], group: number, more: Partial<GraphSpec> = {}): Uint8Array {
	return buildModel({
		graph: {
			inputs: [{ name: 'x', shape: [...shape] }],
			outputs: ['y'],
			initializers: [...parameters, { name: 'w', dims: [4, 2, 3, 3], values: ones(72) }],
			nodes: [
				{ op: 'Relu', inputs: ['x'], outputs: ['r'] },
				{ op: 'Conv', inputs: ['r', 'w'], outputs: ['c'], attributes: { group: { i: group } } },
				{ op: 'BatchNormalization', inputs: ['c', 'gamma', 'beta', 'mean', 'variance'], outputs: ['y'] },
			],
			...more,
		},
	});
}

test('channels come from the first convolution and its groups, height and width of an image are not 1', async () => {
	for (const group of [1, 2]) {
		const { report } = await inspectBytes(model(['N', 'C', 'H', 'W'], group));
		assert.deepEqual(report.run.inputs[0]?.shape, [1, 2 * group, 64, 64], report.run.reason);
	}
	const { report } = await inspectBytes(model(['N', 'C', 'H', 'W'], 1), { dimensions: { H: 8, W: 9 } });
	assert.deepEqual(report.run.inputs[0]?.shape, [1, 2, 8, 9]);
});

test('where no guess runs, the error names an open size and the option that states it', async () => {
	const graph = {
		initializers: [...parameters, { name: 'offset', dims: [1, 4, 7, 7], values: ones(196) }],
		nodes: [
			{ op: 'Add', inputs: ['x', 'offset'], outputs: ['c'] },
			{ op: 'BatchNormalization', inputs: ['c', 'gamma', 'beta', 'mean', 'variance'], outputs: ['y'] },
		],
	};
	const { report } = await inspectBytes(model([1, 4, 'height', 'width'], 1, graph));
	assert.equal(report.run.status === 'ok' && !report.run.partial, false);
	assert.match(report.run.reason ?? '', /leaves sizes open \(height, width\).*--dim height=SIZE/);
	const stated = await inspectBytes(model([1, 4, 'height', 'width'], 1, graph), {
		dimensions: { height: 7, width: 7 },
	});
	assert.equal(stated.report.layers[0].recompute.status, 'match');
});
