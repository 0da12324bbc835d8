import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Affine, affine } from '../../../../../src/core/batchnorm/affine.js';
import { compareCheckpoint } from '../../../../../src/core/folding/checkpoint/compare-checkpoint.js';
import { listWrongMaps } from '../../../../../src/core/folding/compare/forward-faults.js';
import { openCheckpoint } from '../../../../../src/core/formats/open.js';
import { memorySource } from '../../../../../src/core/onnx/source.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import { inflate } from '../../../../../src/platform/inflate.js';
import { buildModel, type NodeSpec, type TensorSpec } from '../../../support/model-builder.js';
import { openBytes } from '../../../support/open.js';
import { type Code, orderedDict, tensor, torchZip } from '../../../support/pickle-builder.js';
import {
	compareBytes,
	deployedModel,
	drawNetwork,
	type Step,
	stateDictOf,
	torchFile,
	wrongLayers,
} from '../../../support/sequential.js';

const EPSILON = Math.fround(1e-5);
const C = 8;
const KERNEL = 9;

interface Layer {
	readonly gamma: Float64Array;
	readonly beta: Float64Array;
	readonly mean: Float64Array;
	readonly variance: Float64Array;
	readonly epsilon: number;
}

interface Weight {
	readonly values: Float64Array;
	readonly bias: Float64Array;
}

/** Layers of a network: first -> conv0 -> Relu -> conv1 -> second -> third -> Relu -> fourth -> conv2. */
const LAYERS = ['first', 'second', 'third', 'fourth'] as const;
type Name = (typeof LAYERS)[number];

function network(seed: number) {
	const random = seededRandom(seed);
	const draw = (length: number, of: () => number) => Float64Array.from({ length }, () => Math.fround(of()));
	const layer = (): Layer => ({
		gamma: draw(C, () => (random.uniform() < 0.3 ? -1 : 1) * (0.4 + random.uniform())),
		beta: draw(C, () => 0.5 * random.normal()),
		mean: draw(C, () => 0.5 * random.normal()),
		variance: draw(C, () => 0.02 + random.uniform()),
		epsilon: EPSILON,
	});
	const weight = (): Weight => ({
		values: draw(C * C * KERNEL, () => 0.3 * random.normal()),
		bias: draw(C, () => random.normal()),
	});
	return {
		layers: { first: layer(), second: layer(), third: layer(), fourth: layer() },
		weights: [weight(), weight(), weight()] as const,
	};
}

type Network = ReturnType<typeof network>;

function checkpointOf({ layers, weights }: Network): Uint8Array {
	const entries: Record<string, Code> = {};
	const storages: Record<string, Uint8Array> = {};
	const add = (name: string, values: Float64Array, size: readonly number[]) => {
		const key = String(Object.keys(storages).length);
		storages[key] = new Uint8Array(Float32Array.from(values).buffer);
		const stride = size.map((_, axis) => size.slice(axis + 1).reduce((a, b) => a * b, 1));
		entries[name] = tensor({ key, count: values.length, size, stride });
	};
	const addLayer = (name: Name) => {
		const { gamma, beta, mean, variance } = layers[name];
		const leaves = { weight: gamma, bias: beta, running_mean: mean, running_var: variance };
		for (const [leaf, values] of Object.entries(leaves)) {
			add(`${name}.${leaf}`, values, [C]);
		}
	};
	const addWeight = (index: number) => {
		add(`conv${index}.weight`, weights[index].values, [C, C, 3, 3]);
		add(`conv${index}.bias`, weights[index].bias, [C]);
	};
	addLayer('first');
	addWeight(0);
	addWeight(1);
	addLayer('second');
	addLayer('third');
	addLayer('fourth');
	addWeight(2);
	return torchZip(orderedDict(entries), storages);
}

const mapOf = ({ gamma, beta, mean, variance, epsilon }: Layer): Affine => affine(gamma, beta, mean, variance, epsilon);

const behind = ({ values, bias }: Weight, { scale, shift }: Affine): Weight => ({
	values: values.map((value, index) => value * scale[Math.floor(index / KERNEL / C)]),
	bias: bias.map((value, row) => value * scale[row] + shift[row]),
});

const inFront = ({ values, bias }: Weight, { scale, shift }: Affine): Weight => {
	const channel = (index: number) => Math.floor(index / KERNEL) % C;
	const added = bias.slice();
	values.forEach((value, index) => {
		added[Math.floor(index / KERNEL / C)] += value * shift[channel(index)];
	});
	return { values: values.map((value, index) => value * scale[channel(index)]), bias: added };
};

interface Deployment {
	readonly maps?: Partial<Record<Name, Affine>>;
	/** Gives the initializers new names, in another order. */
	readonly isRenamed?: boolean;
	/** Padding of the first convolution. */
	readonly pad?: number;
}

/** The folded network: every layer is in the convolution that reads it or feeds it. */
function deployed({ layers, weights }: Network, { maps = {}, isRenamed = false, pad = 0 }: Deployment): Uint8Array {
	const map = (name: Name) => maps[name] ?? mapOf(layers[name]);
	const [conv0, conv1, conv2] = weights;
	const folded = [
		inFront(conv0, map('first')),
		behind(behind(conv1, map('second')), map('third')),
		inFront(conv2, map('fourth')),
	];
	const nodes = folded.flatMap((_, index): NodeSpec[] => {
		const inputs = [index === 0 ? 'x' : `r${index - 1}`, `w${index}`, `b${index}`];
		const attributes = { pads: { ints: new Array<number>(4).fill(index === 0 ? pad : 0) } };
		return [
			{
				op: 'Conv',
				name: isRenamed ? `n${9 - index}` : `/conv${index}/Conv`,
				inputs,
				outputs: [`c${index}`],
				attributes,
			},
			{ op: 'Relu', inputs: [`c${index}`], outputs: [index === 2 ? 'y' : `r${index}`] },
		];
	});
	const initializers = folded.flatMap(({ values, bias }, index): TensorSpec[] => [
		{ name: `w${index}`, dims: [C, C, 3, 3], values: [...values] },
		{ name: `b${index}`, dims: [C], values: [...bias] },
	]);
	const graph = { nodes, initializers: isRenamed ? initializers.toReversed() : initializers };
	return buildModel({ graph: { ...graph, inputs: [{ name: 'x', shape: [1, C, 12, 12] }], outputs: ['y'] } });
}

async function verdicts(net: Network, deployment: Deployment) {
	const source = memorySource(checkpointOf(net), 'original.pth');
	const { model, source: deployedSource } = await openBytes(deployed(net, deployment));
	const { layers } = await compareCheckpoint(
		{ checkpoint: await openCheckpoint(source, { inflate }), access: { source } },
		{ model, access: { source: deployedSource } },
	);
	return layers.map(({ name, status, cause, confidence }) => ({ name, status, cause, confidence }));
}

for (const isRenamed of [false, true]) {
	test(`layers in front of convolutions and two in a row arrived${isRenamed ? ', with other names' : ''}`, async () => {
		for (const seed of [1, 2, 3]) {
			const found = await verdicts(network(seed), { isRenamed });
			assert.deepEqual(
				found.map(({ status, cause }) => [status, cause]),
				LAYERS.map(() => ['match', null]),
			);
		}
	});
}

test('each cause of the catalogue is named at the layer that was folded forward wrongly, and nowhere else', async () => {
	const net = network(4);
	const first = new Map(listWrongMaps(net.layers.first).map(({ cause, map }) => [cause, map]));
	assert.ok(first.size >= 19);
	for (const [cause, map] of first) {
		const found = await verdicts(net, { maps: { first: map } });
		const wrong = found.filter(({ status }) => status !== 'match');
		// Another cause may explain the same weights; then neither is certain.
		const isConfident = wrong.some(({ confidence }) => confidence > 0.9);
		assert.deepEqual(
			wrong.map(({ name, status }) => [name, status]),
			[['first', 'mismatch']],
			cause,
		);
		assert.ok(wrong[0]?.cause === cause || !isConfident, `${cause}: ${wrong[0]?.cause}`);
	}
});

test('one of two layers in a row that was folded wrongly is named', async () => {
	const net = network(5);
	const { gamma, beta, mean, variance } = net.layers.second;
	const withoutMean = affine(gamma, beta, new Float64Array(C), variance, EPSILON);
	assert.notDeepEqual(withoutMean.shift, mapOf({ ...net.layers.second, mean }).shift);
	const found = await verdicts(net, { maps: { second: withoutMean } });
	assert.deepEqual(
		found.map(({ status, cause }) => [status, cause]),
		[
			['match', null],
			['mismatch', 'mean-dropped'],
			['match', null],
			['match', null],
		],
	);
});

test('a layer folded forward into a padded convolution is wrong at the border', async () => {
	const [first, ...rest] = await verdicts(network(6), { pad: 1 });
	assert.deepEqual([first?.status, first?.cause], ['mismatch', 'forward-fold-padding']);
	assert.ok(rest.every(({ status }) => status === 'match'));
});

test('a layer folded forward into a depthwise convolution arrived, and an error in it is found', async () => {
	const steps: readonly Step[] = [
		{ conv: 'conv0', from: 3, to: C, kernel: 3, bias: true },
		'Relu',
		{ norm: 'first' },
		{ conv: 'depthwise', from: C, to: C, kernel: 3, group: C, bias: true },
		'Relu',
		{ conv: 'head', from: C, to: C, kernel: 1, bias: true },
		{ norm: 'last' },
	];
	const net = drawNetwork(steps, 8);
	const norm = net.norms.get('first');
	assert.ok(norm);
	const deployedWith = ({ scale, shift }: Affine) =>
		deployedModel(net, {
			change: ([, depthwise]) => {
				const added = new Float64Array(C);
				depthwise?.weight.forEach((value, at) => {
					added[Math.floor(at / KERNEL)] += value * shift[Math.floor(at / KERNEL)];
				});
				depthwise?.weight.forEach((value, at) => {
					depthwise.weight[at] = value * scale[Math.floor(at / KERNEL)];
				});
				added.forEach((value, row) => {
					depthwise?.bias.set([(depthwise.bias[row] ?? 0) + value], row);
				});
			},
		});
	const verdict = async (map: Affine) =>
		wrongLayers(await compareBytes(torchFile(stateDictOf(net)), deployedWith(map)));
	assert.deepEqual(await verdict(affine(norm.gamma, norm.beta, norm.mean, norm.variance, EPSILON)), []);
	const [wrong] = await verdict(affine(norm.gamma, norm.beta, new Float64Array(C), norm.variance, EPSILON));
	assert.deepEqual(wrong?.slice(0, 2), ['first', 'mismatch']);
});
