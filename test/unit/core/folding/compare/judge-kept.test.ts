import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
	C,
	compare,
	conv,
	draw,
	FOLDED_VALUES,
	foldedBias,
	model,
	norm,
	numbers,
	ORIGINAL,
	relu,
	scale,
	scaledRows,
	shift,
	tensor,
} from '../../../support/folded-structures.js';
import type { NodeSpec, TensorSpec } from '../../../support/model-builder.js';

test('a bias in front of a layer that stayed may have moved into the operator, but not changed', async () => {
	const rows = { inputs: [{ name: 'x', shape: ['N', 6] }] };
	const product = { op: 'MatMul', inputs: ['x', 'm'], outputs: ['p'] };
	const add = (bias: string) => ({ op: 'Add', inputs: ['p', bias], outputs: ['a'] });
	const gemm = (bias: string) => ({ op: 'Gemm', inputs: ['x', 'm', bias], outputs: ['a'] });
	const rest = [norm('a', 'n'), relu('n', 'y')];
	const changed = tensor('fb', [C], foldedBias);
	const status = async (deployed: readonly NodeSpec[]) => {
		const other = model([...deployed, ...rest], [changed], rows);
		const { layers } = await compare(model([product, add('b'), ...rest], [], rows), other);
		return layers[0].status;
	};
	assert.equal(await status([product, add('b')]), 'kept');
	assert.equal(await status([gemm('b')]), 'kept');
	assert.equal(await status([product, add('fb')]), 'mismatch');
	assert.equal(await status([gemm('fb')]), 'mismatch');
});

test('a layer that is folded and still there acts twice', async () => {
	const deployed = [conv('x', 'c', ['fw', 'fb']), norm('c', 'n'), relu('n', 'y')];
	const [layer] = (await compare(model(ORIGINAL), model(deployed, FOLDED_VALUES))).layers;
	assert.deepEqual([layer.status, layer.cause], ['mismatch', 'folded-twice']);
	assert.match(layer.evidence, /still behind them: it acts twice/);
});

test('a layer that stayed with other parameters is a mismatch with a cause', async () => {
	const changed: readonly (readonly [TensorSpec, string])[] = [
		[tensor('t', [C], [0, 0, 0, 0]), 'beta-dropped'],
		[tensor('u', [C], [0, 0, 0, 0]), 'mean-dropped'],
		[tensor('g', [C], [1, 1, 1, 1]), 'gamma-dropped'],
	];
	for (const [values, cause] of changed) {
		const [layer] = (await compare(model(ORIGINAL), model(ORIGINAL, [values]))).layers;
		assert.deepEqual([layer.status, layer.cause], ['mismatch', cause]);
		assert.match(
			layer.evidence,
			/^The layer is still there as bn n, with other parameters: (beta|mean|gamma) differs in 4 of 4 channels, /,
		);
	}
	const epsilon = { ...norm('c', 'n'), attributes: { epsilon: { f: 1e-3 } } };
	const [layer] = (await compare(model(ORIGINAL), model([ORIGINAL[0], epsilon, ORIGINAL[2]]))).layers;
	assert.equal(layer.cause, 'wrong-epsilon');
});

test('of a layer that stayed the parameters that differ are named, with numbers and without guessing', async () => {
	const cases = [
		['g', 'gamma', 0.8],
		['t', 'beta', 0.5],
	] as const;
	for (const [name, parameter, by] of cases) {
		const [first, ...rest] = numbers(name);
		const values = tensor(name, [C], [first * by, ...rest]);
		const [layer] = (await compare(model(ORIGINAL), model(ORIGINAL, [values]))).layers;
		assert.deepEqual([layer.status, layer.causes, layer.confidence], ['mismatch', ['unknown'], 0]);
		const percent = Math.round(100 * (1 - by));
		assert.equal(
			layer.evidence,
			`The layer is still there as bn n, with other parameters: ${parameter} differs in 1 of 4 channels, by up to ${percent} %.`,
		);
	}
	const statistics = [
		tensor('u', [C], draw(C)),
		tensor(
			'v',
			[C],
			numbers('v').map((value, c) => value * (1.1 + c / 9)),
		),
	];
	const [layer] = (await compare(model(ORIGINAL), model(ORIGINAL, statistics))).layers;
	assert.deepEqual(layer.causes, ['stale-statistics']);
	assert.match(
		layer.evidence,
		/: mean differs in 4 of 4 channels, .* variance differs in 4 of 4 channels, by up to \d/,
	);
});

test('weights in front of a kept layer must equal the original weights: no formula of folding applies', async () => {
	const weights = tensor('w', [C, C, 3, 3], scaledRows('w', [1.5, 1.5, 1.5, 1.5]));
	const [layer] = (await compare(model(ORIGINAL), model(ORIGINAL, [weights]))).layers;
	assert.deepEqual([layer.status, layer.causes, layer.confidence], ['mismatch', ['unknown'], 0]);
	assert.match(layer.evidence, /not the weights in front of it\. The weights are the right ones multiplied by 1\.5, /);
});

test('a layer that stayed behind other weights is a mismatch', async () => {
	const weights = tensor('w', [C, C, 3, 3], draw(C * C * 9));
	const [layer] = (await compare(model(ORIGINAL), model(ORIGINAL, [weights]))).layers;
	assert.equal(layer.status, 'mismatch');
	assert.match(layer.evidence, /^The layer is still there, but not the weights in front of it\. Other weights/);
});

test('a layer written as Mul and Add is still there', async () => {
	const chain = [
		conv('x', 'c'),
		{ op: 'Mul', inputs: ['c', 's'], outputs: ['p'] },
		{ op: 'Add', inputs: ['p', 'h'], outputs: ['n'] },
		relu('n', 'y'),
	];
	const values = [tensor('s', [1, C, 1, 1], scale), tensor('h', [1, C, 1, 1], shift)];
	const [layer] = (await compare(model(ORIGINAL), model(chain, values))).layers;
	assert.equal(layer.status, 'kept');
	assert.match(layer.evidence, /written differently: scale and shift of all 4 channels are the same/);
});

test('a scale and shift that stood behind the layer are not taken for it', async () => {
	const chain = (from: string): NodeSpec[] => [
		{ op: 'Mul', inputs: [from, 's'], outputs: ['p'] },
		{ op: 'Add', inputs: ['p', 'h'], outputs: ['q'] },
		relu('q', 'y'),
	];
	const values = [tensor('s', [C, 1, 1], [1, 2, 3, 4]), tensor('h', [C, 1, 1], [4, 3, 2, 1])];
	const original = model([conv('x', 'c'), norm('c', 'n'), ...chain('n')], values);
	const { layers } = await compare(
		original,
		model([conv('x', 'c', ['fw', 'fb']), ...chain('c')], [...FOLDED_VALUES, ...values]),
	);
	assert.deepEqual(
		layers.map(({ status }) => status),
		['match'],
	);
});

test('a layer that stayed is kept although the graph does not show that it follows the operator', async () => {
	const shape = [
		{ op: 'Shape', inputs: ['c'], outputs: ['s'] },
		{ op: 'Reshape', inputs: ['c', 's'], outputs: ['r'] },
	];
	const status = async (parameters: readonly TensorSpec[]) => {
		const deployed = model([conv('x', 'c'), ...shape, norm('r', 'n'), relu('n', 'y')], parameters);
		const [layer] = (await compare(model(ORIGINAL), deployed)).layers;
		return layer.cause ?? layer.status;
	};
	assert.equal(await status([]), 'kept');
	assert.equal(await status([tensor('t', [C], [0, 0, 0, 0])]), 'beta-dropped');
});

test('the bias in front of two layers that stayed may have moved into the operator', async () => {
	const rows = { inputs: [{ name: 'x', shape: ['N', 6] }] };
	const rest = [norm('a', 'n'), norm('n', 'o'), relu('o', 'y')];
	const product = [
		{ op: 'MatMul', inputs: ['x', 'm'], outputs: ['p'] },
		{ op: 'Add', inputs: ['p', 'b'], outputs: ['a'] },
	];
	const merged = [{ op: 'Gemm', inputs: ['x', 'm', 'b'], outputs: ['a'] }];
	const { layers } = await compare(model([...product, ...rest], [], rows), model([...merged, ...rest], [], rows));
	assert.deepEqual(
		layers.map(({ status }) => status),
		['kept', 'kept'],
	);
});
