import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Affine, affine } from '../../../../../src/core/batchnorm/affine.js';
import {
	compareBytes,
	type Deployment,
	deployedModel,
	drawNetwork,
	mapOf,
	type NormValues,
	type SequentialNetwork,
	type Step,
	sortedFile,
	stateDictOf,
	type Training,
	torchFile,
	wrongLayers,
} from '../../../support/sequential.js';

async function wrongBeside(network: SequentialNetwork, deployment: Deployment, order?: readonly string[]) {
	return wrongLayers(await compareBytes(torchFile(stateDictOf(network, order)), deployedModel(network, deployment)));
}

function normOf({ norms }: SequentialNetwork, name: string): NormValues {
	const norm = norms.get(name);
	assert.ok(norm);
	return norm;
}

const ones = (values: Float64Array): Float64Array => new Float64Array(values.length).fill(1);
const zeros = (values: Float64Array): Float64Array => new Float64Array(values.length);
const identity = ({ gamma }: NormValues): Affine => ({ scale: ones(gamma), shift: zeros(gamma) });

/** Errors of a fold by their cause. */
const FAULTS: Readonly<Record<string, (norm: NormValues) => Affine>> = {
	'gamma-dropped': ({ beta, gamma, mean, variance, epsilon }) => affine(ones(gamma), beta, mean, variance, epsilon),
	'missing-sqrt': ({ beta, gamma, mean, variance, epsilon }) =>
		affine(
			gamma,
			beta,
			mean,
			variance.map((value) => (value + epsilon) ** 2 - epsilon),
			epsilon,
		),
	'weights-not-folded': (norm) => ({ scale: ones(norm.gamma), shift: mapOf(norm).shift }),
	'initial-statistics': ({ beta, gamma, mean, epsilon }) => affine(gamma, beta, zeros(mean), ones(gamma), epsilon),
};

const CHAINS: readonly Step[] = [
	{ conv: 'conv1', from: 12, to: 12, bias: true },
	{ norm: 'bn1' },
	{ norm: 'bn2' },
	'Relu',
	{ conv: 'conv2', from: 12, to: 12 },
	{ norm: 'bn3' },
	{ norm: 'bn4' },
	{ norm: 'bn5' },
	'Relu',
	{ conv: 'conv3', from: 12, to: 10, bias: true },
	{ norm: 'bn6' },
];

for (const training of ['trained', 'begun'] satisfies Training[]) {
	test(`${training}: one of several layers in a row with an error of the catalogue is named, and no other`, async () => {
		const network = drawNetwork(CHAINS, 3, training);
		for (const [index, [cause, mapWith]] of Object.entries(FAULTS).entries()) {
			const name = `bn${1 + ((index + (training === 'begun' ? 2 : 0)) % 5)}`;
			const maps = { [name]: mapWith(normOf(network, name)) };
			assert.deepEqual(await wrongBeside(network, { maps }), [[name, 'mismatch', cause]]);
		}
	});

	test(`${training}: one of several layers in a row that was lost is named`, async () => {
		const network = drawNetwork(CHAINS, 4, training);
		for (const name of ['bn1', 'bn2', 'bn3', 'bn4', 'bn5']) {
			const found = await wrongBeside(network, { maps: { [name]: identity(normOf(network, name)) } });
			assert.deepEqual(found, [[name, 'mismatch', 'weights-not-folded']]);
		}
	});
}

test('layers in a row arrive if they were never trained, and if the file sorts its names', async () => {
	const fresh = drawNetwork(CHAINS, 5, 'new');
	assert.deepEqual(await wrongBeside(fresh, {}), []);
	const network = drawNetwork(CHAINS, 6);
	const comparison = await compareBytes(sortedFile(stateDictOf(network)), deployedModel(network));
	assert.deepEqual(wrongLayers(comparison), []);
});

/** Lists of modules, one of layers and one of convolutions: the file shows no neighbors. */
const LISTS: readonly Step[] = [0, 1, 2, 3].flatMap((index): Step[] => [
	{ conv: `convs.${index}`, from: index === 0 ? 3 : 8, to: 8, kernel: 3, bias: index % 2 === 0 },
	{ norm: `bns.${index}` },
	'Relu',
]);
const LIST_ORDER = [...['bns', 'convs'].flatMap((list) => [0, 1, 2, 3].map((index) => `${list}.${index}`))];

test('a wrong or lost layer of a list that the file names before the convolutions is named', async () => {
	const network = drawNetwork(LISTS, 7);
	assert.deepEqual(await wrongBeside(network, {}, LIST_ORDER), []);
	for (const [index, [cause, mapWith]] of Object.entries({ ...FAULTS, 'weights-not-folded ': identity }).entries()) {
		const name = `bns.${index % 4}`;
		const found = await wrongBeside(network, { maps: { [name]: mapWith(normOf(network, name)) } }, LIST_ORDER);
		assert.deepEqual(
			found.map(([layer, status]) => [layer, status]),
			[[name, 'mismatch']],
			cause,
		);
	}
});

test('a hardly trained layer with an error is not taken for right in front of an operator without a layer', async () => {
	const steps: readonly Step[] = [
		{ conv: 'a', from: 8, to: 8, kernel: 3 },
		{ norm: 'norm1' },
		'Relu',
		{ conv: 'b', from: 8, to: 8, kernel: 3 },
		{ norm: 'norm2' },
		'Relu',
		{ conv: 'head', from: 8, to: 8, kernel: 3, bias: true },
	];
	const network = drawNetwork(steps, 8, 'begun');
	for (const [cause, mapWith] of Object.entries(FAULTS)) {
		const comparison = await compareBytes(
			torchFile(stateDictOf(network)),
			deployedModel(network, { maps: { norm2: mapWith(normOf(network, 'norm2')) } }),
		);
		assert.deepEqual(wrongLayers(comparison), [['norm2', 'mismatch', cause]]);
		assert.equal(comparison.operators, undefined);
	}
});

/** A layer in front of a padded convolution, which no exporter folds: the deployed model of the tests lost it. */
const PRE_NORM: readonly Step[] = [
	{ conv: 'stem', from: 3, to: 8, kernel: 3, bias: true },
	{ norm: 'norm0' },
	'Relu',
	{ norm: 'lost' },
	{ conv: 'body', from: 8, to: 16, kernel: 3, pad: 1 },
	{ norm: 'norm1' },
	'Relu',
	{ conv: 'head', from: 16, to: 4, bias: true },
];

test('a layer that is gone while its neighbors arrived was lost', async () => {
	const network = drawNetwork(PRE_NORM, 9);
	const found = await wrongBeside(network, {});
	assert.deepEqual(found, [['lost', 'mismatch', 'weights-not-folded']]);
});

test('an unused layer, and a layer of a part that was cut off, are no loss', async () => {
	const used = drawNetwork(PRE_NORM, 10);
	const norm = normOf(used, 'lost');
	const unused = { ...norm, mean: zeros(norm.mean), variance: ones(norm.variance) };
	const network = { ...used, norms: new Map([...used.norms, ['lost', unused] as const]) };
	assert.deepEqual(await wrongBeside(network, {}), [['lost', 'unmatched', null]]);
	const tail: readonly Step[] = [...PRE_NORM.slice(0, 3), { norm: 'neck' }, { conv: 'classifier', from: 8, to: 9 }];
	const whole = drawNetwork(tail, 11);
	const cut = { ...whole, steps: tail.slice(0, 3) };
	const comparison = await compareBytes(torchFile(stateDictOf(whole)), deployedModel(cut));
	assert.deepEqual(wrongLayers(comparison), [['neck', 'unmatched', null]]);
});

const plain = (epsilons: readonly number[]): readonly Step[] =>
	epsilons.flatMap((epsilon, index): Step[] => [
		{ conv: `conv${index}`, from: 8, to: 8, kernel: 3 },
		{ norm: `bn${index}`, epsilon },
		'Relu',
	]);

test('layers at the end with an epsilon of their own are right, a layer in the middle is at odds', async () => {
	const verdict = async (epsilons: readonly number[]) => wrongBeside(drawNetwork(plain(epsilons), 12), {});
	assert.deepEqual(await verdict([1e-5, 1e-3, 1e-5, 1e-5]), [['bn1', 'mismatch', 'wrong-epsilon']]);
	assert.deepEqual(await verdict([1e-5, 1e-5, 1e-3]), []);
	assert.deepEqual(await verdict([1e-5, 1e-5, 1e-5, 1e-3, 1e-3]), []);
	assert.deepEqual(await verdict([1e-3, 1e-3, 1e-3, 1e-5]), []);
});
