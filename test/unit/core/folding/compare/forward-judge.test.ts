import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Comparison } from '../../../../../src/core/report/comparison/comparison.js';
import {
	C,
	compare,
	conv,
	EPSILON,
	FOLDED,
	model,
	norm,
	numbers,
	relu,
	scale,
	scaledInputs,
	scaledRows,
	shift,
	tensor,
} from '../../../support/folded-structures.js';
import type { NodeSpec } from '../../../support/model-builder.js';
import type { OpenModel } from '../../../support/open.js';

test('a layer in front of an unpadded convolution, folded forward', async () => {
	const original = [norm('x', 'n'), conv('n', 'c', ['w', 'b']), relu('c', 'y')];
	const deployed = [conv('x', 'c', ['fw', 'fb']), relu('c', 'y')];
	const sums = numbers('b').map((bias, o) =>
		numbers('w')
			.slice(o * C * 9, (o + 1) * C * 9)
			.reduce((sum, value, index) => sum + value * shift[Math.floor(index / 9)], bias),
	);
	const values = [tensor('fw', [C, C, 3, 3], scaledInputs('w', scale)), tensor('fb', [C], sums)];
	const [layer] = (await compare(model(original), model(deployed, values))).layers;
	assert.equal(layer.status, 'match');
	const padded = original.map((node) => (node.op === 'Conv' ? conv('n', 'c', ['w', 'b'], 1) : node));
	const paddedToo = deployed.map((node) => (node.op === 'Conv' ? conv('x', 'c', ['fw', 'fb'], 1) : node));
	const [wrong] = (await compare(model(padded), model(paddedToo, values))).layers;
	assert.deepEqual([wrong.status, wrong.cause], ['mismatch', 'forward-fold-padding']);
	assert.match(wrong.evidence, /at the border zeros stand where the layer's shift belongs/);
	const gone = deployed.map((node) => (node.op === 'Conv' ? conv('x', 'c', ['w', 'b']) : node));
	const [lost] = (await compare(model(original), model(gone))).layers;
	assert.deepEqual([lost.status, lost.causes.join()], ['mismatch', 'weights-not-folded,bias-not-folded']);
});

test('a layer folded forward into the convolution in front of a kept layer', async () => {
	const stayed = [norm('c', 'o'), { op: 'Add', inputs: ['c', 'o'], outputs: ['y'] }];
	const original = [norm('x', 'n'), conv('n', 'c'), ...stayed];
	const sums = numbers('b').map((bias, o) =>
		numbers('w')
			.slice(o * C * 9, (o + 1) * C * 9)
			.reduce((sum, value, index) => sum + value * shift[Math.floor(index / 9)], bias),
	);
	const values = [tensor('fw', [C, C, 3, 3], scaledInputs('w', scale)), tensor('fb', [C], sums)];
	const told = async (inputs: readonly string[]) =>
		(await compare(model(original), model([conv('x', 'c', inputs), ...stayed], values))).layers;
	assert.deepEqual(
		(await told(['fw', 'fb'])).map(({ status }) => status),
		['match', 'kept'],
	);
	const [lost, kept] = await told(['w', 'b']);
	assert.deepEqual([lost.status, lost.cause, kept.status], ['mismatch', 'weights-not-folded', 'kept']);
});

test('a layer in front and a layer behind, both folded into the same convolution', async () => {
	const original = [norm('x', 'n'), conv('n', 'c', ['w', 'b']), norm('c', 'o'), relu('o', 'y')];
	const inner = scaledInputs('w', scale);
	const sums = numbers('b').map((bias, o) =>
		numbers('w')
			.slice(o * C * 9, (o + 1) * C * 9)
			.reduce((sum, value, index) => sum + value * shift[Math.floor(index / 9)], bias),
	);
	const weight = inner.map((value, index) => value * scale[Math.floor(index / (C * 9))]);
	const bias = sums.map((value, c) => value * scale[c] + shift[c]);
	const values = [tensor('fw', [C, C, 3, 3], weight), tensor('fb', [C], bias)];
	const { layers } = await compare(model(original), model(FOLDED, values));
	assert.deepEqual(
		layers.map(({ status }) => status),
		['match', 'match'],
	);
});

/** A network with functions between the convolution and the layer, and its deployment with the layer in the convolution. */
async function foldedAcross(functions: readonly NodeSpec[], gamma: readonly number[]): Promise<Comparison> {
	const factors = gamma.map((value, c) => value / Math.sqrt(numbers('v')[c] + EPSILON));
	const bias = numbers('b').map((value, c) => (value - numbers('u')[c]) * factors[c] + numbers('t')[c]);
	const next = (input: string) => conv(input, 'y', ['w2', 'b'], 1);
	const values = [tensor('fw', [C, C, 3, 3], scaledRows('w', factors)), tensor('fb', [C], bias)];
	return compare(
		model([conv('x', 'c'), ...functions, norm('f', 'n'), next('n')], [tensor('g', [C], gamma)]),
		model([conv('x', 'c', ['fw', 'fb']), ...functions, next('f')], values),
	);
}

test('a fold across a function is named, also in front of a padded convolution', async () => {
	const mixed = [0.7, -0.4, 1.2, 0.9];
	const cases: readonly (readonly [string, readonly NodeSpec[]])[] = [
		['Relu', [relu('c', 'f')]],
		['LeakyRelu', [{ op: 'LeakyRelu', inputs: ['c'], outputs: ['f'] }]],
		['MaxPool', [{ op: 'MaxPool', inputs: ['c'], outputs: ['f'], attributes: { kernel_shape: { ints: [2, 2] } } }]],
		[
			'Sigmoid',
			[
				{ op: 'Sigmoid', inputs: ['c'], outputs: ['s'] },
				{ op: 'Mul', inputs: ['c', 's'], outputs: ['f'] },
			],
		],
		[
			'HardSigmoid and Tanh',
			[
				{ op: 'HardSigmoid', inputs: ['c'], outputs: ['s'] },
				{ op: 'Tanh', inputs: ['c'], outputs: ['t2'] },
				{ op: 'Mul', inputs: ['s', 't2'], outputs: ['f'] },
			],
		],
	];
	for (const [name, functions] of cases) {
		const [layer] = (await foldedAcross(functions, mixed)).layers;
		assert.deepEqual([layer.status, layer.causes], ['mismatch', ['folded-across-activation']], name);
		assert.ok(layer.evidence.includes(name), layer.evidence);
	}
});

test('a fold across a maximum is right where no scale is negative', async () => {
	const pool = { op: 'MaxPool', inputs: ['c'], outputs: ['f'], attributes: { kernel_shape: { ints: [2, 2] } } };
	const [layer] = (await foldedAcross([pool], [0.7, 0.4, 1.2, 0])).layers;
	assert.equal(layer.status, 'match');
	// A maximum of something else does not make a sum of two branches right.
	const sum = [
		{ op: 'Tanh', inputs: ['c'], outputs: ['s'] },
		{ op: 'Add', inputs: ['c', 's'], outputs: ['a'] },
		{ ...pool, inputs: ['a'] },
	];
	assert.equal((await foldedAcross(sum, [0.7, 0.4, 1.2, 1])).layers[0].cause, 'folded-across-activation');
});

test('a forward fold computed in float32 is right, and its border may be written by other nodes', async () => {
	const sum = numbers('b').map((bias, row) => {
		const weights = numbers('w').slice(row * C * 9, (row + 1) * C * 9);
		// Adds in float32, as a converter does.
		return weights.reduce(
			(total, w, index) => Math.fround(total + Math.fround(w * shift[Math.floor(index / 9)])),
			bias,
		);
	});
	const values = [tensor('fw', [C, C, 3, 3], scaledInputs('w', scale)), tensor('fb', [C], sum)];
	const original = (pad: number) => model([relu('x', 'r'), norm('r', 'n'), conv('n', 'y', ['w', 'b'], pad)]);
	const deployed = (pad: number, nodes: readonly NodeSpec[] = [relu('x', 'r')]) =>
		model([...nodes, conv('r', 'y', ['fw', 'fb'], pad)], values);
	const status = async (before: Promise<OpenModel>, after: Promise<OpenModel>) => {
		const [layer] = (await compare(before, after)).layers;
		return layer.cause ?? layer.status;
	};
	assert.equal(await status(original(0), deployed(0)), 'match');
	assert.equal(await status(original(1), deployed(1)), 'forward-fold-padding');
	const border = [relu('x', 'q'), { op: 'Concat', inputs: ['q', 'q'], outputs: ['r'], attributes: { axis: { i: 2 } } }];
	assert.equal(await status(original(1), deployed(0, border)), 'unmatched');
});

test('a forward fold with its bias in an Add behind the operator', async () => {
	const sums = numbers('b').map((bias, row) =>
		numbers('w')
			.slice(row * C * 9, (row + 1) * C * 9)
			.reduce((total, w, index) => total + w * shift[Math.floor(index / 9)], bias),
	);
	const values = [tensor('fw', [C, C, 3, 3], scaledInputs('w', scale)), tensor('fa', [C, 1, 1], sums)];
	const deployed = [relu('x', 'r'), conv('r', 'c', ['fw']), { op: 'Add', inputs: ['c', 'fa'], outputs: ['y'] }];
	const original = model([relu('x', 'r'), norm('r', 'n'), conv('n', 'y')]);
	const [layer] = (await compare(original, model(deployed, values))).layers;
	assert.equal(layer.status, 'match');
});
