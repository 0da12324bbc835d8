import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LayerReport } from '../../../../../src/core/report/types.js';
import { BATCH, Expressions } from '../../../support/expressions.js';
import { inspectBytes } from '../../../support/inspect.js';
import { buildModel, type NodeSpec } from '../../../support/model-builder.js';

const SIZES = [4, 6, 5, 7];

/** Writes a graph on x of shape (n, 6, 5, 7), also with n unknown to the file, as nested calls. */
class Graph extends Expressions {
	sum = (x: string, axes: readonly number[], keepdims = 1) => this.reduce('ReduceSum', x, axes, keepdims);
	root = (v: string) => this.sqrt(this.withEpsilon(v));
	transpose = (x: string, ...perm: readonly number[]) => this.op('Transpose', [x], { perm: { ints: perm } });
	float = (x: string) => this.op('Cast', [x], { to: { i: 1 } });

	/** Returns the size of an axis, a scalar int64. */
	size(of: string, axis: number): string {
		const index = this.constant([], [axis], 'int64');
		return this.op('Gather', [this.op('Shape', [of]), index]);
	}

	/** Returns a Reshape to constants, and to sizes as scalars. */
	view(x: string, ...sizes: readonly (number | string)[]): string {
		const parts = sizes.map((size) =>
			typeof size === 'number' ? this.integers([size]) : this.op('Unsqueeze', [size, this.integers([0])]),
		);
		return this.op('Reshape', [x, this.op('Concat', parts, { axis: { i: 0 } })]);
	}

	/** Returns (t - mean) / sqrt(variance + epsilon) over axes of t. */
	normalized(t: string, axes: readonly number[]): string {
		const d = this.sub(t, this.mean(t, axes));
		return this.div(d, this.root(this.mean(this.square(d), axes)));
	}
}

type Form = (g: Graph, x: string) => string;

async function layersOf(form: Form, batch: number | string): Promise<readonly LayerReport[]> {
	const g = new Graph();
	const y = form(g, 'x');
	const { nodes, initializers } = g;
	const inputs = [{ name: 'x', shape: [batch, ...SIZES.slice(1)] }];
	const bytes = buildModel({ graph: { nodes, initializers, inputs, outputs: [y] } });
	return (await inspectBytes(bytes, { compareOptimized: false, batch: 4 })).report.layers;
}

/** Inspects a form with a fixed and with an open batch, where it is a single right layer. */
async function inspected(name: string, form: Form, batches: readonly (number | string)[] = [4, 'n']) {
	const layers: LayerReport[] = [];
	for (const batch of batches) {
		const [layer, ...others] = await layersOf(form, batch);
		assert.ok(layer && others.length === 0, `${name}, batch ${batch}`);
		assert.equal(layer.recompute.status, 'match', `${name}: ${layer.recompute.reason}`);
		layers.push(layer);
	}
	return layers;
}

test('counts that a graph computes from sizes and from constants', async () => {
	const product = (g: Graph, axes: readonly number[]) =>
		axes.map((axis) => (axis === 0 ? g.size('x', 0) : g.integers([SIZES[axis]]))).reduce(g.mul);
	const forms: Readonly<Record<string, (g: Graph, axes: readonly number[]) => string>> = {
		product,
		'shape[0] * 1 * …': (g, axes) => g.mul(g.integers([1]), product(g, axes)),
		'numel / the other sizes': (g, axes) =>
			[0, 1, 2, 3]
				.filter((axis) => !axes.includes(axis))
				.reduce((left, axis) => g.div(left, g.size('x', axis)), g.op('Size', ['x'])),
		'Slice of the shape': (g, axes) => {
			const part = (from: number, to: number) =>
				g.op('Slice', [g.op('Shape', ['x']), g.integers([from]), g.integers([to])]);
			const parts = axes.map((axis) => part(axis, axis + 1));
			return g.op('ReduceProd', [g.op('Concat', parts, { axis: { i: 0 } })], { keepdims: { i: 0 } });
		},
	};
	const methods = [
		[[0, 1], 'location'],
		[[0], 'activation'],
		[BATCH, 'channel'],
	] as const;
	for (const [name, count] of Object.entries(forms)) {
		for (const [axes, verdict] of methods) {
			const form =
				(counted: readonly number[]): Form =>
				(g, x) => {
					const m = g.float(count(g, counted));
					const d = g.sub(x, g.div(g.sum(x, axes), m));
					return g.div(d, g.root(g.div(g.sum(g.square(d), axes), m)));
				};
			const [fixed, open] = await inspected(name, form(axes));
			assert.deepEqual([fixed?.normalization?.verdict, open?.normalization?.verdict], [verdict, verdict], name);
			assert.equal((await layersOf(form([...axes, 3].slice(-2)), 'n')).length, 0, name);
		}
	}
});

test('a variance of m values corrected by m / (m - 1), with m from the sizes', async () => {
	const forms: Readonly<Record<string, (g: Graph, sum: string, m: string) => string>> = {
		'sum / (m - 1)': (g, sum, m) => g.div(sum, g.float(g.sub(m, g.integers([1])))),
		'sum / m * (m / (m - 1))': (g, sum, m) =>
			g.mul(g.div(sum, g.float(m)), g.div(g.float(m), g.float(g.sub(m, g.integers([1]))))),
	};
	for (const [name, variance] of Object.entries(forms)) {
		const form: Form = (g, x) => {
			const d = g.sub(x, g.mean(x, BATCH));
			const m = g.mul(g.size(x, 0), g.integers([35]));
			return g.div(d, g.root(variance(g, g.sum(g.square(d), BATCH), m)));
		};
		for (const layer of await inspected(name, form)) {
			assert.match(layer.findings[0]?.message ?? '', /number of values minus 1\.$/, name);
		}
	}
	// A mean of unbiased variances is no unbiased variance.
	const mixed: Form = (g, x) => {
		const d = g.sub(x, g.mean(x, BATCH));
		return g.div(d, g.root(g.div(g.sum(g.mean(g.square(d), [2, 3]), [0]), g.number(3))));
	};
	assert.equal((await layersOf(mixed, 4)).length, 0);
});

test('means of means and sums of sums that drop their axes', async () => {
	const back = (g: Graph, t: string) => g.view(t, 1, 6, 1, 1);
	const means: Form = (g, x) => {
		const mean = (t: string) => back(g, g.mean(g.mean(g.mean(t, [0], 0), [1], 0), [-1], 0));
		const d = g.sub(x, mean(x));
		return g.div(d, g.root(mean(g.square(d))));
	};
	const sums: Form = (g, x) => {
		const flat = g.view(x, g.size(x, 0), 6, -1);
		const m = g.float(g.mul(g.size(x, 0), g.integers([35])));
		const mean = (t: string) => g.view(g.div(g.sum(g.sum(t, [2], 0), [0], 0), m), 1, 6, 1);
		const d = g.sub(flat, mean(flat));
		return g.div(d, g.root(mean(g.square(d))));
	};
	for (const form of [means, sums]) {
		for (const layer of await inspected('steps', form)) {
			assert.match(layer.findings[0]?.message ?? '', /method 3, per channel/);
			assert.equal(layer.normalization?.verdict, 'channel');
		}
	}
	const wrong: Form = (g, x) => {
		const d = g.sub(x, back(g, g.mean(g.mean(g.mean(x, [0], 0), [1], 0), [1], 0)));
		return g.div(d, g.root(back(g, g.mean(g.mean(g.mean(g.square(d), [0], 0), [0], 0), [0], 0))));
	};
	assert.equal((await layersOf(wrong, 4)).length, 0);
});

test('statistics of images as rows, also with sizes from the shape', async () => {
	const form =
		(rows: (g: Graph, x: string) => string): Form =>
		(g, x) => {
			const flat = rows(g, x);
			const d = g.sub(flat, g.mean(flat, [2]));
			const count = g.float(g.size(flat, 2));
			const variance = g.div(g.mul(g.mean(g.square(d), [2], 0), count), g.sub(count, g.number(1)));
			const back = (t: string) => g.view(t, g.size(x, 0), 6, 1, 1);
			return g.div(g.sub(x, back(g.mean(flat, [2], 0))), back(g.root(variance)));
		};
	for (const layer of await inspected(
		'rows',
		form((g, x) => g.view(x, g.size(x, 0), 6, -1)),
	)) {
		assert.deepEqual(layer.normalizedAxes, [2, 3]);
		assert.match(layer.findings[0]?.message ?? '', /instance normalization\).* of its own data\./);
	}
});

test('a Reshape or a Transpose that moves the axis of the images', async () => {
	const message = (layer: LayerReport) => layer.findings[0]?.message ?? '';
	const forms: readonly (readonly [words: RegExp, axes: readonly number[], view: Form])[] = [
		[
			/over N, H and W \(axes 0, 2 and 3 in front of the Transpose: method 3.* of the batch/,
			[1],
			(g, x) => g.view(g.transpose(x, 1, 0, 2, 3), 6, -1),
		],
		[
			/over N, H and W \(axes 0, 2 and 3 in front of the Transpose: method 3.* of the batch/,
			[1, 2, 3],
			(g, x) => g.transpose(x, 1, 0, 2, 3),
		],
		[
			/over N, H and W \(axes 0, 2 and 3 in front of the Transpose: method 3.* of the batch/,
			[1],
			(g, x) => g.op('Flatten', [g.transpose(x, 1, 2, 3, 0)]),
		],
		[
			/over N \(axis 0 in front of the Transpose: method 2, per activation.* of the batch/,
			[3],
			(g, x) => g.transpose(x, 1, 2, 3, 0),
		],
		[
			/over H and W \(axes 2 and 3 in front of the Reshape: instance normalization\).* of its own data/,
			[1],
			(g, x) => g.view(x, -1, 35),
		],
		[
			/over axes 1, 3 and 4 behind a Reshape, which makes groups of images, with.* of the batch/,
			[1, 3, 4],
			(g, x) => g.view(x, 2, -1, 6, 5, 7),
		],
		[/over L \(axis 2: group normalization in 3 groups\)/, [-1], (g, x) => g.view(x, g.size(x, 0), 3, -1)],
	];
	for (const [words, axes, view] of forms) {
		for (const layer of await inspected(String(words), (g, x) => g.normalized(view(g, x), axes))) {
			assert.match(message(layer), words);
		}
	}
	const [whole] = await inspected('channels', (g, x) => g.normalized(g.transpose(x, 1, 0, 2, 3), [1, 2, 3]), [4]);
	assert.equal(whole?.channels, 6);
});

test('a Reshape to its own shape ends the search', async () => {
	const nodes: NodeSpec[] = [
		{ op: 'Shape', inputs: ['r'], outputs: ['s'] },
		{ op: 'Reshape', inputs: ['x', 's'], outputs: ['r'] },
		{ op: 'ReduceMean', inputs: ['r'], outputs: ['m'], attributes: { axes: { ints: [1] } } },
		{ op: 'Sub', inputs: ['r', 'm'], outputs: ['d'] },
		{ op: 'Mul', inputs: ['d', 'd'], outputs: ['q'] },
		{ op: 'ReduceMean', inputs: ['q'], outputs: ['v'], attributes: { axes: { ints: [1] } } },
		{ op: 'Sqrt', inputs: ['v'], outputs: ['root'] },
		{ op: 'Div', inputs: ['d', 'root'], outputs: ['y'] },
	];
	const graph = { nodes, inputs: [{ name: 'x', shape: SIZES }], outputs: ['y'] };
	const { report } = await inspectBytes(buildModel({ graph }), { run: false });
	assert.equal(report.layers.length, 1);
});

test('a count of nested lists ends the search, also where each list reads the shape of a view', async () => {
	const leaves: readonly ((g: Graph) => string)[] = [
		(g) => g.op('Shape', ['x']),
		(g) => g.op('Shape', [g.view('x', g.size('x', 0), 6, 5, 7)]),
	];
	for (const leaf of leaves) {
		const g = new Graph();
		// 100 lists of 100 lists, and so on: 10^12 of them.
		let list = g.op('Slice', [leaf(g), g.integers([0]), g.integers([0])]);
		for (let depth = 0; depth < 6; depth++) {
			list = g.op('Concat', Array<string>(100).fill(list), { axis: { i: 0 } });
		}
		const m = g.float(g.op('ReduceProd', [list], { keepdims: { i: 0 } }));
		const d = g.sub('x', g.div(g.sum('x', BATCH), m));
		const y = g.div(d, g.root(g.div(g.sum(g.square(d), BATCH), m)));
		const { nodes, initializers } = g;
		const graph = { nodes, initializers, inputs: [{ name: 'x', shape: SIZES }], outputs: [y] };
		const { report } = await inspectBytes(buildModel({ graph }), { run: false });
		assert.equal(report.layers.length, 0);
	}
});
