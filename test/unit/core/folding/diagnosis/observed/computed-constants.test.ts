import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareModels } from '../../../../../../src/core/folding/compare/compare.js';
import { seededRandom } from '../../../../../../src/engine/child/tensors/random.js';
import { inspectBytes } from '../../../../support/inspect.js';
import { buildModel, type GraphSpec, type NodeSpec, type TensorSpec } from '../../../../support/model-builder.js';
import { openBytes } from '../../../../support/open.js';

const f = Math.fround;
const [ROWS, INPUTS] = [4, 64];
const WIDTH = INPUTS * 9;
const EPSILON = f(1e-5);
const random = seededRandom(3);
const raw = Array.from({ length: ROWS * WIDTH }, () => f(random.normal() * 0.1 + 0.3));
const parameters = {
	g: [1, -0.5, 2, 0.75],
	b: [0.1, 0.2, -0.3, 0],
	m: [0.5, -0.25, 1, 0],
	logVariance: [-1, 0.5, 2, 0.125],
};

const sumInOrder = (values: readonly number[]) => values.reduce((total, value) => f(total + value), 0);

/** Standardizes rows in float32, with sums from the first term to the last, as no exact evaluation gives them. */
function standardized(): number[] {
	return Array.from({ length: ROWS }, (_, row) => raw.slice(row * WIDTH, (row + 1) * WIDTH)).flatMap((values) => {
		const mean = f(sumInOrder(values) / WIDTH);
		const centered = values.map((value) => f(value - mean));
		const variance = f(sumInOrder(centered.map((value) => f(value * value))) / WIDTH);
		const deviation = f(Math.sqrt(f(variance + EPSILON)));
		return centered.map((value) => f(value / deviation));
	});
}

/** Element of the first row, standardized in float64. */
function exact(at: number): number {
	const values = raw.slice(0, WIDTH);
	const mean = values.reduce((total, value) => total + value, 0) / WIDTH;
	const variance = values.reduce((total, value) => total + (value - mean) ** 2, 0) / WIDTH;
	return (values[at] - mean) / Math.sqrt(variance + EPSILON);
}

/** Fold in float32 whose exponential is two units in the last place off. */
function foldedConstants(scaleError = 0): { weight: number[]; bias: number[] } {
	const { g, b, m, logVariance } = parameters;
	const scale = g.map((gamma, row) => {
		const variance = f(Math.exp(f(logVariance[row])) * (1 + 2 ** -22));
		return f(f(f(gamma) / f(Math.sqrt(f(variance + EPSILON)))) * (1 + scaleError));
	});
	return {
		weight: standardized().map((value, at) => f(value * scale[Math.floor(at / WIDTH)])),
		bias: scale.map((s, row) => f(f(b[row]) - f(f(m[row]) * s))),
	};
}

const input = { name: 'x', shape: [1, INPUTS, 4, 4] };
const constant = (name: string, values: readonly number[]): TensorSpec => ({ name, dims: [values.length], values });
const axes = { axes: { ints: [1, 2, 3] }, keepdims: { i: 1 } };
const nodes: readonly NodeSpec[] = [
	{ op: 'ReduceMean', inputs: ['V'], outputs: ['mean'], attributes: axes },
	{ op: 'Sub', inputs: ['V', 'mean'], outputs: ['centered'] },
	{ op: 'Mul', inputs: ['centered', 'centered'], outputs: ['squares'] },
	{ op: 'ReduceMean', inputs: ['squares'], outputs: ['variance'], attributes: axes },
	{ op: 'Add', inputs: ['variance', 'e'], outputs: ['sum'] },
	{ op: 'Sqrt', inputs: ['sum'], outputs: ['deviation'] },
	{ op: 'Div', inputs: ['centered', 'deviation'], outputs: ['W'] },
	{ op: 'Exp', inputs: ['log'], outputs: ['v'] },
	{ op: 'Conv', name: 'conv', inputs: ['x', 'W'], outputs: ['c'] },
	{ op: 'BatchNormalization', name: 'bn', inputs: ['c', 'g', 'b', 'm', 'v'], outputs: ['y'] },
];
const graph: GraphSpec = {
	inputs: [input],
	outputs: ['y'],
	nodes,
	initializers: [
		{ name: 'V', dims: [ROWS, INPUTS, 3, 3], values: raw },
		{ name: 'e', dims: [], values: [EPSILON] },
		constant('log', parameters.logVariance),
		constant('g', parameters.g),
		constant('b', parameters.b),
		constant('m', parameters.m),
	],
};
const original = buildModel({ graph });

function deployed({ weight, bias }: { weight: number[]; bias: number[] }): Uint8Array {
	const initializers = [{ name: 'W', dims: [ROWS, INPUTS, 3, 3], values: weight }, constant('B', bias)];
	const conv = { op: 'Conv', name: 'conv', inputs: ['x', 'W', 'B'], outputs: ['y'] };
	return buildModel({ graph: { inputs: [input], outputs: ['y'], nodes: [conv], initializers } });
}

async function compare(bytes: Uint8Array) {
	const [a, b] = [await openBytes(original), await openBytes(bytes)];
	const { layers } = await compareModels(
		{ model: a.model, access: { source: a.source } },
		{ model: b.model, access: { source: b.source } },
	);
	return layers[0];
}

test('a right fold of computed constants is right in every order of additions', async () => {
	const layer = await compare(deployed(foldedConstants()));
	assert.equal(layer?.status, 'match', layer?.evidence);
	const largest = standardized()
		.slice(0, WIDTH)
		.reduce((most, value, at) => Math.max(most, Math.abs(value / exact(at) - 1)), 0);
	assert.ok(largest > 8 * 2 ** -24, `${largest} is within the bound of constants of a file`);
});

test('errors of a fold show beside those of computed constants', async () => {
	const scaled = await compare(deployed(foldedConstants(1e-3)));
	assert.equal(scaled?.status, 'mismatch', scaled?.evidence);
	const { weight, bias } = foldedConstants();
	const noBeta = await compare(deployed({ weight, bias: bias.map((value, row) => f(value - parameters.b[row])) }));
	assert.deepEqual([noBeta?.status, noBeta?.cause], ['mismatch', 'beta-dropped']);
});

test('standardized weights are no normalization of data, and an exponential is taken from the run', async () => {
	const { report } = await inspectBytes(original);
	assert.deepEqual(
		report.layers.map(({ name, recompute, foldable }) => [name, recompute.status, foldable.into]),
		[['bn', 'match', 'conv']],
	);
	const variance = report.layers[0]?.parameters?.variance ?? [];
	for (const [row, value] of parameters.logVariance.entries()) {
		assert.ok(Math.abs(Number(variance[row]) / Math.exp(value) - 1) < 1e-6);
	}
});
