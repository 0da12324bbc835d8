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
