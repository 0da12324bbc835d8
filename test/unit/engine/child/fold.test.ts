import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { compareModels } from '../../../../src/core/folding/compare/compare.js';
import type { FoldResult } from '../../../../src/core/report/fold-result.js';
import { fold } from '../../../../src/engine/child/fold.js';
import { loadRuntime } from '../../../../src/engine/child/runtime/runtime.js';
import { seededRandom } from '../../../../src/engine/child/tensors/random.js';
import { fixture } from '../../support/fixtures.js';
import { type LinearBlock, linearNetwork, linearZoo } from '../../support/linear-zoo.js';
import {
	buildModel,
	type GraphSpec,
	type NodeSpec,
	type TensorSpec,
	type ValueSpec,
} from '../../support/model-builder.js';
import { openBytes } from '../../support/open.js';
import { asHalf, specOf } from '../../support/respec.js';

const folder = mkdtempSync(path.join(tmpdir(), 'batchnorm-lens-fold-'));
after(() => rmSync(folder, { recursive: true }));

let files = 0;
/** Folds a model that is written to a file. */
async function foldBytes(bytes: Uint8Array, seed = 0): Promise<FoldResult> {
	const [model, output] = [path.join(folder, `${files}.onnx`), path.join(folder, `${files++}.folded.onnx`)];
	writeFileSync(model, bytes);
	const options = { output, temporary: `${output}.part`, batch: 1, seed };
	return fold({ path: model }, options, { runtime: loadRuntime, emit: () => {} });
}
const foldGraph = (graph: GraphSpec) => foldBytes(buildModel({ graph }));

/** "name: reasons" of each kept layer. */
const keptReasons = ({ kept }: FoldResult): string[] => kept.map(({ name, reasons }) => `${name}: ${reasons.join()}`);
const foldedNames = ({ folded }: FoldResult): string[] => folded.map(({ name }) => name);

const random = seededRandom(5);
const values = (count: number, draw = random.normal) => Array.from({ length: count }, draw);
const positive = () => 0.5 + random.uniform();
const parameters = (channels: number): TensorSpec[] => [
	{ name: 'g', values: values(channels, positive) },
	{ name: 'b', values: values(channels) },
	{ name: 'm', values: values(channels) },
	{ name: 'v', values: values(channels, positive) },
];
const batchNorm = (input: string, output = 'y'): NodeSpec => ({
	op: 'BatchNormalization',
	name: 'bn',
	inputs: [input, 'g', 'b', 'm', 'v'],
	outputs: [output],
});
const product: NodeSpec = { op: 'MatMul', name: 'product', inputs: ['x', 'W'], outputs: ['h'] };
/** Weight whose product with rank 2 has rank 3, so that axis 1 holds the rows of x. */
const stacked: TensorSpec = { name: 'W', dims: [1, 2, 3], values: values(6) };
const x = { name: 'x', shape: [3, 2] };

test('a product with a weight of rank 3 has its columns on axis 2, where no layer of axis 1 folds', async () => {
	const initializers = [stacked, ...parameters(3)];
	const alone = { inputs: [x], outputs: ['y'], initializers, nodes: [product, batchNorm('h')] };
	const identity = { op: 'Identity', inputs: ['W'], outputs: ['same'] };
	const through = [identity, { ...product, inputs: ['x', 'same'] }, batchNorm('h')];
	const noise = [
		{ op: 'RandomNormalLike', inputs: ['y'], outputs: ['n'] },
		{ op: 'Add', inputs: ['y', 'n'], outputs: ['z'] },
	];
	const notANumber = [
		{ op: 'Abs', inputs: ['x'], outputs: ['a'] },
		{ op: 'Neg', inputs: ['a'], outputs: ['c'] },
		{ op: 'Log', inputs: ['c'], outputs: ['z'] },
	];
	const graphs: Record<string, GraphSpec> = {
		alone,
		'through Identity, of an open batch': { ...alone, inputs: [{ name: 'x', shape: ['N', 2] }], nodes: through },
		'beside a random operator': { ...alone, outputs: ['z'], nodes: [...alone.nodes, ...noise] },
		'beside an output that is not a number': { ...alone, outputs: ['y', 'z'], nodes: [...alone.nodes, ...notANumber] },
		'in a branch that is not taken': branching([product, batchNorm('h')], initializers),
	};
	for (const [name, graph] of Object.entries(graphs)) {
		const result = await foldGraph(graph);
		assert.deepEqual([result.written, keptReasons(result)], [null, ['bn: rank']], name);
	}
});

/** A graph that runs `nodes`, whose result is `y`, only for an x above 100. */
function branching(
	nodes: readonly NodeSpec[],
	initializers: readonly TensorSpec[],
	valueInfo: readonly ValueSpec[] = [],
): GraphSpec {
	const taken = { nodes, outputs: ['y'], valueInfo };
	const other = { nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['e'] }], outputs: ['e'] };
	return {
		inputs: [x],
		outputs: ['out'],
		initializers: [{ name: 'limit', dims: [], values: [100] }, ...initializers],
		nodes: [
			{ op: 'ReduceMax', inputs: ['x'], outputs: ['most'], attributes: { keepdims: { i: 0 } } },
			{ op: 'Greater', inputs: ['most', 'limit'], outputs: ['condition'] },
			{
				op: 'If',
				name: 'choice',
				inputs: ['condition'],
				outputs: ['out'],
				attributes: { then_branch: { g: taken }, else_branch: { g: other } },
			},
		],
	};
}

test('a shape that the file declares needs a run as its proof', async () => {
	// No inference of ours follows CumSum.
	const sums = { op: 'CumSum', inputs: ['x', 'zero'], outputs: ['s'] };
	const nodes = [sums, { ...product, inputs: ['s', 'W'] }, batchNorm('h')];
	const zero: TensorSpec = { name: 'zero', dtype: 'int64', dims: [], values: [0] };
	const initializers = [zero, { name: 'W', dims: [2, 3], values: values(6) }, ...parameters(3)];
	const declares = (shape: readonly number[]) => [{ name: 'h', shape: [...shape] }];
	const graph = (input: readonly number[], declared: readonly number[]): GraphSpec => ({
		inputs: [{ name: 'x', shape: [...input] }],
		outputs: ['y'],
		initializers,
		nodes,
		valueInfo: declares(declared),
	});
	const right = await foldGraph(graph([3, 2], [3, 3]));
	assert.deepEqual([foldedNames(right), right.folded[0]?.unverified], [['bn'], undefined]);
	for (const [name, stale] of Object.entries({
		'stale shape': graph([4, 3, 2], [3, 3]),
		// The branch never runs, so nothing shows the shape in it.
		'branch that is not taken': branching(nodes, initializers, declares([3, 3])),
	})) {
		const result = await foldGraph(stale);
		assert.deepEqual([result.written, result.folded], [null, []], name);
		assert.match(keptReasons(result).join(), /^bn: (unproven-shape|failed-verification)$/, name);
	}
	const undeclared = await foldGraph({ ...graph([3, 2], [3, 3]), valueInfo: [] });
	assert.deepEqual(foldedNames(undeclared), ['bn'], 'a run shows rank 2');
	const higher = await foldGraph({ ...graph([4, 3, 2], [3, 3]), valueInfo: [] });
	assert.deepEqual(foldedNames(higher), [], 'a run shows rank 3');
});

test('a fold is verified by itself if the outputs of the model cannot show it', async () => {
	const weight = { name: 'W', dims: [2, 3], values: values(6) };
	const initializers = [weight, ...parameters(3)];
	const taken = await foldGraph(branching([product, batchNorm('h')], initializers));
	assert.deepEqual(taken.folded, [{ name: 'bn', into: 'product' }], 'in a branch that is not taken');
	const refused: NodeSpec = { op: 'Unheard', domain: 'com.example', inputs: ['y'], outputs: ['z'] };
	const nodes = [product, batchNorm('h'), refused];
	const bytes = buildModel({
		opsets: { 'com.example': 1 },
		graph: { inputs: [x], outputs: ['z'], initializers, nodes },
	});
	const alone = await foldBytes(bytes);
	assert.deepEqual(alone.folded, [{ name: 'bn', into: 'product' }], 'in a model that the runtime refuses');
	assert.equal(alone.outputs.status, 'skipped');
});

/** Folds `conv` and the layer behind `between`, and compares the file with the original. */
async function foldBehindConv(between: readonly NodeSpec[], more: readonly TensorSpec[] = [], bias = 'bias') {
	const initializers: TensorSpec[] = [{ name: 'K', dims: [3, 2, 3, 3], values: values(54) }, ...more, ...parameters(3)];
	const conv: NodeSpec = { op: 'Conv', name: 'conv', inputs: ['x', 'K', bias], outputs: ['h'] };
	const isInFront = ({ outputs = [] }: NodeSpec) => outputs.includes(bias);
	const nodes = [
		...between.filter(isInFront),
		conv,
		...between.filter((node) => !isInFront(node)),
		batchNorm(between.find((node) => !isInFront(node))?.outputs?.[0] ?? 'h'),
		{ op: 'Relu', inputs: ['y'], outputs: ['r'] },
	];
	const image = { name: 'x', shape: [2, 2, 6, 6] };
	const bytes = buildModel({ opset: 15, graph: { inputs: [image], outputs: ['r'], initializers, nodes } });
	const result = await foldBytes(bytes);
	const verdict = result.written
		? (await compareModels(await compared(bytes), await compared(readFileSync(result.written.path)))).layers[0]?.status
		: undefined;
	return { result, verdict };
}

test('a layer behind an average of its channels, or a Dropout that is off, folds', async () => {
	const shared = [
		{ name: 'bias', values: values(3) },
		{ name: 'ratio', dims: [], values: [0.5] },
	];
	const flag: TensorSpec = { name: 'training', dtype: 'bool', dims: [], values: [1] };
	const outputs = ['between'];
	const cases: Record<string, readonly [NodeSpec, boolean]> = {
		average: [{ op: 'GlobalAveragePool', inputs: ['h'], outputs }, true],
		'mean of the image': [{ op: 'ReduceMean', inputs: ['h'], outputs, attributes: { axes: { ints: [2, 3] } } }, true],
		'mean of the channels': [{ op: 'ReduceMean', inputs: ['h'], outputs, attributes: { axes: { ints: [1] } } }, false],
		'Dropout that is off': [{ op: 'Dropout', inputs: ['h', 'ratio'], outputs }, true],
		'Dropout in training': [{ op: 'Dropout', inputs: ['h', 'ratio', 'training'], outputs }, false],
		'largest element': [{ op: 'GlobalMaxPool', inputs: ['h'], outputs }, false],
	};
	for (const [name, [node, folds]] of Object.entries(cases)) {
		const { result, verdict } = await foldBehindConv([node], [...shared, flag]);
		assert.deepEqual(foldedNames(result), folds ? ['bn'] : [], name);
		assert.equal(verdict, folds ? 'match' : undefined, name);
	}
});

test('a bias that is a constant expression takes the shift', async () => {
	const three: TensorSpec = { name: 'three', dtype: 'int64', values: [3] };
	const one = { name: 'one', dims: [1], values: [0.7] };
	const column = { name: 'column', dims: [3, 1], values: [1, 2, 3] };
	const wide: TensorSpec = { name: 'wide', dtype: 'float64', values: [1, 2, 3] };
	const outputs = ['bias'];
	const expressions: Record<string, NodeSpec> = {
		Expand: { op: 'Expand', inputs: ['one', 'three'], outputs },
		Reshape: { op: 'Reshape', inputs: ['column', 'three'], outputs },
		Cast: { op: 'Cast', inputs: ['wide'], outputs, attributes: { to: { i: 1 } } },
		CastLike: { op: 'CastLike', inputs: ['wide', 'one'], outputs },
		ConstantOfShape: { op: 'ConstantOfShape', inputs: ['three'], outputs },
	};
	for (const [name, node] of Object.entries(expressions)) {
		const { result, verdict } = await foldBehindConv([node], [three, one, column, wide]);
		assert.deepEqual([foldedNames(result), verdict, result.outputs.status], [['bn'], 'match', 'match'], name);
	}
});

test('weights that the element type cannot hold are left alone', async () => {
	const initializers: TensorSpec[] = [
		{ name: 'W', dtype: 'float16', dims: [2, 2], values: [6e4, 1, 1, 1] },
		...['g', 'b', 'm', 'v'].map(
			(name): TensorSpec => ({ name, dtype: 'float16', values: name === 'g' ? [2, 1] : [1, 1] }),
		),
	];
	const inputs: ValueSpec[] = [{ name: 'x', dtype: 'float16', shape: [3, 2] }];
	const result = await foldGraph({ inputs, outputs: ['y'], initializers, nodes: [product, batchNorm('h')] });
	assert.deepEqual([result.written, keptReasons(result)], [null, ['bn: overflow']]);
});

/** Identity layers, as a framework initializes them. */
const untrained = (name: string, channels: number): TensorSpec[] => [
	{ name: `${name}.g`, values: new Array<number>(channels).fill(1) },
	{ name: `${name}.b`, values: new Array<number>(channels).fill(0) },
	{ name: `${name}.m`, values: new Array<number>(channels).fill(0) },
	{ name: `${name}.v`, values: new Array<number>(channels).fill(1) },
];

/** A network of DenseNet's kind before training: a stem, and blocks whose inputs are concatenated. */
function untrainedDenseNet(blocks: number, channels: number): GraphSpec {
	const nodes: NodeSpec[] = [];
	const initializers: TensorSpec[] = [];
	const add = (op: string, inputs: readonly string[], output: string, attributes: NodeSpec['attributes'] = {}) => {
		nodes.push({ op, name: `${op}_${output}`, inputs, outputs: [output], attributes });
		return output;
	};
	const conv = (input: string, from: number, to: number, output: string) => {
		initializers.push({ name: `${output}.w`, dims: [to, from, 1, 1], values: values(to * from) });
		return add('Conv', [input, `${output}.w`], output);
	};
	const norm = (input: string, size: number, output: string) => {
		initializers.push(...untrained(output, size));
		return add('BatchNormalization', [input, ...['g', 'b', 'm', 'v'].map((key) => `${output}.${key}`)], output);
	};
	const stem = add('Relu', [norm(conv('x', 3, channels, 'c0'), channels, 'n0')], 'r0');
	let [tensor, width] = [add('MaxPool', [stem], 'p0', { kernel_shape: { ints: [2, 2] } }), channels];
	for (let block = 1; block <= blocks; block++) {
		const before = add('Relu', [norm(tensor, width, `n${block}a`)], `r${block}a`);
		const inside = norm(conv(before, width, channels, `c${block}a`), channels, `n${block}b`);
		const grown = conv(add('Relu', [inside], `r${block}b`), channels, channels, `c${block}b`);
		tensor = add('Concat', [tensor, grown], `k${block}`, { axis: { i: 1 } });
		width += channels;
	}
	norm(tensor, width, 'last');
	return { inputs: [{ name: 'x', shape: [1, 3, 6, 6] }], outputs: ['last'], initializers, nodes };
}

test('layers with equal parameters fold correctly, also if some of them stay', async () => {
	for (const [blocks, channels] of [
		[1, 4],
		[2, 4],
		[3, 8],
	] as const) {
		const bytes = buildModel({ graph: untrainedDenseNet(blocks, channels) });
		const result = await foldBytes(bytes);
		assert.deepEqual(foldedNames(result).length, 1 + blocks, `${blocks} blocks`);
		const deployed = readFileSync(result.written?.path ?? '');
		const { layers } = await compareModels(await compared(bytes), await compared(deployed));
		const folded = new Set(foldedNames(result));
		for (const { name, status, evidence } of layers) {
			assert.equal(status, folded.has(name) ? 'match' : 'kept', `${blocks} blocks, ${name}: ${evidence}`);
		}
	}
});

async function compared(bytes: Uint8Array) {
	const { model, source } = await openBytes(bytes);
	return { model, access: { source } };
}

test('outputs of a Sigmoid near 0, and of a deep network with three inputs, match the original', async () => {
	const deep: LinearBlock[] = Array.from({ length: 16 }, () => ({ op: 'Conv', channels: 6, relu: true }));
	const wide: LinearBlock[] = [
		{ op: 'Gemm', channels: 64, relu: true },
		{ op: 'Gemm', channels: 4 },
	];
	const graph = (await specOf(await openBytes(linearNetwork(wide, { seed: 1, batch: 1 })))).graph;
	const nodes: NodeSpec[] = [
		...(graph.nodes ?? []),
		{ op: 'Sub', inputs: ['y', 'far'], outputs: ['low'] },
		{ op: 'Sigmoid', inputs: ['low'], outputs: ['z'] },
	];
	const far: TensorSpec = { name: 'far', values: [12] };
	const sigmoid = buildModel({
		opset: 15,
		graph: { ...graph, nodes, outputs: ['z'], initializers: [...(graph.initializers ?? []), far] },
	});
	for (const [name, bytes] of Object.entries({ sigmoid, deep: linearNetwork(deep, { seed: 2, batch: 1 }) })) {
		for (let seed = 0; seed < 10; seed++) {
			const { outputs } = await foldBytes(bytes, seed);
			assert.equal(outputs.status, 'match', `${name}, seed ${seed}: ${JSON.stringify(outputs)}`);
		}
	}
});

test('outputs that are random or not a number are named, and the others still compared', async () => {
	const initializers = [{ name: 'W', dims: [2, 3], values: values(6) }, ...parameters(3)];
	const noise: NodeSpec[] = [{ op: 'RandomNormalLike', inputs: ['y'], outputs: ['n'] }];
	const log: NodeSpec[] = [
		{ op: 'Mul', inputs: ['y', 'y'], outputs: ['square'] },
		{ op: 'Neg', inputs: ['square'], outputs: ['negative'] },
		{ op: 'Log', inputs: ['negative'], outputs: ['n'] },
	];
	for (const [nodes, reason] of [
		[noise, /"n" is random/],
		[log, /"n" is not finite/],
	] as const) {
		const graph = { inputs: [x], outputs: ['y', 'n'], initializers, nodes: [product, batchNorm('h'), ...nodes] };
		const { folded, outputs } = await foldGraph(graph);
		assert.deepEqual(folded, [{ name: 'bn', into: 'product' }]);
		assert.equal(outputs.status, 'skipped');
		assert.match(outputs.reason ?? '', reason);
		assert.ok((outputs.maxAbs ?? 1) <= (outputs.bound ?? 0), 'y is compared');
	}
	const onlyNoise = { inputs: [x], outputs: ['n'], initializers, nodes: [product, batchNorm('h'), ...noise] };
	assert.match((await foldGraph(onlyNoise)).outputs.reason ?? '', /random, because of RandomNormalLike/);
});

test('random networks: what is folded was verified, and gives the outputs of the original', async () => {
	let folded = 0;
	for (const { bytes, description } of [...linearZoo(40), ...linearZoo(40, { chains: true })]) {
		const result = await foldBytes(bytes);
		folded += result.folded.length;
		assert.deepEqual(
			result.folded.filter(({ unverified }) => unverified !== undefined),
			[],
			description,
		);
		assert.ok(
			result.kept.every(({ reasons }) => reasons.length > 0 && !reasons.includes('failed-verification')),
			description,
		);
		assert.notEqual(result.written === null, result.outputs.status === 'match', description);
		assert.ok(result.written === null || readFileSync(result.written.path).length === result.written.bytes);
	}
	assert.ok(folded > 80, `${folded} folded`);
});

test('networks in float16 fold, and each folded operator passes', async () => {
	for (const name of ['plain_cnn', 'depthwise', 'generator', 'preact', 'conv1d']) {
		const original = readFileSync(fixture(`${name}.onnx`));
		const whole = await foldBytes(original);
		const half = buildModel(asHalf(await specOf(await openBytes(original))));
		for (const seed of [0, 1, 2]) {
			const result = await foldBytes(half, seed);
			assert.deepEqual(foldedNames(result), foldedNames(whole), `${name}, seed ${seed}: ${keptReasons(result)}`);
			assert.ok(
				result.folded.every(({ unverified }) => unverified === undefined),
				name,
			);
			assert.equal(result.outputs.status, 'match', `${name}, seed ${seed}`);
		}
	}
});

test('a fold through pooling and Flatten is verified, also where the file leaves sizes open', async () => {
	for (const sizes of [
		[4, 5],
		[null, null],
	]) {
		const kernel = { kernel_shape: { ints: [2, 2] }, pads: { ints: [1, 1, 0, 0] } };
		const forward = await foldGraph({
			inputs: [{ name: 'x', shape: [1, 3, ...sizes] }],
			outputs: ['y'],
			initializers: [...parameters(3), { name: 'w', dims: [5, 3], values: values(15) }],
			nodes: [
				batchNorm('x', 'n'),
				{ op: 'AveragePool', inputs: ['n'], outputs: ['p'], attributes: kernel },
				{ op: 'GlobalAveragePool', inputs: ['p'], outputs: ['q'] },
				{ op: 'Flatten', inputs: ['q'], outputs: ['f'] },
				{ op: 'Gemm', name: 'gemm', inputs: ['f', 'w'], outputs: ['y'], attributes: { transB: { i: 1 } } },
			],
		});
		assert.deepEqual(forward.folded, [{ name: 'bn', into: 'gemm' }]);
		const back = await foldGraph({
			inputs: [{ name: 'x', shape: [1, 3, ...sizes] }],
			outputs: ['y'],
			initializers: [...parameters(5), { name: 'w', dims: [5, 3, 1, 1], values: values(15) }],
			nodes: [
				{ op: 'Conv', name: 'conv', inputs: ['x', 'w'], outputs: ['c'] },
				{ op: 'AveragePool', inputs: ['c'], outputs: ['p'], attributes: kernel },
				batchNorm('p'),
			],
		});
		assert.deepEqual(back.folded, [{ name: 'bn', into: 'conv' }]);
		assert.equal(back.outputs.status, 'match');
	}
});
