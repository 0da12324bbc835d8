/** Layers that fold forward through nodes that move elements or average them within a channel. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareModels } from '../../../../../src/core/folding/compare/compare.js';
import { planFold } from '../../../../../src/core/folding/rewrite/fold-model.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import { foldedModel } from '../../../support/folded.js';
import { runtime } from '../../../support/inspect.js';
import { buildModel, type NodeSpec, type TensorSpec } from '../../../support/model-builder.js';
import { openBytes } from '../../../support/open.js';

const [N, C] = [2, 3];

interface Step extends Pick<NodeSpec, 'op' | 'attributes'> {
	/** Values of a second input. */
	readonly integers?: readonly number[];
	readonly floats?: readonly number[];
}

interface Network {
	/** Between the layer and the operator. */
	readonly steps: readonly Step[];
	readonly end: {
		readonly op: 'Conv' | 'Gemm';
		readonly from: number;
		readonly pads?: number;
		readonly kernel?: number[];
	};
	readonly size: readonly [number, number];
	/** Sizes of the image that the file leaves open. */
	readonly isOpen?: boolean;
	readonly seed?: number;
	/** Another output of the graph: step index. */
	readonly alsoOutput?: number;
}

/** x (N, C, H, W), a layer, the steps, and a linear operator with 4 output channels. */
function build({ steps, end, size, isOpen, seed = 1, alsoOutput }: Network): Uint8Array {
	const random = seededRandom(seed);
	const initializers: TensorSpec[] = [];
	const constant = (name: string, dims: readonly number[], draw = random.normal) => {
		const values = Array.from({ length: dims.reduce((a, b) => a * b, 1) }, draw);
		initializers.push({ name, dims, values });
		return name;
	};
	const parameters = [
		constant('gamma', [C]),
		constant('beta', [C]),
		constant('mean', [C]),
		constant('variance', [C], () => 0.2 + random.uniform()),
	];
	const nodes: NodeSpec[] = [{ op: 'BatchNormalization', name: 'bn', inputs: ['x', ...parameters], outputs: ['t0'] }];
	for (const [index, { op, attributes, integers, floats }] of steps.entries()) {
		const second = integers ?? floats;
		if (second) {
			initializers.push({ name: `s${index}`, dtype: integers ? 'int64' : 'float32', values: [...second] });
		}
		nodes.push({
			op,
			name: `step${index}`,
			inputs: [`t${index}`, ...(second ? [`s${index}`] : [])],
			outputs: [`t${index + 1}`],
			...(attributes && { attributes }),
		});
	}
	const { op, from, pads = 0, kernel = [] } = end;
	const transB = seed % 2;
	const dims = op === 'Conv' ? [4, from, ...kernel] : transB ? [4, from] : [from, 4];
	const ends = { ints: kernel.flatMap(() => [pads, pads]) };
	nodes.push({
		op,
		name: 'end',
		inputs: [`t${steps.length}`, constant('w', dims), ...(seed % 3 ? [constant('b', [4])] : [])],
		outputs: ['y'],
		attributes: op === 'Conv' ? { pads: ends } : { transB: { i: transB } },
	});
	const shape = isOpen ? [N, C, null, null] : [N, C, ...size];
	const outputs = ['y', ...(alsoOutput === undefined ? [] : [`t${alsoOutput}`])];
	return buildModel({ opset: 13, graph: { inputs: [{ name: 'x', shape }], outputs, nodes, initializers } });
}

async function run(bytes: Uint8Array, [height, width]: readonly [number, number], seed: number): Promise<Float32Array> {
	const random = seededRandom(seed);
	const data = Float32Array.from({ length: N * C * height * width }, random.normal);
	const session = await runtime.createSession(bytes, { levels: ['disabled'] });
	const y = (await session.run(new Map([['x', { type: 'float32', dims: [N, C, height, width], data }]]), ['y'])).get(
		'y',
	);
	await session.release();
	assert.ok(y && y.data instanceof Float32Array);
	return y.data;
}

const ints = (...values: number[]) => ({ ints: values });
const HANDED_ON: readonly Step[] = [{ op: 'Identity' }, { op: 'Dropout' }];
const FLATTEN: Step = { op: 'Flatten', attributes: { axis: { i: 1 } } };
const LAST: Step = { op: 'Transpose', attributes: { perm: ints(0, 2, 3, 1) } };
const GLOBAL: Step = { op: 'GlobalAveragePool' };
const mean = (axes: readonly number[], keepdims = 1): Step => ({
	op: 'ReduceMean',
	attributes: { axes: { ints: axes }, keepdims: { i: keepdims } },
});
const average = (pads: number, include = 0): Step => ({
	op: 'AveragePool',
	attributes: { kernel_shape: ints(2, 2), pads: ints(pads, pads, pads, pads), count_include_pad: { i: include } },
});
const reshape = (...integers: number[]): Step => ({ op: 'Reshape', integers });

/** A random network whose layer folds. */
function drawn(seed: number): Network {
	const random = seededRandom(seed);
	const pick = <T>(list: readonly T[]): T => list[Math.floor(random.uniform() * list.length)];
	const size = [pick([2, 3, 4]), pick([2, 3, 5])] as const;
	const [pads, isPooled] = [pick([0, 1]), random.uniform() < 0.4];
	const before = [...(random.uniform() < 0.5 ? [pick(HANDED_ON)] : []), ...(isPooled ? [average(pads)] : [])];
	const [height, width] = size.map((extent) => (isPooled ? extent - 1 + 2 * pads : extent));
	const after = random.uniform() < 0.5 ? [pick(HANDED_ON)] : [];
	const all = C * height * width;
	const [steps, end] = pick<readonly [readonly Step[], Network['end']]>([
		[[], { op: 'Conv', from: C, kernel: [Math.min(2, height), 1] }],
		[[GLOBAL], { op: 'Conv', from: C, kernel: [1, 1] }],
		[[FLATTEN], { op: 'Gemm', from: all }],
		[[reshape(0, -1)], { op: 'Gemm', from: all }],
		[[reshape(N, C, -1), reshape(N, -1)], { op: 'Gemm', from: all }],
		[[LAST, FLATTEN], { op: 'Gemm', from: all }],
		[[GLOBAL, FLATTEN], { op: 'Gemm', from: C }],
		[[mean([2, 3], 0)], { op: 'Gemm', from: C }],
		[[mean([-1, 0])], { op: 'Conv', from: C, kernel: [1, 1] }],
		[[LAST, mean([1], 0), mean([-2], 0)], { op: 'Gemm', from: C }],
		[[GLOBAL, { op: 'Squeeze', integers: [2, 3] }], { op: 'Gemm', from: C }],
		[[reshape(N, C, height * width)], { op: 'Conv', from: C, kernel: [1] }],
		[[reshape(N, all, 1, 1)], { op: 'Conv', from: all, kernel: [1, 1] }],
	]);
	const isOpen = random.uniform() < 0.4 && !steps.some(({ integers }) => integers?.includes(N));
	return { steps: [...before, ...steps, ...after], end, size, isOpen, seed };
}

test('a layer folds forward through random paths, and both models compute the same', async () => {
	for (let seed = 0; seed < 80; seed++) {
		const network = drawn(seed);
		const [bytes, description] = [build(network), `seed ${seed}: ${JSON.stringify(network)}`];
		const { model, source } = await openBytes(bytes);
		const { folded, kept } = await planFold(model, { source });
		assert.deepEqual(folded, [{ name: 'bn', into: 'end' }], `${description}, kept ${JSON.stringify(kept)}`);
		const after = await foldedModel(bytes);
		const [a, b] = [await run(bytes, network.size, seed), await run(after, network.size, seed)];
		const largest = a.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
		// At most 200 products with weights and scales of a few: 200 roundings of 2^-24 of sums 10 times the result.
		const bound = 200 * 2 ** -24 * 10 * largest;
		a.forEach((value, index) => {
			assert.ok(Math.abs(value - b[index]) <= bound, `${description}: ${value} became ${b[index]}`);
		});
		const deployed = await openBytes(after);
		const { layers } = await compareModels(
			{ model, access: { source } },
			{ model: deployed.model, access: { source: deployed.source } },
		);
		assert.deepEqual(
			layers.map(({ status }) => status),
			['match'],
			`${description}: ${layers[0]?.evidence}`,
		);
	}
});

test('a layer stays where its shift or its channels do not reach the operator unchanged', async () => {
	const size = [4, 4] as const;
	const networks: readonly Network[] = [
		{ steps: [average(1, 1)], end: { op: 'Conv', from: C, kernel: [1, 1] }, size },
		{ steps: [GLOBAL], end: { op: 'Conv', from: C, kernel: [1, 1], pads: 1 }, size },
		{ steps: [{ op: 'Relu' }, FLATTEN], end: { op: 'Gemm', from: 16 * C }, size },
		{
			steps: [{ op: 'MaxPool', attributes: { kernel_shape: ints(4, 4) } }, FLATTEN],
			end: { op: 'Gemm', from: C },
			size,
		},
		// Channels lie across two axes of the result, or the images do.
		{ steps: [reshape(N, 1, C * 4, 4)], end: { op: 'Conv', from: 1, kernel: [1, 1] }, size },
		{ steps: [reshape(N * C, 16)], end: { op: 'Gemm', from: 16 }, size },
		{ steps: [FLATTEN], end: { op: 'Gemm', from: 16 * C }, size, alsoOutput: 1 },
		// A mean over channels has another scale and shift.
		{ steps: [mean([1])], end: { op: 'Conv', from: 1, kernel: [1, 1] }, size },
		{ steps: [{ op: 'ReduceMean' }, reshape(1, 1)], end: { op: 'Gemm', from: 1 }, size },
	];
	for (const network of networks) {
		const { model, source } = await openBytes(build(network));
		const { folded } = await planFold(model, { source });
		assert.deepEqual(folded, [], JSON.stringify(network));
	}
});
