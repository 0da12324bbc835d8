import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareCheckpoint } from '../../../../../src/core/folding/checkpoint/compare-checkpoint.js';
import { openCheckpoint } from '../../../../../src/core/formats/open.js';
import { memorySource } from '../../../../../src/core/onnx/source.js';
import { inflate } from '../../../../../src/platform/inflate.js';
import { float32 } from '../../../support/checkpoint-builder.js';
import { buildModel, type NodeSpec } from '../../../support/model-builder.js';
import { openBytes } from '../../../support/open.js';
import { layer, orderedDict, tensor, torchZip } from '../../../support/pickle-builder.js';
import { compareBytes } from '../../../support/sequential.js';

const VALUES = [1, 2, 3, 4];

/** Compares a convolution and a layer, all of whose values are 1 to 4, with a deployed normalization. */
async function compare(op: string, scale: readonly number[]) {
	const weight = tensor({ count: 4, size: [4, 1, 1, 1], stride: [1, 1, 1, 1] });
	const checkpoint = torchZip(orderedDict({ 'conv.weight': weight, ...layer('norm.') }), { '0': float32(...VALUES) });
	const source = memorySource(checkpoint, 'original.pth');
	const nodes = [
		{ op: 'Conv', inputs: ['x', 'w'], outputs: ['c'] },
		{ op, inputs: ['c', 'scale', 'bias'], outputs: ['y'] },
	];
	const initializers = [
		{ name: 'w', dims: [4, 1, 1, 1], values: VALUES },
		{ name: 'scale', dims: [4], values: scale },
		{ name: 'bias', dims: [4], values: VALUES },
	];
	const inputs = [{ name: 'x', shape: [1, 1, 4, 4] }];
	const { model, source: deployed } = await openBytes(
		buildModel({ graph: { nodes, initializers, inputs, outputs: ['y'] } }),
	);
	const { layers } = await compareCheckpoint(
		{ checkpoint: await openCheckpoint(source, { inflate }), access: { source } },
		{ model, access: { source: deployed } },
	);
	return layers;
}

test('a layer that the deployed model has as an instance normalization is no batch normalization', async () => {
	const [found, ...others] = await compare('InstanceNormalization', VALUES);
	assert.deepEqual([found?.status, found?.cause, others.length], ['unmatched', null, 0]);
	assert.match(found?.evidence ?? '', /^The deployed model has InstanceNormalization with the gamma and beta/);
});

test('an instance normalization with another scale says nothing about the layer', async () => {
	const [found] = await compare('InstanceNormalization', [2, 2, 3, 4]);
	assert.doesNotMatch(found?.evidence ?? '', /InstanceNormalization with the gamma/);
});

test('an untrained layer, and a layer with computed parameters, are recognized by the operator in front', async () => {
	const ones = [1, 1, 1, 1];
	const weight = tensor({ count: 4, size: [4, 1, 1, 1], stride: [1, 1, 1, 1] });
	const unit = tensor({ key: '1', count: 4, size: [4], stride: [1] });
	const nothing = tensor({ key: '2', count: 4, size: [4], stride: [1] });
	const norm = { 'norm.weight': unit, 'norm.bias': nothing, 'norm.running_mean': nothing, 'norm.running_var': unit };
	const checkpoint = torchZip(orderedDict({ 'conv.weight': weight, ...norm }), {
		'0': float32(...VALUES),
		'1': float32(...ones),
		'2': float32(0, 0, 0, 0),
	});
	const verdict = async (nodes: readonly NodeSpec[]) => {
		const initializers = [
			{ name: 'w', dims: [4, 1, 1, 1], values: VALUES },
			{ name: 'ones', dims: [4], values: ones },
			{ name: 'zeros', dims: [4], values: [0, 0, 0, 0] },
		];
		const conv = { op: 'Conv', inputs: ['x', 'w'], outputs: ['c'] };
		const inputs = [{ name: 'x', shape: [1, 1, 4, 4] }];
		const [found] = (
			await compareBytes(
				checkpoint,
				buildModel({ graph: { nodes: [conv, ...nodes], initializers, inputs, outputs: ['y'] } }),
			)
		).layers;
		return [found?.status, found?.evidence.split(',')[0]];
	};
	assert.deepEqual(await verdict([{ op: 'InstanceNormalization', inputs: ['c', 'ones', 'zeros'], outputs: ['y'] }]), [
		'unmatched',
		'The deployed model has InstanceNormalization with the gamma and beta of this layer',
	]);
	const computed = [
		{ op: 'ReduceMean', inputs: ['c'], outputs: ['m'], attributes: { axes: { ints: [0, 2, 3] }, keepdims: { i: 0 } } },
		{ op: 'BatchNormalization', inputs: ['c', 'ones', 'zeros', 'm', 'ones'], outputs: ['y'] },
	];
	assert.deepEqual(await verdict(computed), [
		'unmatched',
		'The deployed model still has the layer as BatchNormalization',
	]);
});
