import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findLayers } from '../../../../../src/core/batchnorm/find.js';
import { compareModels } from '../../../../../src/core/folding/compare/compare.js';
import { foldability } from '../../../../../src/core/folding/targets/foldability.js';
import { loadRuntime } from '../../../../../src/engine/child/runtime/runtime.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import type { RuntimeTensor } from '../../../../../src/engine/child/tensors/tensor.js';
import { foldedModel } from '../../../support/folded.js';
import { buildModel, type NodeSpec, type TensorSpec } from '../../../support/model-builder.js';
import { openBytes } from '../../../support/open.js';

const runtime = loadRuntime();
const FLOAT = 1;
const HALF = 10;
const IN = 3;
const C = 5;
/** Order of axes from NHWC to NCHW, and back. */
const TO_NCHW = [0, 3, 1, 2];
const TO_NHWC = [0, 2, 3, 1];

function tensor(seed: number, name: string, dims: readonly number[]): TensorSpec {
	const random = seededRandom(seed);
	const length = dims.reduce((product, dim) => product * dim, 1);
	return { name, dims, values: Array.from({ length }, () => random.normal()) };
}

interface Variant {
	/** Type that the data is cast to between the convolution and the layer. */
	readonly cast?: number;
	/** Adds the bias behind the Transpose, as Keras' exporter does. */
	readonly isBiasBehind?: boolean;
	/** Operator between the convolution and the layer. */
	readonly between?: 'Relu';
}

/** Builds a convolution on channels-last data with a layer of Sub, Mul and Add, as Keras exports it. */
function channelsLast({ cast = FLOAT, isBiasBehind = true, between }: Variant = {}): Uint8Array {
	const nodes: NodeSpec[] = [];
	let at = 'x';
	const step = (op: string, inputs: readonly string[] = [], attributes: NodeSpec['attributes'] = {}) => {
		const output = `t${nodes.length}`;
		nodes.push({ op, name: `${op}_${nodes.length}`, inputs: [at, ...inputs], outputs: [output], attributes });
		at = output;
	};
	step('Transpose', [], { perm: { ints: TO_NCHW } });
	step('Conv', isBiasBehind ? ['w'] : ['w', 'bias']);
	step('Transpose', [], { perm: { ints: TO_NHWC } });
	step('Cast', [], { to: { i: cast } });
	if (cast !== FLOAT) {
		step('Cast', [], { to: { i: FLOAT } });
	}
	if (isBiasBehind) {
		step('Add', ['bias_last']);
		step('Cast', [], { to: { i: FLOAT } });
	}
	if (between) {
		step(between);
	}
	step('Sub', ['mean']);
	step('Mul', ['scale']);
	step('Add', ['shift']);
	step('Cast', [], { to: { i: FLOAT } });
	step('Relu');
	step('Transpose', [], { perm: { ints: TO_NCHW } });
	const last = nodes[nodes.length - 1];
	nodes[nodes.length - 1] = { ...last, outputs: ['y'] };
	const perChannel = (name: string, seed: number) => tensor(seed, name, [1, 1, 1, C]);
	const initializers = [
		tensor(1, 'w', [C, IN, 3, 3]),
		...(isBiasBehind ? [perChannel('bias_last', 2)] : [tensor(2, 'bias', [C])]),
		perChannel('mean', 3),
		perChannel('scale', 4),
		perChannel('shift', 5),
	];
	const inputs = [{ name: 'x', shape: [2, 6, 7, IN] }];
	return buildModel({ opset: 20, graph: { nodes, initializers, inputs, outputs: ['y'] } });
}

async function run(bytes: Uint8Array): Promise<Float32Array> {
	const random = seededRandom(9);
	const dims = [2, 6, 7, IN];
	const data = Float32Array.from({ length: 2 * 6 * 7 * IN }, () => random.normal());
	const x: RuntimeTensor = { type: 'float32', dims, data };
	const session = await runtime.createSession(bytes, { levels: ['disabled'] });
	const y = (await session.run(new Map([['x', x]]), ['y'])).get('y');
	await session.release();
	assert.ok(y && y.data instanceof Float32Array);
	return y.data;
}

async function reasonsOf(bytes: Uint8Array) {
	const { model, source } = await openBytes(bytes);
	const layers = await findLayers(model, { source });
	return foldability({ model, layers, access: { source } });
}

test("a layer of Keras' exports folds through Transpose and casts without effect, with the bias behind them", async () => {
	for (const isBiasBehind of [true, false]) {
		const bytes = channelsLast({ isBiasBehind });
		const folded = await foldedModel(bytes);
		const { model } = await openBytes(folded);
		const operators = model.graph.nodes.map(({ opType }) => opType);
		assert.ok(!operators.some((op) => ['Sub', 'Mul', 'Add'].includes(op)), operators.join());
		const [a, b] = [await run(bytes), await run(folded)];
		const largest = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
		// 27 products a value, and a scale: 64 roundings of the largest sum are ample.
		assert.ok(a.every((value, index) => Math.abs(value - b[index]) <= 64 * 2 ** -24 * 8 * largest));
		const [original, deployed] = await Promise.all([openBytes(bytes), openBytes(folded)]);
		const { layers } = await compareModels(
			{ model: original.model, access: { source: original.source } },
			{ model: deployed.model, access: { source: deployed.source } },
		);
		assert.deepEqual(
			layers.map(({ status, cause }) => [status, cause]),
			[['match', null]],
		);
	}
});

test('a cast that rounds, or an activation between, keeps the layer', async () => {
	for (const variant of [{ cast: HALF }, { between: 'Relu' }] as const) {
		const [{ reasons, into }] = await reasonsOf(channelsLast(variant));
		assert.ok(reasons.includes('operator-between'), `${reasons.join()} ${into}`);
	}
});
