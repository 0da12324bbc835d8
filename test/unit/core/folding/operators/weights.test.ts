import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linearOperator } from '../../../../../src/core/folding/operators/linear.js';
import { WeightReader } from '../../../../../src/core/folding/operators/weights.js';
import { nodesInOrder } from '../../../../../src/core/onnx/graph/traverse.js';
import type { NodeSpec, TensorSpec } from '../../../support/model-builder.js';
import { openGraph } from '../../../support/open.js';

const INITIALIZERS: TensorSpec[] = [
	{ name: 'codes', dims: [2, 1, 1, 1], values: [1, 2], dtype: 'int8' },
	{ name: 'count', dims: [], values: [3], dtype: 'int8' },
	{ name: 'step', dims: [], values: [0.5] },
];

/** Returns the values of the convolution's weight "w", or the reason why they cannot be read. */
async function weightBehind(nodes: readonly NodeSpec[]): Promise<readonly number[] | string> {
	const conv = { op: 'Conv', name: 'conv', inputs: ['x', 'w'], outputs: ['y'] };
	const graph = { inputs: ['x'], initializers: INITIALIZERS, nodes: [...nodes, conv], outputs: ['y'] };
	const { model, source } = await openGraph(graph);
	const places = [...nodesInOrder(model)];
	const operator = linearOperator(places[places.length - 1], places.length - 1);
	assert.ok(operator);
	const weights = await new WeightReader({ source }).read(operator);
	return weights.ok ? [...weights.value.weight] : weights.reason;
}

function dequantize(codes: string, scale: string, output: string): NodeSpec {
	return { op: 'DequantizeLinear', inputs: [codes, scale], outputs: [output] };
}

test('a scale may be quantized itself', async () => {
	const nodes = [dequantize('count', 'step', 'scale'), dequantize('codes', 'scale', 'w')];
	assert.deepEqual(await weightBehind(nodes), [1.5, 3]);
});

test('a scale that is computed from itself ends in a reason', async () => {
	const reason = 'The weight "w" of conv is no constant of a fitting shape.';
	assert.equal(await weightBehind([dequantize('codes', 'w', 'w')]), reason);
	assert.equal(await weightBehind([dequantize('count', 'scale', 'scale'), dequantize('codes', 'scale', 'w')]), reason);
	const zeroPoint = { op: 'DequantizeLinear', inputs: ['codes', 'step', 'w'], outputs: ['w'] };
	assert.equal(await weightBehind([zeroPoint]), reason);
});
