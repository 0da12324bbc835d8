import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareModels } from '../../../../../src/core/folding/compare/compare.js';
import type { Comparison } from '../../../../../src/core/report/comparison/comparison.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import type { GraphSpec, NodeSpec, TensorSpec } from '../../../support/model-builder.js';
import { type OpenModel, open } from '../../../support/open.js';

const C = 4;
const random = seededRandom(77);
const draw = (count: number, value: () => number = random.normal) =>
	Array.from({ length: count }, () => Math.fround(value()));

/** Constants of every structure below; each graph takes those it names. */
const VALUES: Readonly<Record<string, TensorSpec>> = Object.fromEntries(
	(
		[
			['w', [C, C, 3, 3]],
			['w2', [C, C, 3, 3]],
			['m', [6, C]],
			['b', [C]],
			['g', [C], () => 0.5 + random.uniform()],
			['t', [C]],
			['u', [C]],
			['v', [C], () => 0.2 + random.uniform()],
		] as const
	).map(([name, dims, value]) => [
		name,
		{
			name,
			dims,
			values: draw(
				dims.reduce((x, y) => x * y, 1),
				value,
			),
		},
	]),
);

const numbers = (name: string): number[] => (VALUES[name]?.values ?? []).map(Number);
const EPSILON = Math.fround(1e-5);
/** s and t of the layer below. */
const scale = numbers('g').map((gamma, c) => gamma / Math.sqrt(numbers('v')[c] + EPSILON));
const shift = numbers('t').map((beta, c) => beta - numbers('u')[c] * scale[c]);

const conv = (input: string, output: string, inputs: readonly string[] = ['w', 'b'], pad = 0): NodeSpec => ({
	op: 'Conv',
	name: `conv ${output}`,
	inputs: [input, ...inputs],
	outputs: [output],
	attributes: { pads: { ints: [pad, pad, pad, pad] } },
});
const norm = (input: string, output: string, parameters = ['g', 't', 'u', 'v']): NodeSpec => ({
	op: 'BatchNormalization',
	name: `bn ${output}`,
	inputs: [input, ...parameters],
	outputs: [output],
});
const relu = (input: string, output: string): NodeSpec => ({ op: 'Relu', inputs: [input], outputs: [output] });

/** A graph from x to y with the constants that its nodes name, or other ones. */
function model(
	nodes: readonly NodeSpec[],
	others: readonly TensorSpec[] = [],
	graph: GraphSpec = {},
): Promise<OpenModel> {
	const used = new Set(nodes.flatMap(({ inputs }) => inputs ?? []));
	const own = new Set(others.map(({ name }) => name));
	const initializers = [
		...Object.values(VALUES).filter(({ name = '' }) => used.has(name) && !own.has(name)),
		...others,
	];
	const x = { name: 'x', shape: ['N', C, 9, 9] };
	return open({ opset: 15, graph: { nodes, initializers, inputs: [x], outputs: ['y'], ...graph } });
}

async function compare(original: Promise<OpenModel>, deployed: Promise<OpenModel>): Promise<Comparison> {
	const [own, other] = [await original, await deployed];
	return compareModels(
		{ model: own.model, access: { source: own.source } },
		{ model: other.model, access: { source: other.source } },
	);
}

const tensor = (name: string, dims: readonly number[], values: readonly number[]): TensorSpec => ({
	name,
	dims,
	values,
});
/** Output channels of w scaled. */
const scaledRows = (name: string, by: readonly number[]) =>
	numbers(name).map((value, index) => value * by[Math.floor(index / (C * 9))]);
/** Input channels of w scaled. */
const scaledInputs = (name: string, by: readonly number[]) =>
	numbers(name).map((value, index) => value * by[Math.floor(index / 9) % C]);
const foldedBias = numbers('b').map((bias, c) => bias * scale[c] + shift[c]);

const ORIGINAL = [conv('x', 'c'), norm('c', 'n'), relu('n', 'y')];
const FOLDED = [conv('x', 'c', ['fw', 'fb']), relu('c', 'y')];
const FOLDED_VALUES = [tensor('fw', [C, C, 3, 3], scaledRows('w', scale)), tensor('fb', [C], foldedBias)];

test('a bias that the fold left in an Add behind the operator', async () => {
	const deployed = [conv('x', 'c', ['fw']), { op: 'Add', inputs: ['c', 'fb'], outputs: ['a'] }, relu('a', 'y')];
	const values = [FOLDED_VALUES[0], tensor('fb', [C, 1, 1], foldedBias)];
	const { layers } = await compare(model(ORIGINAL), model(deployed, values));
	assert.equal(layers[0].status, 'match');
	// An Add that was there before is not part of the fold.
	const added = tensor('fa', [C, 1, 1], [1, 2, 3, 4]);
	const before = [...ORIGINAL.slice(0, 2), { op: 'Add', inputs: ['n', 'fa'], outputs: ['y'] }];
	const after = [conv('x', 'c', ['fw', 'fb']), { op: 'Add', inputs: ['c', 'fa'], outputs: ['y'] }];
	const kept = await compare(model(before, [added]), model(after, [...FOLDED_VALUES, added]));
	assert.equal(kept.layers[0].status, 'match');
});

test('a bias of the original that stands in an Add in front of the layer', async () => {
	const original = [
		conv('x', 'c', ['w']),
		{ op: 'Add', inputs: ['ab', 'c'], outputs: ['a'] },
		norm('a', 'n'),
		relu('n', 'y'),
	];
	const { layers } = await compare(
		model(original, [tensor('ab', [1, C, 1, 1], numbers('b'))]),
		model(FOLDED, FOLDED_VALUES),
	);
	assert.equal(layers[0].status, 'match');
});

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

test('weights that the runtime has rearranged for a processor are called that', async () => {
	const blocked = { ...conv('x', 'c', ['fw', 'fb']), domain: 'com.microsoft.nchwc' };
	const { layers, notes } = await compare(model(ORIGINAL), model([blocked, relu('c', 'y')], FOLDED_VALUES));
	assert.equal(layers[0].status, 'unmatched');
	assert.match(
		notes.join(),
		/^The deployed model was optimized for one kind of processor: the weights of 1 convolution /,
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

test('a product led through reshape and transpose, its bias in an Add where the layer stood', async () => {
	const shape: TensorSpec = { name: 'shape', dims: [3], dtype: 'int64', values: [2, 3, C] };
	const path = (output: string): NodeSpec[] => [
		{ op: 'MatMul', inputs: ['x', 'm'], outputs: ['p'] },
		{ op: 'Reshape', inputs: ['p', 'shape'], outputs: ['q'] },
		{ op: 'Transpose', inputs: ['q'], outputs: [output], attributes: { perm: { ints: [0, 2, 1] } } },
	];
	const graph = { inputs: [{ name: 'x', shape: [6, 6] }] };
	const original = model([...path('r'), norm('r', 'n'), relu('n', 'y')], [shape], graph);
	const columns = numbers('m').map((value, index) => value * scale[index % C]);
	const deployed = path('r').map((node) => (node.op === 'MatMul' ? { ...node, inputs: ['x', 'fm'] } : node));
	const tail = [{ op: 'Add', inputs: ['r', 'h'], outputs: ['n'] }, relu('n', 'y')];
	const values = [shape, tensor('fm', [6, C], columns), tensor('h', [C, 1], shift)];
	const [layer] = (await compare(original, model([...deployed, ...tail], values, graph))).layers;
	assert.equal(layer.status, 'match', layer.evidence);
	assert.equal(layer.perChannel.weightRatio.length, C);
});

test("Gemm's alpha and beta count, and may be gone from the deployed model", async () => {
	const gemm = (weight: string, bias: string, attributes: NodeSpec['attributes']): NodeSpec => ({
		op: 'Gemm',
		inputs: ['x', weight, bias],
		outputs: ['c'],
		attributes: attributes ?? {},
	});
	const graph = { inputs: [{ name: 'x', shape: ['N', 6] }] };
	const original = model(
		[gemm('m', 'b', { alpha: { f: 0.5 }, beta: { f: 2 } }), norm('c', 'n'), relu('n', 'y')],
		[],
		graph,
	);
	const bias = numbers('b').map((value, c) => 2 * value * scale[c] + shift[c]);
	const transposed = Array.from({ length: C * 6 }, (_, index) => {
		const [n, k] = [Math.floor(index / 6), index % 6];
		return 0.5 * numbers('m')[k * C + n] * scale[n];
	});
	const values = [tensor('fm', [C, 6], transposed), tensor('fb', [C], bias)];
	const [layer] = (
		await compare(original, model([gemm('fm', 'fb', { transB: { i: 1 } }), relu('c', 'y')], values, graph))
	).layers;
	assert.equal(layer.status, 'match', layer.evidence);
	const again = [
		values[0],
		tensor(
			'fb',
			[C],
			bias.map((value) => value * 2),
		),
	];
	const [wrong] = (
		await compare(original, model([gemm('fm', 'fb', { transB: { i: 1 } }), relu('c', 'y')], again, graph))
	).layers;
	assert.equal(wrong.cause, 'gemm-beta-reapplied');
});

test('a weight that two operators share, folded into a copy of each', async () => {
	const original = model([conv('x', 'c'), norm('c', 'n'), conv('n', 'd'), norm('d', 'o'), relu('o', 'y')]);
	const deployed = [conv('x', 'c', ['fw', 'fb']), conv('c', 'd', ['gw', 'gb']), relu('d', 'y')];
	const copies = FOLDED_VALUES.map((value) => ({ ...value, name: (value.name ?? '').replace('f', 'g') }));
	const { layers } = await compare(original, model(deployed, [...FOLDED_VALUES, ...copies]));
	assert.deepEqual(
		layers.map(({ status }) => status),
		['match', 'match'],
	);
});

test('a QLinearConv holds its weights as integers', async () => {
	const step = scaledRows('w', scale).reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127;
	const values = [
		{
			...tensor(
				'qw',
				[C, C, 3, 3],
				scaledRows('w', scale).map((value) => Math.round(value / step)),
			),
			dtype: 'int8' as const,
		},
		{
			...tensor(
				'qb',
				[C],
				foldedBias.map((value) => Math.round(value / (step * 1e-4))),
			),
			dtype: 'int32' as const,
		},
		{ ...tensor('z', [], [0]), dtype: 'int8' as const },
		tensor('xs', [], [1e-4]),
		tensor('ws', [], [step]),
	];
	const node = { op: 'QLinearConv', inputs: ['x', 'xs', 'z', 'qw', 'ws', 'z', 'xs', 'z', 'qb'], outputs: ['c'] };
	const [layer] = (await compare(model(ORIGINAL), model([node, relu('c', 'y')], values))).layers;
	// The bias is a whole number of steps too, far finer than what a wrong fold would differ by.
	assert.notEqual(layer.status, 'unmatched');
	assert.equal(layer.into?.op, 'QLinearConv');
	assert.ok(layer.maxAbs !== null && layer.maxAbs <= step);
});

test('parameters known only at run time cannot be compared, and the evidence says so', async () => {
	const graph = {
		inputs: [
			{ name: 'x', shape: ['N', C, 9, 9] },
			{ name: 'g', shape: [C] },
		],
	};
	const dynamic = open({
		opset: 15,
		graph: {
			nodes: ORIGINAL,
			initializers: Object.values(VALUES).filter(({ name }) => name !== 'g'),
			outputs: ['y'],
			...graph,
		},
	});
	const [layer] = (await compare(dynamic, model(FOLDED, FOLDED_VALUES))).layers;
	assert.equal(layer.status, 'not-identifiable');
	assert.match(layer.evidence, /run time/);
});

test('a deployed operator with weights of another shape is no counterpart', async () => {
	const wider = [tensor('fw', [C, C, 5, 5], draw(C * C * 25)), FOLDED_VALUES[1]];
	const [layer] = (await compare(model(ORIGINAL), model(FOLDED, wider))).layers;
	assert.equal(layer.status, 'unmatched');
	assert.match(layer.evidence, /No operator of the deployed model has the shape and place of conv c/);
});

test('layers inside a branch and inside a function are compared like any other', async () => {
	const branch = (nodes: readonly NodeSpec[]) => ({ g: { nodes, outputs: ['y0'] } });
	const inside = (nodes: readonly NodeSpec[], initializers: readonly TensorSpec[]) =>
		open({
			opset: 15,
			graph: {
				nodes: [
					{
						op: 'If',
						name: 'if',
						inputs: ['k'],
						outputs: ['y'],
						attributes: { then_branch: branch(nodes), else_branch: branch([relu('x', 'y0')]) },
					},
				],
				initializers,
				inputs: [
					{ name: 'x', shape: ['N', C, 9, 9] },
					{ name: 'k', dtype: 'bool', shape: [] },
				],
				outputs: ['y'],
			},
		});
	const original = inside([conv('x', 'c'), norm('c', 'n'), relu('n', 'y0')], Object.values(VALUES));
	const { layers } = await compare(original, inside([conv('x', 'c', ['fw', 'fb']), relu('c', 'y0')], FOLDED_VALUES));
	assert.deepEqual(
		layers.map(({ status, name }) => [status, name]),
		[['match', 'bn n']],
	);
});

test('layers of unrelated networks are not paired merely because both end their network', async () => {
	const flat = { op: 'Conv', name: 'conv c', inputs: ['x', 'w3'], outputs: ['c'] };
	const w3 = tensor('w3', [C, C, 3], draw(C * C * 3));
	const x = { inputs: [{ name: 'x', shape: ['N', C, 9] }] };
	const others = ['g', 't', 'u', 'v'].map((name) =>
		tensor(
			name,
			[C],
			numbers(name).map((value) => value * 1.5),
		),
	);
	const original = () => model([conv('x', 'c'), norm('c', 'y')]);
	const unrelated = await compare(original(), model([flat, norm('c', 'y')], [w3, ...others], x));
	assert.deepEqual(
		unrelated.layers.map(({ status, cause }) => [status, cause]),
		[['unmatched', null]],
	);
	assert.match(unrelated.notes.join(), /counterpart of the same shape/);
	// The very same parameters are the layer, whatever became of its surroundings.
	const same = await compare(original(), model([flat, norm('c', 'y')], [w3], x));
	assert.equal(same.layers[0].status, 'kept');
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

test('a square weight with its channels exchanged is called transposed', async () => {
	const transposed = (values: readonly number[], space: number) =>
		values.map((_, index) => {
			const pair = Math.floor(index / space);
			return values[((pair % C) * C + Math.floor(pair / C)) * space + (index % space)];
		});
	const judge = async (weight: readonly number[], bias: readonly number[] = foldedBias) => {
		const values = [tensor('fw', [C, C, 3, 3], weight), tensor('fb', [C], bias)];
		return (await compare(model(ORIGINAL), model(FOLDED, values))).layers[0];
	};
	const wrong = [
		['after the fold', transposed(scaledRows('w', scale), 9)],
		['before the fold', transposed(numbers('w'), 9).map((value, index) => value * scale[Math.floor(index / (C * 9))])],
	] as const;
	for (const [step, weight] of wrong) {
		const layer = await judge(weight);
		assert.deepEqual([layer.status, layer.causes, layer.confidence], ['mismatch', ['transposed-weight'], 0.99]);
		assert.ok(layer.evidence.includes(`exchanged ${step}, which the square shape 4 x 4 x 3 x 3 hides`), layer.evidence);
		assert.match((await judge(weight, numbers('b'))).evidence, /the bias is wrong, too\.$/);
	}
	// A single other weight is no transposition.
	const [first, ...others] = wrong[0][1];
	assert.notEqual((await judge([first * 1.01, ...others])).cause, 'transposed-weight');
});

test("a square matrix transposed, of Gemm and MatMul, with either order of Gemm's weight", async () => {
	const square = numbers('w').slice(0, C * C);
	const turned = square.map((_, index) => square[(index % C) * C + Math.floor(index / C)]);
	const rows = { inputs: [{ name: 'x', shape: ['N', C] }] };
	const folded = (values: readonly number[], transB: number) =>
		values.map((value, index) => value * scale[transB ? Math.floor(index / C) : index % C]);
	for (const transB of [0, 1]) {
		const gemm = (weight: string, bias: string) => ({
			...{ op: 'Gemm', inputs: ['x', weight, bias], outputs: ['c'] },
			attributes: { transB: { i: transB } },
		});
		const original = [gemm('sq', 'b'), norm('c', 'n'), relu('n', 'y')];
		const deployed = [gemm('fw', 'fb'), relu('c', 'y')];
		const values = [tensor('fw', [C, C], folded(turned, transB)), tensor('fb', [C], foldedBias)];
		const pair = [model(original, [tensor('sq', [C, C], square)], rows), model(deployed, values, rows)] as const;
		const [layer] = (await compare(...pair)).layers;
		assert.deepEqual([layer.status, layer.cause], ['mismatch', 'transposed-weight'], `transB ${transB}`);
	}
});
