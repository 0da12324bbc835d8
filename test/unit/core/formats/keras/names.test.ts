import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CheckpointLayer } from '../../../../../src/core/formats/checkpoint.js';
import { buildZip } from '../../../support/checkpoint-builder.js';
import { checkpointBytes, openBytes, values } from '../../../support/checkpoints.js';
import { buildHdf5, type DatasetSpec, type GroupSpec } from '../../../support/hdf5-builder.js';
import {
	describeFronts,
	kerasParameters,
	kerasTruth,
	parametersOf,
	unzippedBytes,
} from '../../../support/keras-files.js';

async function expectTruth(layers: readonly CheckpointLayer[], name: string): Promise<void> {
	const truth = new Map(kerasTruth(name).map((layer) => [layer.name, layer]));
	assert.equal(layers.length, truth.size);
	for (const layer of layers) {
		const expected = truth.get(layer.name.replace(/^.*\//, ''));
		assert.ok(expected, layer.name);
		assert.deepEqual(await kerasParameters(layer), parametersOf(expected));
		assert.equal(layer.epsilon ?? expected.epsilon, expected.epsilon);
	}
}

/** Layers of a Functional model inside of another, a Sequential inside, a separable and a grouped convolution, Dropout. */
const NESTED = [
	'backbone/stem_bn < backbone/stem (backbone/stem/kernel [6,4,3,3]@0)',
	'backbone/sep_bn < backbone/dropout (backbone/sep/pointwise_kernel [5,6,1,1]@0+b)',
	'mid < backbone/sep_bn ()',
	'head/act_bn < head/act ()',
	'head/grouped_bn < head/grouped (head/grouped/kernel [8,2,3,3]@0+b)',
];

test('nested models in the old format are read in the order of execution, with their connections', async () => {
	const { layers } = await openBytes(unzippedBytes('knested.h5'));
	assert.deepEqual(describeFronts(layers), NESTED);
	await expectTruth(layers, 'knested');
});

test('nested models in an archive have the same layers', async () => {
	const { layers, notes } = await openBytes(checkpointBytes('knested.keras'));
	assert.deepEqual(describeFronts(layers), NESTED);
	assert.deepEqual(notes, []);
	await expectTruth(layers, 'knested');
});

test('nested models without a configuration have the same names; values tell gamma from beta', async () => {
	const { layers, notes } = await openBytes(unzippedBytes('knested.weights.h5'));
	assert.deepEqual(
		layers.map(({ name }) => name),
		['backbone/stem_bn', 'backbone/sep_bn', 'mid', 'head/act_bn', 'head/grouped_bn'],
	);
	await expectTruth(layers, 'knested');
	assert.ok(notes.includes('"backbone/sep_bn" has three unnamed variables; by its values the first is beta.'));
	assert.ok(notes.includes('"head/grouped_bn" has three unnamed variables; by its values the first is gamma.'));
});

test('a subclassed model names its layers by attributes, and pairs them by name', async () => {
	const { layers, order } = await openBytes(unzippedBytes('ksub.weights.h5'));
	assert.equal(order, 'names');
	const bn1 = layers.find(({ name }) => name === 'bn1');
	assert.equal(bn1?.front[0]?.weight.name, 'conv1/kernel');
	const truth = kerasTruth('ksub')[0];
	assert.ok(bn1 && truth);
	assert.deepEqual(await kerasParameters(bn1), parametersOf(truth));
});

for (const file of ['kbfloat.h5', 'kbfloat.weights.h5']) {
	test(`${file}: bfloat16, which h5py writes as opaque bytes, is read`, async () => {
		const { layers } = await openBytes(unzippedBytes(file));
		assert.equal(layers[0]?.mean.dtype, 'bfloat16');
		await expectTruth(layers, 'kbfloat');
	});
}

function vector(...numbers: readonly number[]): DatasetSpec {
	return { dims: [numbers.length], values: numbers };
}

function array(...dims: readonly number[]): DatasetSpec {
	const count = dims.reduce((product, dim) => product * dim, 1);
	return { dims, values: Array.from({ length: count }, (_, index) => index) };
}

/** A layer of the old format: TensorFlow appends ":0" to the names of its variables. */
function legacyLayer(scope: string, variables: Readonly<Record<string, DatasetSpec>>): GroupSpec {
	const children = Object.fromEntries(Object.entries(variables).map(([name, spec]) => [`${name}:0`, spec]));
	const nested = scope
		.split('/')
		.reduceRight<GroupSpec>((inner, segment) => ({ children: { [segment]: inner } }), { children });
	return { ...nested, attributes: { weight_names: Object.keys(children).map((name) => `${scope}/${name}`) } };
}

const NORMALIZATION = {
	gamma: vector(1, 2),
	beta: vector(0, 1),
	moving_mean: vector(3, 4),
	moving_variance: vector(5, 6),
};

test('weights of Keras 2 without a configuration are named by their attributes', async () => {
	const bytes = buildHdf5({
		attributes: { layer_names: ['input_1', 'conv', 'bn', 'net'], backend: 'tensorflow', keras_version: '2.9.0' },
		children: {
			bn: legacyLayer('bn', NORMALIZATION),
			conv: legacyLayer('conv', { kernel: array(3, 3, 4, 2), bias: vector(7, 8) }),
			input_1: { attributes: { weight_names: [] } },
			net: {
				children: {
					dw: { children: { 'depthwise_kernel:0': array(3, 3, 2, 1) } },
					bn_2: { children: Object.fromEntries(Object.entries(NORMALIZATION).map(([k, v]) => [`${k}:0`, v])) },
				},
				attributes: {
					weight_names: ['dw/depthwise_kernel:0', ...Object.keys(NORMALIZATION).map((name) => `bn_2/${name}:0`)],
				},
			},
		},
	});
	const { layers, order, metadata } = await openBytes(bytes);
	assert.equal(order, 'definition');
	assert.equal(metadata.get('keras_version'), '2.9.0');
	assert.deepEqual(describeFronts(layers), [
		'bn < ? (conv/kernel [2,4,3,3]@0+b)',
		'net/bn_2 < ? (net/dw/depthwise_kernel [2,1,3,3]@0 | conv/kernel [2,4,3,3]@0+b)',
	]);
	assert.deepEqual(layers[0] && (await kerasParameters(layers[0])), {
		gamma: [1, 2],
		beta: [0, 1],
		mean: [3, 4],
		variance: [5, 6],
	});
});

function layerConfig(className: string, name: string, inputs: readonly string[], config: object = {}): object {
	const inbound = inputs.length > 0 ? [inputs.map((input) => [input, 0, 0, {}])] : [];
	return { class_name: className, name, config: { name, ...config }, inbound_nodes: inbound };
}

/** Configuration of Keras 2: two branches, a convolution with an activation, and one convolution that two layers take. */
const CONFIG = {
	class_name: 'Functional',
	config: {
		name: 'model',
		layers: [
			layerConfig('InputLayer', 'in', []),
			layerConfig('Conv2D', 'a', ['in'], { activation: 'linear', groups: 1 }),
			layerConfig('SpatialDropout2D', 'drop', ['a']),
			layerConfig('BatchNormalization', 'bn_a', ['drop'], { epsilon: 0.01, momentum: 0.9, axis: [3] }),
			layerConfig('Conv2DTranspose', 'b', ['bn_a'], { activation: null }),
			layerConfig('Activation', 'none', ['b'], { activation: 'linear' }),
			layerConfig('BatchNormalization', 'bn_b', ['none'], { epsilon: 0.02, scale: false, center: false }),
			layerConfig('Add', 'add', ['bn_a', 'bn_b']),
			layerConfig('BatchNormalization', 'bn_c', ['add'], { epsilon: 0.03, center: false }),
		],
		input_layers: [['in', 0, 0]],
		output_layers: [['bn_c', 0, 0]],
	},
};

const CONFIGURED = ['bn_a < drop (a/kernel [2,4,3,3]@0+b)', 'bn_b < none (b/kernel [2,2,3,3]@1)', 'bn_c < add ()'];

test('the configuration of Keras 2 states connections, epsilon and momentum', async () => {
	const bytes = buildHdf5({
		attributes: { model_config: JSON.stringify(CONFIG), keras_version: '2.15.0' },
		children: {
			model_weights: {
				attributes: { layer_names0: ['in', 'a', 'bn_a'], layer_names1: ['b', 'bn_b', 'bn_c'] },
				children: {
					a: legacyLayer('a', { kernel: array(3, 3, 4, 2), bias: vector(7, 8) }),
					b: legacyLayer('b', { kernel: array(3, 3, 2, 2) }),
					bn_a: legacyLayer('bn_a', NORMALIZATION),
					bn_b: legacyLayer('bn_b', { moving_mean: vector(1, 2), moving_variance: vector(3, 4) }),
					bn_c: legacyLayer('scope/bn_c_1', {
						gamma: vector(1, 1),
						moving_mean: vector(1, 2),
						moving_variance: vector(3, 4),
					}),
				},
			},
			optimizer_weights: { children: { m: vector(1) } },
		},
	});
	const { layers, modules, tensors } = await openBytes(bytes);
	assert.deepEqual(describeFronts(layers), CONFIGURED);
	assert.deepEqual(
		layers.map(({ epsilon }) => epsilon),
		[0.01, 0.02, 0.03],
	);
	assert.equal(modules.find(({ name }) => name === 'bn_a')?.settings.get('momentum'), 0.9);
	assert.ok(tensors.every(({ name }) => !name.includes('optimizer')));
});

function numbered(...variables: readonly DatasetSpec[]): GroupSpec {
	return {
		children: { vars: { children: Object.fromEntries(variables.map((spec, index) => [String(index), spec])) } },
	};
}

const { gamma, beta, moving_mean: mean, moving_variance: variance } = NORMALIZATION;

/** Layers as versions of Keras 3 before 3.4 store them: numbered within each class, without the layers' names. */
const NUMBERED: Readonly<Record<string, GroupSpec>> = {
	conv2d: numbered(array(3, 3, 4, 2), vector(7, 8)),
	batch_normalization: numbered(gamma, beta, mean, variance),
	conv2d_transpose: numbered(array(3, 3, 2, 2)),
	batch_normalization_1: numbered(vector(1, 2), vector(3, 4)),
	batch_normalization_2: numbered(vector(1, 1), mean, variance),
};

for (const container of ['layers', '_layer_checkpoint_dependencies']) {
	test(`an archive without names in "${container}" is named by its configuration`, async () => {
		const h5 = buildHdf5({ children: { [container]: { children: NUMBERED }, optimizer: numbered(vector(1)) } });
		const { layers } = await openBytes(
			buildZip({
				entries: [
					{ name: 'metadata.json' },
					{ name: 'config.json', data: new TextEncoder().encode(JSON.stringify(CONFIG)) },
					{ name: 'model.weights.h5', data: h5 },
				],
			}),
		);
		assert.deepEqual(describeFronts(layers), CONFIGURED);
		assert.deepEqual(await Promise.all(layers.map(({ variance: tensor }) => values(tensor))), [
			[5, 6],
			[3, 4],
			[5, 6],
		]);
	});
}

test('layers under names of a user are recognized by shapes and by a variance that is not negative', async () => {
	const bytes = buildHdf5({
		children: {
			first: numbered(array(3, 3, 4, 2)),
			after_first: numbered(gamma, beta, mean, variance),
			layer_norm: numbered(vector(1, 1), vector(0, 0)),
			my_bn: numbered(mean, variance),
			other: numbered(gamma, beta, mean, vector(1, -1)),
			second_norm: numbered(vector(0, 0), mean, variance),
		},
	});
	const { layers, notes } = await openBytes(bytes);
	assert.deepEqual(
		layers.map((layer) => [layer.name, layer.gamma !== undefined, layer.beta !== undefined]),
		[
			['after_first', true, true],
			['my_bn', false, false],
			['second_norm', false, true],
		],
	);
	assert.ok(notes.includes('"after_first" was read as a batch normalization, because its variables fit one.'));
});
