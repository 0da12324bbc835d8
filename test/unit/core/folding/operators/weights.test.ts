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
	const reason = /^"(w|scale)" is computed by a cycle, or by more than 100 nodes deep\.$/;
	assert.match(String(await weightBehind([dequantize('codes', 'w', 'w')])), reason);
	const scales = [dequantize('count', 'scale', 'scale'), dequantize('codes', 'scale', 'w')];
	assert.match(String(await weightBehind(scales)), reason);
	const zeroPoint = { op: 'DequantizeLinear', inputs: ['codes', 'step', 'w'], outputs: ['w'] };
	assert.match(String(await weightBehind([zeroPoint])), reason);
});

test('weights of all operators that a few bytes expand share one limit', async () => {
	const nodes = Array.from({ length: 20 }, (_, index) => [
		{ op: 'Expand', inputs: ['step', 'shape'], outputs: [`w${index}`] },
		{ op: 'Conv', name: `conv${index}`, inputs: ['x', `w${index}`], outputs: [`y${index}`] },
	]).flat();
	const shape: TensorSpec = { name: 'shape', dtype: 'int64', values: [256, 256, 1, 1] };
	const { model, source } = await openGraph({
		...{ inputs: ['x'], initializers: [...INITIALIZERS, shape], nodes, outputs: ['y0'] },
	});
	const reader = new WeightReader({ source });
	const places = [...nodesInOrder(model)];
	const operators = places.flatMap((place, index) => linearOperator(place, index) ?? []);
	const results = [];
	for (const operator of operators) {
		results.push(await reader.read(operator));
	}
	assert.equal(results.length, 20);
	const elements = results.reduce((total, read) => total + (read.ok ? read.value.weight.length : 0), 0);
	// 2^20 of a few, and 16 for each byte of step and shape.
	assert.equal(elements, 2 ** 20);
	const [last] = results.slice(-1);
	assert.match(
		last.ok ? '' : last.reason,
		/"w19" has 65536 elements, too many to evaluate: the limit is 1049\d{3} for/,
	);
	// An operator that was read once may be read again without an evaluation.
	assert.ok((await reader.read(operators[15])).ok);
	assert.deepEqual(await reader.dims(operators[0]), [256, 256, 1, 1]);
});
