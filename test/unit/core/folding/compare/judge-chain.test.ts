import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
	C,
	compare,
	conv,
	draw,
	EPSILON,
	FOLDED,
	FOLDED_VALUES,
	foldedBias,
	model,
	norm,
	numbers,
	random,
	relu,
	scale,
	scaledRows,
	shift,
	tensor,
} from '../../../support/folded-structures.js';

test("Mul and Add behind a layer, Caffe's Scale, may have gone into the same operator", async () => {
	const chain = [
		{ op: 'Mul', inputs: ['n', 's'], outputs: ['p'] },
		{ op: 'Add', inputs: ['p', 'h'], outputs: ['q'] },
		relu('q', 'y'),
	];
	const [m, a] = [
		[1, -2, 3, 0.5],
		[4, 3, 2, 1],
	];
	const behind = [tensor('s', [1, C, 1, 1], m), tensor('h', [1, C, 1, 1], a)];
	const original = () => model([conv('x', 'c'), norm('c', 'n'), ...chain], behind);
	const weight = scaledRows(
		'w',
		scale.map((s, c) => s * m[c]),
	);
	const bias = foldedBias.map((value, c) => value * m[c]);
	const whole = [
		tensor('fw', [C, C, 3, 3], weight),
		tensor(
			'fb',
			[C],
			bias.map((value, c) => value + a[c]),
		),
	];
	const [both] = (await compare(original(), model(FOLDED, whole))).layers;
	assert.equal(both.status, 'match', both.evidence);
	assert.match(both.evidence, /^Together with the Mul and Add behind the layer: the fold of all 4 channels arrived/);
	const first = [conv('x', 'c', ['fw', 'fb']), { op: 'Add', inputs: ['c', 'h'], outputs: ['q'] }, relu('q', 'y')];
	const [one] = (await compare(original(), model(first, [whole[0], tensor('fb', [C], bias), behind[1]]))).layers;
	assert.equal(one.status, 'match', one.evidence);
	assert.match(one.evidence, /^Together with the Mul behind/);
});

test('two consecutive layers fold into one operator', async () => {
	const twice = [conv('x', 'c'), norm('c', 'n'), norm('n', 'o'), relu('o', 'y')];
	const squared = scale.map((s) => s * s);
	const bias = foldedBias.map((value, c) => value * scale[c] + shift[c]);
	const values = [tensor('fw', [C, C, 3, 3], scaledRows('w', squared)), tensor('fb', [C], bias)];
	const both = await compare(model(twice), model(FOLDED, values));
	assert.deepEqual(
		both.layers.map(({ status }) => status),
		['match', 'match'],
	);
	// Or the first one only, with the second still there; or none.
	const first = [conv('x', 'c', ['fw', 'fb']), norm('c', 'o'), relu('o', 'y')];
	const one = await compare(model(twice), model(first, FOLDED_VALUES));
	assert.deepEqual(
		one.layers.map(({ status }) => status),
		['match', 'kept'],
	);
	assert.deepEqual(
		(await compare(model(twice), model(twice))).layers.map(({ status }) => status),
		['kept', 'kept'],
	);
});

test('layers folded into one operator are distinguished where a layer is missing or wrong', async () => {
	const P = {
		gamma: draw(C, () => 0.5 + random.uniform()),
		beta: draw(C),
		mean: draw(C),
		variance: draw(C, random.uniform),
	};
	const second = [
		tensor('g2', [C], P.gamma),
		tensor('t2', [C], P.beta),
		tensor('u2', [C], P.mean),
		tensor('v2', [C], P.variance),
	];
	const twice = [conv('x', 'c'), norm('c', 'n'), norm('n', 'o', ['g2', 't2', 'u2', 'v2']), relu('o', 'y')];
	type Map = readonly [scale: readonly number[], shift: readonly number[]];
	const map = (
		gamma: readonly number[],
		beta: readonly number[],
		mean: string | readonly number[],
		variance: readonly number[],
		epsilon = EPSILON,
	): Map => {
		const means = typeof mean === 'string' ? numbers(mean) : mean;
		const s = gamma.map((g, c) => g / Math.sqrt(variance[c] + epsilon));
		return [s, beta.map((b, c) => b - means[c] * s[c])];
	};
	const first = (epsilon = EPSILON, beta = numbers('t')) => map(numbers('g'), beta, 'u', numbers('v'), epsilon);
	const then = (epsilon = EPSILON, beta = P.beta) => map(P.gamma, beta, P.mean, P.variance, epsilon);
	const told = async (maps: readonly Map[]) => {
		let [scales, bias] = [new Array<number>(C).fill(1), numbers('b')];
		for (const [s, t] of maps) {
			scales = scales.map((value, c) => value * s[c]);
			bias = bias.map((value, c) => value * s[c] + t[c]);
		}
		const values = [tensor('fw', [C, C, 3, 3], scaledRows('w', scales)), tensor('fb', [C], bias)];
		const { layers } = await compare(model(twice, second), model(FOLDED, values));
		return layers.map(({ status, cause }) => cause ?? status).join(', ');
	};
	const none = new Array<number>(C).fill(0);
	assert.equal(await told([first(), then()]), 'match, match');
	assert.equal(await told([first()]), 'match, weights-not-folded');
	assert.equal(await told([then()]), 'weights-not-folded, match');
	assert.equal(await told([]), 'weights-not-folded, weights-not-folded');
	assert.equal(await told([first(), then(1e-3)]), 'match, wrong-epsilon');
	assert.equal(await told([first(1e-3), then()]), 'wrong-epsilon, match');
	assert.equal(await told([first(), then(EPSILON, none)]), 'match, beta-dropped');
	assert.equal(await told([first(EPSILON, none), then()]), 'beta-dropped, match');
	assert.equal(await told([then(), first()]), 'unknown, unknown', 'in the other order');
});
