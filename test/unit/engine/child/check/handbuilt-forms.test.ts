import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderAxes } from '../../../../../src/cli/render/axes.js';
import type { LayerReport, Report } from '../../../../../src/core/report/types.js';
import { BATCH, EPSILON, Expressions } from '../../../support/expressions.js';
import { inspectBytes } from '../../../support/inspect.js';
import { buildModel, type NodeSpec } from '../../../support/model-builder.js';

const SHAPE = [4, 3, 5, 6];
const COUNT = 120;

type Form = (g: Expressions, x: string) => string;

async function layersOf(
	form: Form,
	shape: readonly number[] = SHAPE,
): Promise<{ report: Report; layers: readonly LayerReport[] }> {
	const g = new Expressions();
	const y = form(g, 'x');
	const { nodes, initializers } = g;
	const bytes = buildModel({ graph: { nodes, initializers, inputs: [{ name: 'x', shape }], outputs: [y] } });
	const { report } = await inspectBytes(bytes, { compareOptimized: false });
	return { report, layers: report.layers };
}

/** Inspects a form that is a single normalization, and returns it. */
async function single(name: string, form: Form, shape = SHAPE): Promise<LayerReport> {
	const { layers } = await layersOf(form, shape);
	const [layer] = layers;
	assert.ok(layer && layers.length === 1, `${name}: ${layers.length} layers`);
	assert.equal(layer.recompute.status, 'match', `${name}: ${layer.recompute.reason}`);
	assert.ok(Math.abs(layer.epsilon - EPSILON) < 1e-8, name);
	return layer;
}

const GAMMA = [0.5, 1.5, 2];
const BETA = [1, -2, 3];
const gamma = (g: Expressions, dims: readonly number[] = [3, 1, 1]) => g.constant(dims, GAMMA);
const beta = (g: Expressions, dims: readonly number[] = [3, 1, 1]) => g.constant(dims, BETA);
const scaled = (g: Expressions, n: string) => g.add(g.mul(n, gamma(g)), beta(g));

/** A normalization with the mean of `mean`, the variance of `variance`, and the division of `division`. */
function normalization({
	mean = (g, x) => g.mean(x),
	variance = (g, { d }) => g.mean(g.square(d)),
	division = (g, { d, v }) => g.div(d, g.sqrt(g.withEpsilon(v))),
}: {
	readonly mean?: (g: Expressions, x: string) => string;
	readonly variance?: (g: Expressions, t: { x: string; m: string; d: string }) => string;
	readonly division?: (g: Expressions, t: { d: string; v: string }) => string;
}): Form {
	return (g, x) => {
		const m = mean(g, x);
		const d = g.sub(x, m);
		return scaled(g, division(g, { d, v: variance(g, { x, m, d }) }));
	};
}

/** Forms of a variance with a count, which is `count` instead of 120. */
const COUNTED: Readonly<Record<string, (count: number) => Parameters<typeof normalization>[0]>> = {
	'ReduceSum / m': (count) => ({
		variance: (g, { d }) => g.div(g.reduce('ReduceSum', g.square(d), BATCH), g.number(count)),
	}),
	'ReduceSum * (1 / m)': (count) => ({
		variance: (g, { d }) => g.mul(g.number(1 / count), g.reduce('ReduceSum', g.square(d), BATCH)),
	}),
	'ReduceSumSquare / m': (count) => ({
		variance: (g, { d }) => g.div(g.reduce('ReduceSumSquare', d, BATCH), g.number(count)),
	}),
	'ReduceSumSquare / m - mean^2': (count) => ({
		variance: (g, { x, m }) => g.sub(g.div(g.reduce('ReduceSumSquare', x, BATCH), g.number(count)), g.square(m)),
	}),
	'ReduceL2^2 / m': (count) => ({
		variance: (g, { d }) => g.div(g.square(g.reduce('ReduceL2', d, BATCH)), g.number(count)),
	}),
	'(ReduceL2 / sqrt(m))^2': (count) => ({
		variance: (g, { d }) => g.square(g.div(g.reduce('ReduceL2', d, BATCH), g.number(Math.sqrt(count)))),
	}),
};

test('a variance as a sum of squares or a norm, with the right number of values only', async () => {
	for (const [name, form] of Object.entries(COUNTED)) {
		const layer = await single(name, normalization(form(COUNT)));
		assert.deepEqual([layer.normalizedAxes, layer.normalization?.verdict], [BATCH, 'channel'], name);
		// A constant that was rounded further than its type rounds.
		const { layers: rounded } = await layersOf(normalization(form(COUNT * (1 + 2 ** -21))));
		assert.equal(rounded.length, 0, `${name} with a rounded count`);
		const { layers } = await layersOf(normalization(form(COUNT - 20)));
		assert.equal(layers.length, 0, `${name} with a wrong count`);
	}
});

test('a count that is a product of sizes of the data', async () => {
	const sizes = (g: Expressions, axes: readonly number[]) => {
		const parts = axes.map((axis) => {
			const index = g.constant([], [axis], 'int64');
			return g.op('Gather', [g.op('Shape', ['x']), index]);
		});
		return g.op('Cast', [parts.reduce((a, b) => g.mul(a, b))], { to: { i: 1 } });
	};
	const mean = (g: Expressions, input: string, counted: readonly number[]) =>
		g.div(g.reduce('ReduceSum', input, BATCH), sizes(g, counted));
	const form = (counted: readonly number[]) =>
		normalization({ mean: (g, x) => mean(g, x, counted), variance: (g, { d }) => mean(g, g.square(d), counted) });
	const layer = await single('product', form(BATCH));
	assert.deepEqual([layer.normalizedAxes, layer.normalization?.verdict], [BATCH, 'channel']);
	for (const wrong of [[0, 2], [0, 1, 2, 3], [0, 2, 3, 3], [0]]) {
		assert.equal((await layersOf(form(wrong))).layers.length, 0, wrong.join());
	}
});

test('a variance divided by m - 1, or multiplied by m / (m - 1)', async () => {
	const forms: Parameters<typeof normalization>[0][] = [
		{ variance: (g, { d }) => g.div(g.reduce('ReduceSum', g.square(d), BATCH), g.number(COUNT - 1)) },
		{ variance: (g, { d }) => g.mul(g.mean(g.square(d)), g.number(COUNT / (COUNT - 1))) },
	];
	for (const form of forms) {
		const layer = await single('unbiased', normalization(form));
		assert.match(layer.findings[0]?.message ?? '', /number of values minus 1\.$/);
		assert.equal(layer.normalization?.verdict, 'channel');
	}
	const wrong = normalization({ variance: (g, { d }) => g.mul(g.mean(g.square(d)), g.number(1.1)) });
	assert.equal((await layersOf(wrong)).layers.length, 0);
});

test('a difference of means that is kept from being negative', async () => {
	const difference = (g: Expressions, { x, m }: { x: string; m: string }) => g.sub(g.mean(g.square(x)), g.square(m));
	await single('Relu', normalization({ variance: (g, t) => g.op('Relu', [difference(g, t)]) }));
	await single('Max', normalization({ variance: (g, t) => g.op('Max', [g.number(0), difference(g, t)]) }));
	await single('Clip', normalization({ variance: (g, t) => g.op('Clip', [difference(g, t), g.number(0)]) }));
	await single('Abs', normalization({ variance: (g, { d }) => g.mean(g.square(g.op('Abs', [d]))) }));
});

/** Forms of a division with the words for epsilon. */
const DIVISIONS: readonly (readonly [
	words: RegExp,
	division: NonNullable<Parameters<typeof normalization>[0]['division']>,
])[] = [
	[/with epsilon 0\.01 and/, (g, { d, v }) => g.mul(d, g.sqrt(g.reciprocal(g.withEpsilon(v))))],
	[/with epsilon 0\.01 and/, (g, { d, v }) => g.div(d, g.op('Pow', [g.withEpsilon(v), g.number(0.5)]))],
	[/epsilon 0\.01, added to the deviation/, (g, { d, v }) => g.div(d, g.withEpsilon(g.sqrt(v)))],
	[/epsilon 0\.01, added to the deviation/, (g, { d, v }) => g.mul(g.reciprocal(g.withEpsilon(g.sqrt(v))), d)],
	[/a variance of at least 0\.01 /, (g, { d, v }) => g.div(d, g.sqrt(g.op('Max', [v, g.number(EPSILON)])))],
	[/a variance of at least 0\.01 /, (g, { d, v }) => g.div(d, g.sqrt(g.op('Clip', [v, g.number(EPSILON)])))],
	[/a deviation of at least 0\.01 /, (g, { d, v }) => g.div(d, g.op('Max', [g.sqrt(v), g.number(EPSILON)]))],
];

test('epsilon inside and beside the root, and as a least value', async () => {
	const inputs: readonly ((g: Expressions, x: string) => string)[] = [
		(_, x) => x,
		// The deviation is near epsilon, or 0.
		(g, x) => g.add(g.mul(x, g.number(EPSILON)), g.number(0.1)),
		(g, x) => g.mul(x, g.number(0)),
	];
	for (const [words, division] of DIVISIONS) {
		for (const [i, input] of inputs.entries()) {
			const layer = await single(String(words), (g, x) => normalization({ division })(g, input(g, x)));
			assert.match(layer.findings[0]?.message ?? '', words);
			assert.equal(layer.normalization?.verdict, i === 2 ? 'cannot-tell' : 'channel');
		}
	}
	const bounded = normalization({
		division: (g, { d, v }) => g.div(d, g.sqrt(g.op('Clip', [v, g.number(EPSILON), g.number(0.5)]))),
	});
	assert.equal((await layersOf(bounded)).layers.length, 0);
});

test('a negative epsilon is a finding where it is added, and not as a least value', async () => {
	const negative = (g: Expressions) => g.number(-1e-6);
	const added = normalization({ division: (g, { d, v }) => g.div(d, g.sqrt(g.add(v, negative(g)))) });
	const limit = normalization({ division: (g, { d, v }) => g.div(d, g.sqrt(g.op('Max', [v, negative(g)]))) });
	const codes = async (form: Form) => (await layersOf(form)).layers.flatMap(({ findings }) => findings);
	const [epsilon] = await codes(added);
	assert.deepEqual([epsilon?.code, epsilon?.severity], ['epsilon-dominated', 'warning']);
	assert.match(epsilon?.message ?? '', /^Epsilon is negative \(-1e-6\)/);
	assert.deepEqual(
		(await codes(limit)).map(({ code }) => code),
		['hand-built'],
	);
});

/** x * s + t forms: s and mean have the shape of `move`. */
function shifted(
	g: Expressions,
	x: string,
	{
		move,
		hasBeta = true,
		isSwapped = false,
		other,
	}: {
		readonly move: 'none' | 'Reshape' | 'Unsqueeze';
		readonly hasBeta?: boolean;
		readonly isSwapped?: boolean;
		/** Replaces the mean in t. */
		readonly other?: (g: Expressions, x: string) => string;
	},
): string {
	const keeps = move === 'none' ? 1 : 0;
	const back = (name: string) =>
		move === 'none' ? name : move === 'Reshape' ? g.reshape(name) : g.op('Unsqueeze', [name, g.integers(BATCH)]);
	const dims = move === 'none' ? [3, 1, 1] : [3];
	const m = g.mean(x, BATCH, keeps);
	const d = g.sub(x, back(m));
	const root = g.sqrt(g.withEpsilon(g.mean(g.square(d), BATCH, keeps)));
	const s = isSwapped ? g.mul(g.reciprocal(root), gamma(g, dims)) : g.div(gamma(g, dims), root);
	const scaledMean = g.mul(other ? other(g, x) : m, s);
	const product = g.mul(x, back(s));
	return hasBeta
		? g.op(
				'Add',
				isSwapped
					? [back(g.sub(beta(g, dims), scaledMean)), product]
					: [product, back(g.sub(beta(g, dims), scaledMean))],
			)
		: g.sub(product, back(scaledMean));
}

test('x * s + (beta - mean * s), as TensorFlow writes it', async () => {
	for (const move of ['none', 'Reshape', 'Unsqueeze'] as const) {
		for (const hasBeta of [true, false]) {
			for (const isSwapped of [true, false]) {
				const layer = await single(move, (g, x) => shifted(g, x, { move, hasBeta, isSwapped }));
				assert.equal(layer.normalization?.verdict, 'channel');
			}
		}
	}
	const other = (g: Expressions, x: string) => g.mean(x, [0, 2]);
	assert.equal((await layersOf((g, x) => shifted(g, x, { move: 'none', other }))).layers.length, 0);
});

test('gamma / deviation and the deviation itself, moved to the channels afterwards', async () => {
	const form =
		(move: 'deviation' | 'gamma'): Form =>
		(g, x) => {
			const m = g.mean(x, BATCH, 0);
			const d = g.sub(x, g.reshape(m));
			const root = g.sqrt(g.withEpsilon(g.mean(g.square(d), BATCH, 0)));
			return move === 'deviation'
				? scaled(g, g.div(d, g.reshape(root)))
				: g.add(g.mul(d, g.reshape(g.div(gamma(g, [3]), root))), beta(g));
		};
	for (const move of ['deviation', 'gamma'] as const) {
		const layer = await single(move, form(move));
		assert.deepEqual([layer.channels, layer.normalization?.verdict], [3, 'channel']);
	}
	// Moments of the last axis are squeezed, and broadcast without their axes.
	const squeezed: Form = (g, x) => {
		const squeeze = (name: string) => g.op('Squeeze', [name, g.integers([0, 1, 2])]);
		const m = g.mean(x, [0, 1, 2]);
		const v = g.mean(g.square(g.sub(x, m)), [0, 1, 2]);
		return g.div(g.sub(x, squeeze(m)), g.sqrt(g.withEpsilon(squeeze(v))));
	};
	assert.deepEqual((await single('Squeeze', squeezed)).normalizedAxes, [0, 1, 2]);
});

test('means of means, pools over all positions, expanded and subtracted means', async () => {
	const pool = (g: Expressions, x: string, kernel = [5, 6]) =>
		g.op('AveragePool', [x], { kernel_shape: { ints: kernel } });
	const means: Readonly<
		Record<string, readonly [axes: readonly number[], mean: (g: Expressions, x: string) => string]>
	> = {
		steps: [BATCH, (g, x) => g.mean(g.mean(g.mean(x, [0]), [2]), [3])],
		'GlobalAveragePool, ReduceMean': [BATCH, (g, x) => g.mean(g.op('GlobalAveragePool', [x]), [0])],
		AveragePool: [[2, 3], pool],
		Expand: [BATCH, (g, x) => g.op('Expand', [g.mean(x), g.op('Shape', [x])])],
	};
	for (const [name, [axes, mean]] of Object.entries(means)) {
		const layer = await single(name, normalization({ mean, variance: (g, { d }) => mean(g, g.square(d)) }));
		assert.deepEqual(layer.normalizedAxes, axes, name);
	}
	await single('Neg', (g, x) => {
		const d = g.add(x, g.op('Neg', [g.mean(x)]));
		return g.div(g.mul(gamma(g), d), g.sqrt(g.withEpsilon(g.mean(g.square(d)))));
	});
	const part = normalization({ mean: (g, x) => g.mean(pool(g, x, [5, 3]), [0]) });
	assert.equal((await layersOf(part)).layers.length, 0);
	// A padded window of the size of the data moves over it.
	const moving = (g: Expressions, x: string) =>
		g.op('AveragePool', [x], { kernel_shape: { ints: [5, 6] }, auto_pad: { s: 'SAME_UPPER' } });
	const smoothed = normalization({ mean: moving, variance: (g, { d }) => moving(g, g.square(d)) });
	assert.equal((await layersOf(smoothed)).layers.length, 0);
	// The data may be a mean itself.
	await single('of a mean', (g, x) => normalization({})(g, g.mean(x, [2])));
});

test('statistics of the data flattened to channels and values', async () => {
	interface View {
		readonly perm: readonly number[];
		readonly shape: readonly number[];
		/** Axis of the values. */
		readonly over: number;
		/** Returns the tensor that the mean is of. */
		readonly of?: (g: Expressions, flat: string) => string;
	}
	const form =
		({ perm, shape, over, of = (_, flat) => flat }: View): Form =>
		(g, x) => {
			const flat = g.reshape(g.op('Transpose', [x], { perm: { ints: perm } }), shape);
			const back = (name: string) => g.reshape(name);
			const d = g.sub(flat, g.mean(flat, [over]));
			const v = g.mean(g.square(d), [over], 0);
			return g.div(g.sub(x, back(g.mean(of(g, flat), [over], 0))), g.sqrt(g.withEpsilon(back(v))));
		};
	const first = { perm: [1, 0, 2, 3], shape: [3, -1], over: 1 };
	for (const view of [first, { perm: [0, 2, 3, 1], shape: [-1, 3], over: 0 }]) {
		const layer = await single('flat', form(view));
		assert.deepEqual([layer.normalizedAxes, layer.normalization?.verdict], [BATCH, 'channel']);
	}
	const wrong: readonly View[] = [
		{ ...first, over: 0 },
		{ ...first, of: (g, flat) => g.square(flat) },
		{ ...first, shape: [6, -1] },
	];
	for (const view of wrong) {
		const g = new Expressions();
		form(view)(g, 'x');
		const { nodes, initializers } = g;
		const graph = { nodes, initializers, inputs: [{ name: 'x', shape: SHAPE }], outputs: [nodes.at(-1)?.name ?? ''] };
		const { report } = await inspectBytes(buildModel({ graph }), { run: false });
		assert.equal(report.layers.length, 0);
	}
});

test('operators on a cycle end the search', async () => {
	const cycle = (op: string, inputs: readonly string[]): readonly NodeSpec[] => [
		{ op: 'Shape', inputs: ['x'], outputs: ['shape'] },
		{ op, inputs: ['b', ...inputs], outputs: ['a'] },
		{ op, inputs: ['a', ...inputs], outputs: ['b'] },
		{ op: 'Sub', inputs: ['x', 'a'], outputs: ['d'] },
		{ op: 'Sqrt', inputs: ['b'], outputs: ['root'] },
		{ op: 'Div', inputs: ['d', 'root'], outputs: ['y'] },
		{ op: 'Mul', inputs: ['d', 'a'], outputs: ['z'] },
	];
	for (const [op, inputs] of [
		['Expand', ['shape']],
		['Reshape', ['shape']],
		['Mul', ['b']],
		['ReduceMean', []],
		['Sqrt', []],
		['Reciprocal', []],
		['Relu', []],
	] as const) {
		const graph = { nodes: cycle(op, inputs), inputs: [{ name: 'x', shape: SHAPE }], outputs: ['y'] };
		const { report } = await inspectBytes(buildModel({ graph }), { run: false });
		assert.equal(report.layers.length, 0, op);
	}
});

test('groups of channels, and instances as channels, are named as such', async () => {
	const inside =
		(shape: readonly number[], axes: readonly number[]): Form =>
		(g, x) => {
			const t = g.reshape(x, shape);
			const d = g.sub(t, g.mean(t, axes));
			return g.div(d, g.sqrt(g.withEpsilon(g.mean(g.square(d), axes))));
		};
	for (const [shape, axes, words] of [
		[[0, 2, -1], [2], /over L \(axis 2: group normalization in 2 groups\)/],
		[[2, 2, 2, 3, 3], [2, 3, 4], /group normalization in 2 groups/],
		[[-1, 2, 18], [2], /group normalization in 2 groups/],
		[[2, 1, 36], [2], /axis 2: layer normalization/],
		[[1, 8, 3, 3], [0, 2, 3], /axes 0, 2 and 3: instance normalization\).* of its own data\.$/],
		[[2, 4, 9], [0, 2], /method 3, per channel/],
	] as const) {
		const layer = await single(String(words), inside(shape, axes), [2, 4, 3, 3]);
		assert.match(layer.findings[0]?.message ?? '', words);
	}
});

test('the terminal names the axes of a normalization written by hand', async () => {
	const { report } = await layersOf(
		normalization({ mean: (g, x) => g.mean(x, [0]), variance: (g, { d }) => g.mean(g.square(d), [0]) }),
	);
	const text = renderAxes(report, { isTTY: true, columns: 1000 }, false);
	assert.match(text, /Layer 1: .*over N \(axis 0: method 2, per activation\)/);
	assert.match(text, /normalized with statistics of the batch per activation/);
	assert.equal(report.layers[0]?.parametersFrom, undefined);
});
