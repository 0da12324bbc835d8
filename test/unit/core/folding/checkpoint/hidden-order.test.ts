import assert from 'node:assert/strict';
import { test } from 'node:test';
import { affine } from '../../../../../src/core/batchnorm/affine.js';
import { compareCheckpointNetworks } from '../../../../../src/core/folding/checkpoint/compare-checkpoint.js';
import { openCheckpoint } from '../../../../../src/core/formats/open.js';
import { memorySource } from '../../../../../src/core/onnx/source.js';
import { inflate } from '../../../../../src/platform/inflate.js';
import { buildModel } from '../../../support/model-builder.js';
import { openBytes } from '../../../support/open.js';
import {
	compareBytes,
	type Deployment,
	deployedModel,
	drawNetwork,
	type FoldedConv,
	type SequentialNetwork,
	type Step,
	sortedFile,
	stateDictOf,
	torchFile,
	wrongLayers,
} from '../../../support/sequential.js';

const C = 8;
const ORDER = [3, 0, 2, 7, 1, 6, 4, 5];

/** Three hidden tensors, the second behind a depthwise convolution and a PRelu. */
const STEPS: readonly Step[] = [
	{ conv: 'conv0', from: 3, to: C, kernel: 3, bias: true },
	{ norm: 'bn0' },
	'Relu',
	{ conv: 'conv1', from: C, to: C, kernel: 3 },
	{ norm: 'bn1' },
	{ prelu: 'act' },
	{ conv: 'depthwise', from: C, to: C, kernel: 3, group: C },
	{ norm: 'bn2' },
	'Relu',
	{ conv: 'conv3', from: C, to: C, kernel: 1 },
	{ norm: 'bn3' },
	'Relu',
	{ conv: 'head', from: C, to: 5, bias: true },
];

/** Reorders rows. Row r of the result is row ORDER[r]. */
function moveRows({ weight, bias }: FoldedConv): void {
	const [rows, old] = [weight.slice(), bias.slice()];
	const length = weight.length / bias.length;
	ORDER.forEach((from, row) => {
		weight.set(rows.subarray(from * length, (from + 1) * length), row * length);
		bias[row] = old[from];
	});
}

/** Reorders the input channels of a convolution without groups in the same way. */
function moveColumns({ weight, bias }: FoldedConv): void {
	const old = weight.slice();
	const inner = weight.length / bias.length / C;
	for (let row = 0; row < bias.length; row++) {
		ORDER.forEach((from, column) => {
			const at = (channel: number) => (row * C + channel) * inner;
			weight.set(old.subarray(at(from), at(from) + inner), at(column));
		});
	}
}

/** Moves the channels between the first two convolutions, and those around the depthwise convolution. */
function moveHidden([conv0, conv1, depthwise, conv3]: readonly FoldedConv[]): void {
	for (const conv of [conv0, conv1, depthwise].flatMap((each) => each ?? [])) {
		moveRows(conv);
	}
	for (const conv of [conv1, conv3].flatMap((each) => each ?? [])) {
		moveColumns(conv);
	}
}

const movedSlopes = ({ slopes }: SequentialNetwork) => ({
	act: Float64Array.from(ORDER, (from) => slopes.get('act')?.[from] ?? 0),
});

const compare = (network: SequentialNetwork, deployment: Deployment) =>
	compareBytes(torchFile(stateDictOf(network)), deployedModel(network, deployment));

test('hidden channels in another order that the operators behind follow are right', async () => {
	const network = drawNetwork(STEPS, 1);
	for (const file of [torchFile, sortedFile]) {
		const deployed = deployedModel(network, { change: moveHidden, slopes: movedSlopes(network) });
		const comparison = await compareBytes(file(stateDictOf(network)), deployed);
		assert.deepEqual([wrongLayers(comparison), comparison.operators], [[], undefined]);
		const moved = comparison.layers.filter(({ evidence }) => /hidden channels are permuted, and each/.test(evidence));
		assert.deepEqual(moved.map(({ name }) => name).sort(), ['bn0', 'bn1', 'bn2']);
		assert.match(comparison.notes.join(' '), /hidden channels of 3 operators in another order/);
	}
});

test('an error beside hidden channels in another order has its name', async () => {
	const network = drawNetwork(STEPS, 2);
	const norm = network.norms.get('bn1');
	assert.ok(norm);
	const { beta, mean, variance, epsilon } = norm;
	const maps = { bn1: affine(new Float64Array(C).fill(1), beta, mean, variance, epsilon) };
	const comparison = await compare(network, { maps, change: moveHidden, slopes: movedSlopes(network) });
	assert.deepEqual(wrongLayers(comparison), [['bn1', 'mismatch', 'gamma-dropped']]);
});

test('rows in another order are wrong if the operator behind reads them in the order of the checkpoint', async () => {
	const change = ([conv0]: readonly FoldedConv[]) => conv0 && moveRows(conv0);
	const comparison = await compare(drawNetwork(STEPS, 3), { change });
	assert.deepEqual(wrongLayers(comparison), [['bn0', 'mismatch', 'channels-permuted']]);
	const [first] = comparison.layers;
	assert.ok(first && first.confidence > 0.9);
	assert.match(first.evidence, /The operator behind reads them in the checkpoint's order\.$/);
});

test('outputs of the model in another order are wrong', async () => {
	const network = drawNetwork(STEPS.slice(0, 5), 4);
	const change = ([, conv1]: readonly FoldedConv[]) => conv1 && moveRows(conv1);
	assert.deepEqual(wrongLayers(await compare(network, { change })), [['bn1', 'mismatch', 'channels-permuted']]);
});

test('slopes that stay in the order of the checkpoint leave the order in doubt', async () => {
	const found = await compare(drawNetwork(STEPS, 5), { change: moveHidden });
	assert.deepEqual(
		wrongLayers(found).map(([name, status]) => [name, status]),
		['bn0', 'bn1', 'bn2', 'bn3'].map((name) => [name, 'mismatch']),
	);
	assert.ok(found.layers.every(({ confidence }) => confidence <= 0.5));
});

test('a kept layer in the order of the rows in front of it is in doubt', async () => {
	const network = drawNetwork(
		[
			{ conv: 'conv0', from: 3, to: C, kernel: 3 },
			{ norm: 'bn0' },
			'Relu',
			{ conv: 'head', from: C, to: 5, bias: true },
		],
		7,
	);
	const [conv, head, norm] = [network.convs.get('conv0'), network.convs.get('head'), network.norms.get('bn0')];
	assert.ok(conv && head && norm);
	const model = (rows: readonly number[]) => {
		const moved = (values: Float64Array) => ORDER.map((from) => values[from] ?? 0);
		const weight = rows.flatMap((from) => [...conv.weight.subarray(from * 27, (from + 1) * 27)]);
		const parameters = { gamma: norm.gamma, beta: norm.beta, mean: norm.mean, variance: norm.variance };
		return buildModel({
			graph: {
				nodes: [
					{ op: 'Conv', inputs: ['x', 'w0'], outputs: ['c0'] },
					{ op: 'BatchNormalization', inputs: ['c0', ...Object.keys(parameters)], outputs: ['y0'] },
					{ op: 'Relu', inputs: ['y0'], outputs: ['r0'] },
					{ op: 'Conv', inputs: ['r0', 'w1', 'b1'], outputs: ['y'] },
				],
				initializers: [
					{ name: 'w0', dims: [C, 3, 3, 3], values: weight },
					{ name: 'w1', dims: [5, C, 1, 1], values: [...head.weight] },
					{ name: 'b1', dims: [5], values: [...(head.bias ?? [])] },
					...Object.entries(parameters).map(([name, values]) => ({ name, dims: [C], values: moved(values) })),
				],
				inputs: [{ name: 'x', shape: [1, 3, 16, 16] }],
				outputs: ['y'],
			},
		});
	};
	const file = torchFile(stateDictOf(network));
	const [together] = (await compareBytes(file, model(ORDER))).layers;
	assert.equal(together?.cause, 'parameters-permuted');
	assert.ok((together?.confidence ?? 1) <= 0.5);
	assert.match(together?.evidence ?? '', /in front stand in another order as well/);
	const [alone] = (await compareBytes(file, model([0, 1, 2, 3, 4, 5, 6, 7]))).layers;
	assert.equal(alone?.cause, 'parameters-permuted');
	assert.ok((alone?.confidence ?? 0) > 0.9);
});

test('a model in the order of the checkpoint has no places in its file, so that no repair edits it', async () => {
	const network = drawNetwork(STEPS, 6);
	const source = memorySource(torchFile(stateDictOf(network)), 'original.pth');
	const { model, source: file } = await openBytes(
		deployedModel(network, { change: moveHidden, slopes: movedSlopes(network) }),
	);
	const { models } = await compareCheckpointNetworks(
		{ checkpoint: await openCheckpoint(source, { inflate }), access: { source } },
		{ model, access: { source: file } },
	);
	assert.ok(model.graph.spans);
	assert.equal(models.deployed.model.graph.spans, undefined);
});
