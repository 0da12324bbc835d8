/** Hand-built normalizations that compute some steps in a more precise type than their data have. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findNormalizations } from '../../../../../src/core/batchnorm/find.js';
import type { FloatType } from '../../../../../src/core/numbers/float-formats.js';
import { typeCode } from '../../../../../src/core/onnx/types.js';
import { BATCH, EPSILON, Expressions } from '../../../support/expressions.js';
import { inspectBytes } from '../../../support/inspect.js';
import { buildModel } from '../../../support/model-builder.js';
import { openBytes } from '../../../support/open.js';

const SHAPE = [4, 3, 5, 6];

/** Steps of a normalization. */
const STEPS = ['mean', 'difference', 'square', 'variance', 'deviation', 'division'] as const;

type Step = (typeof STEPS)[number];

/** Writes tensors with a cast in front of each step that computes in another type. */
class TypedExpressions extends Expressions {
	readonly #types = new Map<string, FloatType>();

	constructor(data: FloatType) {
		super();
		this.#types.set('x', data);
	}

	/** Casts a tensor to a type if it has another one. */
	as(type: FloatType, name: string): string {
		return this.#types.get(name) === type
			? name
			: this.typed(type, this.op('Cast', [name], { to: { i: typeCode(type) } }));
	}

	/** Notes the type of a new tensor. */
	typed(type: FloatType, name: string): string {
		this.#types.set(name, type);
		return name;
	}
}

/**
 * Builds (x - mean) / sqrt(variance + epsilon).
 * @param types of the steps; 'difference' is that in the variance
 */
function normalization(data: FloatType, types: Readonly<Record<Step, FloatType>>): Uint8Array {
	const g = new TypedExpressions(data);
	const step = (name: Step, inputs: readonly string[], write: (...inputs: string[]) => string) => {
		const type = types[name];
		return g.typed(type, write(...inputs.map((input) => g.as(type, input))));
	};
	const mean = step('mean', ['x'], (x) => g.mean(x));
	const centered = step('difference', ['x', mean], g.sub);
	const square = step('square', [centered], g.square);
	const variance = step('variance', [square], (s) => g.mean(s));
	const deviation = step('deviation', [variance, g.number(EPSILON)], (v, epsilon) => g.sqrt(g.add(v, epsilon)));
	const numerator = step('division', ['x', mean], g.sub);
	const y = step('division', [numerator, deviation], g.div);
	const { nodes, initializers } = g;
	const inputs = [{ name: 'x', shape: SHAPE, dtype: data }];
	return buildModel({ graph: { nodes, initializers, inputs, outputs: [y] } });
}

/** Returns every choice of one of two types for each step. */
function choices(own: FloatType, other: FloatType): Record<Step, FloatType>[] {
	return Array.from({ length: 2 ** (STEPS.length - 1) }, (_, bits) => {
		const types = STEPS.map((step, at) => [step, step === 'division' || ((bits >> at) & 1) === 0 ? own : other]);
		return Object.fromEntries(types);
	});
}

async function countLayers(bytes: Uint8Array): Promise<number> {
	const { model, source } = await openBytes(bytes);
	return (await findNormalizations(model, { source })).length;
}

for (const [data, other] of [
	['float16', 'float32'],
	['float32', 'float64'],
] as const) {
	test(`steps in ${other} of data in ${data} are found and judged`, async () => {
		for (const types of choices(data, other)) {
			const name = JSON.stringify(types);
			const { report } = await inspectBytes(normalization(data, types), { compareOptimized: false });
			const [layer] = report.layers;
			assert.ok(layer && report.layers.length === 1, `${name}: ${report.layers.length} layers`);
			assert.equal(layer.recompute.status, 'match', `${name}: ${layer.recompute.reason}`);
			assert.deepEqual([layer.normalizedAxes, layer.normalization?.verdict], [BATCH, 'channel'], name);
		}
	});
}

test('steps in a type less precise than the data are no known normalization', async () => {
	for (const [data, other] of [
		['float32', 'float16'],
		['float64', 'float32'],
		['float16', 'bfloat16'],
		['bfloat16', 'float16'],
	] as const) {
		const [plain, ...mixed] = choices(data, other);
		assert.equal(await countLayers(normalization(data, plain)), 1, data);
		for (const types of mixed) {
			assert.equal(await countLayers(normalization(data, types)), 0, `${data}: ${JSON.stringify(types)}`);
		}
	}
});

/** Builds a graph of x in float16, and returns its bytes. */
function graphOf(form: (g: Expressions) => string, shape: readonly number[] = SHAPE): Uint8Array {
	const g = new Expressions();
	const y = form(g);
	const { nodes, initializers } = g;
	return buildModel({
		graph: { nodes, initializers, inputs: [{ name: 'x', shape, dtype: 'float16' }], outputs: [y] },
	});
}

const cast = (g: Expressions, x: string, type: FloatType) => g.op('Cast', [x], { to: { i: typeCode(type) } });

test('statistics of a tensor before its values were rounded are no statistics of the data', async () => {
	// A value beyond float16 is infinite in the data, and finite in these statistics.
	const bytes = graphOf((g) => {
		const wide = g.mul(cast(g, 'x', 'float32'), g.number(2));
		const mean = g.mean(wide);
		const deviation = g.sqrt(g.withEpsilon(g.mean(g.square(g.sub(wide, mean)))));
		const data = cast(g, wide, 'float16');
		return g.div(g.sub(data, cast(g, mean, 'float16')), cast(g, deviation, 'float16'));
	});
	assert.equal(await countLayers(bytes), 0);
});

test('axes in front of a Transpose or a Reshape are named through a cast', async () => {
	const normalized = (g: Expressions, x: string, axes: readonly number[]) => {
		const centered = g.sub(x, g.mean(x, axes));
		return g.div(centered, g.sqrt(g.withEpsilon(g.mean(g.square(centered), axes))));
	};
	const transposed = (g: Expressions) => g.op('Transpose', ['x'], { perm: { ints: [1, 0, 2, 3] } });
	interface Form {
		readonly write: (g: Expressions) => string;
		readonly message: RegExp;
		readonly shape?: readonly number[];
	}
	const forms: Readonly<Record<string, Form>> = {
		Transpose: {
			write: (g) => normalized(g, cast(g, transposed(g), 'float32'), [1, 2, 3]),
			message: /over N, H and W .*Transpose: method 3/,
		},
		'Transpose and Reshape': {
			write: (g) => normalized(g, g.reshape(cast(g, transposed(g), 'float32'), [3, -1]), [1]),
			message: /over N, H and W .*Transpose: method 3/,
		},
		groups: {
			write: (g) => normalized(g, cast(g, g.reshape('x', [0, 2, -1]), 'float32'), [2]),
			message: /group normalization in 2 groups/,
			shape: [4, 6, 5, 6],
		},
	};
	for (const [name, { write, message, shape }] of Object.entries(forms)) {
		const { report } = await inspectBytes(graphOf(write, shape), { compareOptimized: false });
		assert.equal(report.layers[0]?.recompute.status, 'match', `${name}: ${report.layers[0]?.recompute.reason}`);
		assert.match(report.layers[0]?.findings[0]?.message ?? '', message, name);
	}
});

test('scale and shift behind a normalization in mixed precision are no layer of their own', async () => {
	const inverses: Readonly<Record<string, (g: Expressions, square: string) => string>> = {
		Reciprocal: (g, square) => g.reciprocal(g.sqrt(square)),
		Pow: (g, square) => g.op('Pow', [square, g.number(-0.5)]),
		Div: (g, square) => g.div(g.number(1), g.sqrt(square)),
	};
	for (const [name, inverse] of Object.entries(inverses)) {
		const bytes = graphOf((g) => {
			const wide = cast(g, 'x', 'float32');
			const mean = g.mean(wide, [2, 3]);
			const factor = inverse(g, g.withEpsilon(g.mean(g.square(g.sub(wide, mean)), [2, 3])));
			const normal = g.mul(g.sub('x', cast(g, mean, 'float16')), cast(g, factor, 'float16'));
			const gamma = g.constant([1, 3, 1, 1], [0.5, 1.5, 2], 'float16');
			const beta = g.constant([1, 3, 1, 1], [1, -2, 3], 'float16');
			return g.add(g.mul(normal, gamma), beta);
		});
		const { model, source } = await openBytes(bytes);
		const kinds = (await findNormalizations(model, { source })).map(({ kind }) => kind);
		assert.deepEqual(kinds, ['handbuilt'], name);
	}
});
