import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { findLayers, findNormalizations } from '../../../../../src/core/batchnorm/find.js';
import type { LayerReport } from '../../../../../src/core/report/types.js';
import { parseNpy } from '../../../../../src/engine/child/tensors/npy.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import { type InspectChanges, inspectBytes } from '../../../support/inspect.js';
import { buildModel, type NodeSpec, type TensorSpec } from '../../../support/model-builder.js';
import { openBytes } from '../../../support/open.js';

const EPSILON = 0.01;

interface Form {
	readonly shape: readonly number[];
	readonly axes: readonly number[];
	/** Shape of gamma and beta; undefined: there are none. */
	readonly learned?: readonly number[];
	readonly square?: 'Mul' | 'Pow' | 'difference';
	/** gamma: gamma / sqrt(variance + epsilon), or gamma times its reciprocal, is computed first. */
	readonly quotient?: 'Div' | 'Reciprocal' | 'Pow' | 'gamma Div' | 'gamma Reciprocal';
	/** The variance has a mean of its own, with its axes kept, as x.var() in PyTorch. */
	readonly hasTwoMeans?: boolean;
	/** Means are sums divided by their number of values: from the shape of the data, or as a constant of this value. */
	readonly sums?: true | number;
	/** The variance is divided by m - 1, with m from the shape of the data, or as a constant of this value. */
	readonly unbiased?: true | number;
	/** Operators that add the axes again that a mean has lost; default: none. */
	readonly back?: 'Reshape' | 'Unsqueeze' | 'Unsqueezes' | 'misplaced';
	readonly last?: 'Add' | 'Sub';
	readonly keepsAxes?: boolean;
	/** Axes as an input, as from opset 18 on. */
	readonly opset?: 13 | 18;
	/** Added to the input in front of the normalization. */
	readonly offset?: number;
	/** Axes of the variance, where they differ from those of the mean. */
	readonly varianceAxes?: readonly number[];
}

/** Builds (x - mean) / sqrt(variance + epsilon) * gamma + beta with statistics of x. */
function handBuilt(form: Form): Uint8Array {
	const { shape, axes, learned, square = 'Mul', quotient = 'Div', last = 'Add', keepsAxes = true, opset = 13 } = form;
	const random = seededRandom(3);
	const values = (dims: readonly number[]) =>
		Array.from({ length: dims.reduce((product, dim) => product * dim, 1) }, () => random.normal() + 2);
	const initializers: TensorSpec[] = [
		...['epsilon', 'two', 'half', 'minusHalf'].map((name, i) => ({
			name,
			dims: [],
			values: [[EPSILON, 2, 0.5, -0.5][i]],
		})),
		...(learned ? ['gamma', 'beta'].map((name) => ({ name, dims: learned, values: values(learned) })) : []),
	];
	const nodes: NodeSpec[] = [];
	const add = (op: string, inputs: readonly string[], output: string, attributes: NodeSpec['attributes'] = {}) => {
		nodes.push({ op, name: output, inputs, outputs: [output], attributes });
		return output;
	};
	const integers = (name: string, list: readonly number[]) => {
		initializers.push({ name, dtype: 'int64', values: list });
		return name;
	};
	const mean = (input: string, output: string, over: readonly number[], keeps = keepsAxes && !form.back) => {
		const keepdims = { i: keeps ? 1 : 0 };
		if (form.sums !== undefined) {
			return add(
				'Div',
				[add('ReduceSum', [input, integers(`${output}_axes`, over)], `${output}_sum`), count()],
				output,
			);
		}
		const reduced =
			opset === 13
				? add('ReduceMean', [input], output, { axes: { ints: over }, keepdims })
				: add('ReduceMean', [input, integers(`${output}_axes`, over)], output, { keepdims });
		if (form.back === undefined || keeps) {
			return reduced;
		}
		if (form.back === 'Reshape') {
			// A single axis may be left open.
			const kept = shape.filter((_, axis) => !over.includes(axis));
			const target = shape.map((size, axis) => (over.includes(axis) ? 1 : kept.length === 1 ? -1 : size));
			return add('Reshape', [reduced, integers(`${output}_shape`, target)], `${output}_back`);
		}
		if (form.back === 'misplaced') {
			return add('Reshape', [reduced, integers(`${output}_shape`, [1, 1, -1, 1])], `${output}_back`);
		}
		const steps = form.back === 'Unsqueeze' ? [over] : over.map((axis) => [axis]);
		return steps.reduce(
			(from, step, i) => add('Unsqueeze', [from, integers(`${output}_${i}`, step)], `${output}_back${i}`),
			reduced,
		);
	};
	const given = form.unbiased ?? form.sums;
	initializers.push({ name: 'one', dims: [], values: [1] }, { name: 'count', dims: [], values: [Number(given ?? 0)] });
	let computed: string | undefined;
	const count = () => {
		if (given === true) {
			computed ??= add(
				'Cast',
				[
					add(
						'ReduceProd',
						[add('Gather', [add('Shape', ['x'], 'sizes'), integers('countAxes', axes)], 'picked')],
						'product',
						{ keepdims: { i: 0 } },
					),
				],
				'dataCount',
				{ to: { i: 1 } },
			);
		}
		return computed ?? 'count';
	};
	initializers.push({ name: 'offset', dims: [], values: [form.offset ?? 0] });
	add('Add', ['input', 'offset'], 'x');
	const m = mean('x', 'm', axes);
	const d = add('Sub', ['x', m], 'd');
	const squared = (name: string, output: string) =>
		add(square === 'Pow' ? 'Pow' : 'Mul', [name, square === 'Pow' ? 'two' : name], output);
	const over = form.varianceAxes ?? axes;
	const own = form.hasTwoMeans ? add('Sub', ['x', mean('x', 'm2', axes, true)], 'd2') : d;
	let variance =
		square === 'difference'
			? add(
					'Sub',
					[mean(squared('x', 'xx'), 'mxx', over), squared(form.hasTwoMeans ? mean('x', 'm3', axes) : m, 'mm')],
					'v',
				)
			: mean(squared(own, 'dd'), 'v', over);
	if (form.unbiased !== undefined) {
		const less = add('Sub', [count(), 'one'], 'less');
		variance = add('Div', [add('Mul', [variance, count()], 'sumOfSquares'), less], 'corrected');
	}
	const sum = add('Add', ['epsilon', variance], 'sum');
	const root = () => add('Sqrt', [sum], 'root');
	const inverses: Readonly<Record<typeof quotient, () => string>> = {
		Div: () => '',
		Pow: () => add('Pow', [sum, 'minusHalf'], 'inverse'),
		Reciprocal: () => add('Reciprocal', [root()], 'inverse'),
		'gamma Div': () => add('Div', ['gamma', root()], 'inverse'),
		'gamma Reciprocal': () => add('Mul', [add('Reciprocal', [root()], 'reciprocal'), 'gamma'], 'inverse'),
	};
	const inverse = inverses[quotient]();
	let y = inverse ? add('Mul', [inverse, d], 'n') : add('Div', [d, root()], 'n');
	if (learned) {
		const scaled = quotient.startsWith('gamma') ? y : add('Mul', [y, 'gamma'], 'scaled');
		y = add(last, [scaled, 'beta'], 'shifted');
	}
	add('Identity', [y], 'y');
	return buildModel({ opset, graph: { nodes, initializers, inputs: [{ name: 'input', shape }], outputs: ['y'] } });
}

async function layersOf(form: Form, changes?: InspectChanges): Promise<readonly LayerReport[]> {
	const { report } = await inspectBytes(handBuilt(form), changes);
	assert.equal(report.run.status, report.layers.length > 0 ? 'ok' : 'skipped', report.run.reason);
	return report.layers;
}

async function single(form: Form, changes?: InspectChanges): Promise<LayerReport> {
	const [layer, ...others] = await layersOf(form, changes);
	assert.ok(layer && others.length === 0, JSON.stringify(form));
	assert.equal(layer.kind, 'handbuilt');
	assert.equal(layer.recompute.status, 'match', `${JSON.stringify(form)}: ${layer.recompute.reason}`);
	return layer;
}

const SHAPE = [4, 3, 5, 6];
const PER_CHANNEL = [3, 1, 1];

test('methods 1, 2 and 3 are found, named, and judged by values', async () => {
	for (const [axes, verdict, name] of [
		[[0, 1], 'location', 'method 1'],
		[[0], 'activation', 'method 2'],
		[[0, 2, 3], 'channel', 'method 3'],
	] as const) {
		for (const learned of [PER_CHANNEL, undefined]) {
			const layer = await single({ shape: SHAPE, axes, ...(learned && { learned }) });
			assert.equal(layer.normalization?.verdict, verdict);
			assert.deepEqual(layer.normalizedAxes, axes);
			assert.ok(Math.abs(layer.epsilon - EPSILON) < 1e-8);
			const [finding] = layer.findings;
			assert.equal(finding?.code, 'hand-built');
			assert.match(finding?.message ?? '', new RegExp(`${name},.*of the batch`));
			assert.equal(layer.batch?.mean.length, 3);
			assert.deepEqual(layer.foldable, { into: null, reasons: ['data-statistics'] });
		}
	}
});

test('gamma and beta of a method without channels contradict no method', async () => {
	for (const [axes, learned] of [
		[
			[0, 1],
			[1, 1, 5, 6],
		],
		[[0], [3, 5, 6]],
	] as const) {
		const layer = await single({ shape: SHAPE, axes, learned });
		assert.equal(layer.recompute.status, 'match');
		assert.equal(layer.normalization, undefined);
	}
});

test('every way of writing them', async () => {
	for (const square of ['Mul', 'Pow', 'difference'] as const) {
		for (const quotient of ['Div', 'Reciprocal', 'Pow'] as const) {
			await single({ shape: SHAPE, axes: [0, 2, 3], learned: PER_CHANNEL, square, quotient, last: 'Sub' });
			await single({ shape: SHAPE, axes: [0], learned: [3, 5, 6], square, quotient, keepsAxes: false, opset: 18 });
		}
	}
});

test('a mean that is computed twice, or loses its axes and gets them back, as PyTorch exports them', async () => {
	for (const axes of [[0, 1], [0], [0, 2, 3]]) {
		for (const back of [undefined, 'Reshape', 'Unsqueeze', 'Unsqueezes'] as const) {
			for (const square of ['Mul', 'difference'] as const) {
				await single({ shape: SHAPE, axes, learned: PER_CHANNEL, square, hasTwoMeans: true, ...(back && { back }) });
			}
		}
		for (const quotient of ['gamma Div', 'gamma Reciprocal'] as const) {
			const layer = await single({ shape: SHAPE, axes, learned: PER_CHANNEL, quotient, hasTwoMeans: true });
			const usual = await single({ shape: SHAPE, axes, learned: PER_CHANNEL });
			assert.deepEqual(layer.normalization?.verdict, usual.normalization?.verdict);
		}
	}
	await single({ shape: [4, 3, 5, 6], axes: [1, 3], back: 'Reshape' });
});

test('sums divided by their counts, and the unbiased variance that x.var() has by default', async () => {
	for (const [axes, count, verdict] of [
		[[0, 1], 12, 'location'],
		[[0], 4, 'activation'],
		[[0, 2, 3], 120, 'channel'],
	] as const) {
		for (const unbiased of [true, count] as const) {
			for (const learned of [PER_CHANNEL, undefined]) {
				const form = { shape: SHAPE, axes, unbiased, hasTwoMeans: true, ...(learned && { learned }) };
				const layer = await single(form);
				assert.equal(layer.normalization?.verdict, verdict);
				assert.match(layer.findings[0]?.message ?? '', /number of values minus 1\.$/);
			}
		}
	}
	await single({ shape: SHAPE, axes: [0, 2, 3], unbiased: true, square: 'difference' });
	for (const sums of [true, 120] as const) {
		const layer = await single({ shape: SHAPE, axes: [0, 2, 3], learned: PER_CHANNEL, sums });
		assert.equal(layer.normalization?.verdict, 'channel');
	}
	assert.deepEqual(await layersOf({ shape: SHAPE, axes: [0, 2, 3], sums: 119 }), []);
	const [other] = await layersOf({ shape: SHAPE, axes: [0, 2, 3], unbiased: 100 });
	assert.match(other?.recompute.reason ?? '', /corrected for 100 values, but each variance here has 120\.$/);
	const [alone] = await layersOf({ shape: [1, 3, 1, 1], axes: [0, 2, 3], unbiased: true });
	assert.match(alone?.recompute.reason ?? '', /the unbiased variance of a single value does not exist/);
});

test('any axes, with gamma and beta along any axes', async () => {
	const name = (layer: LayerReport) => layer.findings[0]?.message ?? '';
	assert.match(name(await single({ shape: [8, 3], axes: [1], learned: [1, 3] })), /over C \(axis 1: layer normal/);
	assert.match(name(await single({ shape: [2, 7, 16], axes: [-1], learned: [16] })), /axis 2: layer normalization/);
	assert.match(name(await single({ shape: SHAPE, axes: [2, 3], learned: PER_CHANNEL })), /instance normalization/);
	assert.match(name(await single({ shape: SHAPE, axes: [1, 2, 3], learned: [3, 5, 6] })), /layer normalization/);
	assert.match(name(await single({ shape: SHAPE, axes: [0, 1, 2, 3] })), /whole tensor/);
	assert.match(name(await single({ shape: SHAPE, axes: [1, 3], learned: [3, 5, 1] })), /none of the usual/);
	const last = await single({ shape: [4, 5, 6, 3], axes: [0, 1, 2], learned: [3] });
	assert.match(name(last), /axes 0, 1 and 2: method 3/);
	assert.deepEqual([last.channelAxis, last.channels, last.normalization?.verdict], [3, 3, 'channel']);
});

test('large means lose digits, which the bound allows for', async () => {
	const form = { shape: [2, 3, 4, 4], axes: [0, 2, 3] };
	await single({ ...form, offset: 300 });
	await single({ ...form, square: 'difference', offset: 20 });
	// The difference of two numbers near 90,000 may lose the variance of 1 altogether.
	const [lost] = await layersOf({ ...form, square: 'difference', offset: 300 });
	assert.match(lost.recompute.reason ?? '', /rounding has no bound/);
});

test('mean and variance over different axes are no normalization', async () => {
	assert.deepEqual(await layersOf({ shape: SHAPE, axes: [0, 2, 3], varianceAxes: [0, 2] }), []);
	// A second mean over other axes.
	const other = { shape: SHAPE, axes: [0, 2, 3], varianceAxes: [0], hasTwoMeans: true };
	assert.deepEqual(await layersOf(other), []);
	// The means of axis 1 lie along axis 2, which has the same size.
	assert.deepEqual(await layersOf({ shape: [4, 3, 3, 6], axes: [0, 2, 3], back: 'misplaced' }), []);
	// Without axis 1 the mean aligns with other axes than it was taken over.
	const misaligned = handBuilt({ shape: [4, 3, 3], axes: [1], keepsAxes: false });
	const { model, source } = await openBytes(misaligned);
	assert.deepEqual(await findNormalizations(model, { source }), []);
});

test('a number of channels that is declared beyond all numbers counts as unknown', async () => {
	const bytes = handBuilt({ shape: [1, 2 ** 62, 1, 1], axes: [0, 2, 3] });
	const { report } = await inspectBytes(bytes, { run: false });
	assert.deepEqual([report.layers.length, report.layers[0]?.channels], [1, 1]);
});

test('a saved output is in the order of the input', async () => {
	const folder = await mkdtemp(path.join(tmpdir(), 'handbuilt-'));
	try {
		const form: Form = { shape: SHAPE, axes: [0, 2], learned: PER_CHANNEL };
		await single(form, { saveOutputs: folder });
		const { shape, data } = parseNpy(await readFile(path.join(folder, '0.npy')), '0.npy');
		assert.deepEqual(shape, SHAPE);
		const y = Array.from(data as Float32Array, Number);
		// With beta and gamma taken away, the mean over axes 0 and 2 is 0.
		const sums = new Map<string, number>();
		y.forEach((value, at) => {
			const key = `${Math.floor(at / 30) % 3} ${at % 6}`;
			sums.set(key, (sums.get(key) ?? 0) + value / 20);
		});
		const beta = new Map<string, number[]>();
		for (const [key, mean] of sums) {
			const channel = key[0];
			beta.set(channel, [...(beta.get(channel) ?? []), mean]);
		}
		for (const means of beta.values()) {
			assert.ok(Math.max(...means) - Math.min(...means) < 1e-5);
		}
	} finally {
		await rm(folder, { recursive: true });
	}
});

test('it is no layer that could be folded or compared', async () => {
	const { model, source } = await openBytes(handBuilt({ shape: SHAPE, axes: [0, 2, 3], learned: PER_CHANNEL }));
	assert.deepEqual(await findLayers(model, { source }), []);
});
