import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { findLayers } from '../../../../../src/core/batchnorm/find.js';
import { encodeNpy } from '../../../../../src/engine/child/tensors/npy.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import {
	buildModel,
	type FunctionSpec,
	type ModelSpec,
	type NodeSpec,
	type TensorSpec,
} from '../../../support/model-builder.js';
import { openBytes } from '../../../support/open.js';
import { reestimateModel, scratch } from '../../../support/reestimate.js';

const folder = scratch();
after(() => rmSync(folder, { recursive: true }));

const random = seededRandom(4);
const data = path.join(folder, 'x.npy');
const values = Float32Array.from({ length: 24 * 3 * 4 }, () => random.normal() * 2 + 1);
writeFileSync(data, encodeNpy({ type: 'float32', shape: [24, 3, 4], data: values }));

const NAMES = ['g', 'b', 'm', 'v'];
const inner: readonly NodeSpec[] = [
	{ op: 'Abs', name: 'abs', inputs: ['in'], outputs: ['t'] },
	{ op: 'BatchNormalization', name: 'bn', inputs: ['t', ...NAMES], outputs: ['out'] },
];
const BLOCK: FunctionSpec = {
	name: 'Block',
	domain: 'local',
	inputs: ['in', ...NAMES],
	outputs: ['out'],
	nodes: inner,
};

const call = (name: string, input: string, output: string, parameters: readonly string[]): NodeSpec => ({
	op: 'Block',
	domain: 'local',
	name,
	inputs: [input, ...parameters],
	outputs: [output],
});

const own = (prefix: string) => NAMES.map((name) => `${prefix}${name}`);
const initializers: readonly TensorSpec[] = ['one', 'two'].flatMap((prefix, k) =>
	own(prefix).map((name, i) => ({ name, values: [1 + i, 2 + k, 0.5] })),
);

function model(nodes: readonly NodeSpec[], { functions = [BLOCK], ...spec }: Partial<ModelSpec> = {}): string {
	const file = path.join(folder, `${random.uniform()}.onnx`);
	const graph = { inputs: [{ name: 'x', shape: ['N', 3, 4] }], outputs: [{ name: 'y' }], initializers, nodes };
	writeFileSync(file, buildModel({ opset: 17, opsets: { local: 1 }, functions, ...spec, graph }));
	return file;
}

/** The same network without functions. */
const plain = (): string =>
	model(
		[
			{ op: 'Abs', inputs: ['x'], outputs: ['t1'] },
			{ op: 'BatchNormalization', name: 'first', inputs: ['t1', ...own('one')], outputs: ['a'] },
			{ op: 'Abs', inputs: ['a'], outputs: ['t2'] },
			{ op: 'BatchNormalization', name: 'second', inputs: ['t2', ...own('two')], outputs: ['y'] },
		],
		{ functions: [] },
	);

const numbers = (layers: readonly { readonly mean: Float64Array; readonly variance: Float64Array }[]) =>
	layers.map(({ mean, variance }) => [...mean, ...variance]);

for (const mode of ['batch', 'sequential'] as const) {
	test(`layers in functions get the statistics of their call, ${mode}`, async () => {
		const file = model([call('one', 'x', 'a', own('one')), call('two', 'a', 'y', own('two'))]);
		const output = `${file}.out.onnx`;
		const result = await reestimateModel(file, data, { batch: 8, mode, output });
		const expected = await reestimateModel(plain(), data, { batch: 8, mode });
		assert.deepEqual(result.kept, []);
		assert.equal(result.check.status, 'match', JSON.stringify(result.check));
		assert.deepEqual(numbers(result.statistics.layers), numbers(expected.statistics.layers));
		const { model: written, source } = await openBytes(readFileSync(output));
		assert.equal(written.functions.length, 1);
		const found = (await findLayers(written, { source })).map(({ mean, variance }) => ({
			mean: mean.values ?? new Float64Array(),
			variance: variance.values ?? new Float64Array(),
		}));
		assert.deepEqual(
			numbers(found),
			numbers(expected.statistics.layers).map((each) => each.map(Math.fround)),
		);
	});
}

test('calls that share parameters get statistics of their own, also through two functions', async () => {
	const outer: FunctionSpec = {
		...BLOCK,
		name: 'Outer',
		opsets: { local: 1, '': 17 },
		nodes: [call('inner', 'in', 'out', NAMES)],
	};
	const nodes = [call('one', 'x', 'a', own('one')), { ...call('two', 'a', 'y', own('one')), op: 'Outer' }];
	const file = model(nodes, { functions: [BLOCK, outer] });
	const output = `${file}.out.onnx`;
	const result = await reestimateModel(file, data, { batch: 8, output });
	assert.equal(result.check.status, 'match', JSON.stringify(result.check));
	const { model: written, source } = await openBytes(readFileSync(output));
	const [first, second] = await findLayers(written, { source });
	assert.notDeepEqual(first.mean.values, second.mean.values);
	assert.deepEqual(
		[first, second].map(({ mean }) => [...(mean.values ?? [])]),
		result.layers.map(({ after: { mean } }) => [...mean]),
	);
});

test('layers that share the constants of their function are kept, with the reason', async () => {
	const constants: readonly NodeSpec[] = NAMES.map((name) => ({
		op: 'Constant',
		inputs: [],
		outputs: [name],
		attributes: { value: { t: { values: [1, 2, 0.5] } } },
	}));
	const body: FunctionSpec = { ...BLOCK, inputs: ['in'], nodes: [...constants, ...inner] };
	const file = model([call('one', 'x', 'a', []), call('two', 'a', 'y', [])], { functions: [body] });
	await assert.rejects(
		reestimateModel(file, data, { batch: 8 }),
		/of 2 layers, cannot be re-estimated, because it is inside one, and its statistics belong to the function, not to a call of it/,
	);
});
