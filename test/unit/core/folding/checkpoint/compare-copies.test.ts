import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparisonStatus } from '../../../../../src/cli/exit.js';
import { affine } from '../../../../../src/core/batchnorm/affine.js';
import { Graph, modelBytes, scaleRows, type Weight } from '../../../support/deployed-forms.js';
import { buildModel, type TensorSpec } from '../../../support/model-builder.js';
import {
	compareBytes,
	deployedModel,
	drawNetwork,
	mapOf,
	type NormValues,
	type Step,
	stateDictOf,
	torchFile,
	wrongLayers,
} from '../../../support/sequential.js';

const C = 8;
/** A convolution that a model applies to two tensors, with a layer of its own behind each. */
const STEPS: readonly Step[] = [{ conv: 'conv', from: C, to: C, kernel: 3 }, { norm: 'first' }, { norm: 'second' }];

const network = drawNetwork(STEPS, 3);
const checkpoint = torchFile(stateDictOf(network));
const weight: Weight = { dims: [C, C, 3, 3], values: network.convs.get('conv')?.weight ?? new Float64Array() };
const normOf = (name: string): NormValues => {
	const norm = network.norms.get(name);
	assert.ok(norm);
	return norm;
};

/** Returns a model with a fold of the convolution for each map. */
function deployedWith(maps: readonly { readonly scale: Float64Array; readonly shift: Float64Array }[]): Uint8Array {
	const graph = new Graph('t');
	const ends = maps.map(({ scale, shift }) => graph.relu(graph.conv('x', scaleRows(weight, scale), shift)));
	const spec = graph.finish(graph.node('Concat', ends, { axis: { i: 1 } }));
	return modelBytes({ ...spec, inputs: [{ name: 'x', shape: [1, C, 8, 8] }] });
}

test('a convolution with several layers of its own is folded into a copy for each', async () => {
	for (const names of [
		['first', 'second'],
		['second', 'first'],
	]) {
		const found = await compareBytes(checkpoint, deployedWith(names.map((name) => mapOf(normOf(name)))));
		assert.deepEqual([wrongLayers(found), found.operators, comparisonStatus(found, 'error')], [[], undefined, 0]);
	}
});

test('a wrong fold into a copy of the convolution has its name', async () => {
	for (const [index, name] of ['first', 'second'].entries()) {
		const { beta, mean, variance, epsilon } = normOf(name);
		const wrong = affine(new Float64Array(C).fill(1), beta, mean, variance, epsilon);
		const maps = ['first', 'second'].map((each, at) => (at === index ? wrong : mapOf(normOf(each))));
		const found = await compareBytes(checkpoint, deployedWith(maps));
		assert.deepEqual(wrongLayers(found), [[name, 'mismatch', 'gamma-dropped']]);
	}
});

test('a model that applies a convolution and its layer twice has two equal folds', async () => {
	const single = torchFile(stateDictOf({ ...network, steps: STEPS.slice(0, 2) }));
	const right = mapOf(normOf('first'));
	const same = await compareBytes(single, deployedWith([right, right]));
	assert.deepEqual([wrongLayers(same), same.operators], [[], undefined]);
	const shift = right.shift.map((value, channel) => (channel === 2 ? value + 0.01 : value));
	const other = await compareBytes(single, deployedWith([right, { ...right, shift }]));
	assert.equal(comparisonStatus(other, 'error'), 1);
	assert.match(JSON.stringify([other.operators, other.layers]), /applied several times|bias/);
});

test('kept layers of one size under the name of each other were exchanged', async () => {
	const tensors = (name: string, values: NormValues): TensorSpec[] => {
		const leaves = { weight: values.gamma, bias: values.beta, running_mean: values.mean, running_var: values.variance };
		return Object.entries(leaves).map(([leaf, numbers]) => {
			return { name: `${name}.${leaf}`, dims: [C], values: [...numbers] };
		});
	};
	const model = (values: Readonly<Record<string, NormValues>>) =>
		buildModel({
			graph: {
				nodes: ['first', 'second'].flatMap((name, index) => [
					{ op: 'Relu', inputs: [index === 0 ? 'x' : 'y0'], outputs: [`r${index}`] },
					{
						op: 'BatchNormalization',
						inputs: [
							`r${index}`,
							...['weight', 'bias', 'running_mean', 'running_var'].map((leaf) => `${name}.${leaf}`),
						],
						outputs: [`y${index}`],
					},
				]),
				initializers: Object.entries(values).flatMap(([name, norm]) => tensors(name, norm)),
				inputs: [{ name: 'x', shape: [1, C, 8, 8] }],
				outputs: ['y1'],
			},
		});
	const file = torchFile(stateDictOf({ ...network, steps: STEPS.slice(1) }));
	const [first, second] = [normOf('first'), normOf('second')];
	assert.deepEqual(wrongLayers(await compareBytes(file, model({ first, second }))), []);
	assert.deepEqual(wrongLayers(await compareBytes(file, model({ first: second, second: first }))), [
		['first', 'mismatch', 'layers-exchanged'],
		['second', 'mismatch', 'layers-exchanged'],
	]);
});

test('folded layers of one size behind the convolution of each other were exchanged', async () => {
	const steps: readonly Step[] = [
		{ conv: 'conv0', from: 3, to: C, kernel: 3 },
		{ norm: 'bn0' },
		'Relu',
		{ conv: 'conv1', from: C, to: C, kernel: 3 },
		{ norm: 'bn1' },
		'Relu',
		{ conv: 'head', from: C, to: 5, bias: true },
	];
	const drawn = drawNetwork(steps, 12);
	const [bn0, bn1] = ['bn0', 'bn1'].map((name) => mapOf(drawn.norms.get(name) ?? normOf('first')));
	for (const [maps, expected] of [
		[{ bn0, bn1 }, []],
		[
			{ bn0: bn1, bn1: bn0 },
			[
				['bn0', 'mismatch', 'layers-exchanged'],
				['bn1', 'mismatch', 'layers-exchanged'],
			],
		],
	] as const) {
		const found = await compareBytes(torchFile(stateDictOf(drawn)), deployedModel(drawn, { maps }));
		assert.deepEqual(wrongLayers(found), expected);
	}
});
