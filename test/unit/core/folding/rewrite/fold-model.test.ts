import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareModels } from '../../../../../src/core/folding/compare/compare.js';
import { planFold } from '../../../../../src/core/folding/rewrite/fold-model.js';
import type { FoldChoices } from '../../../../../src/core/folding/targets/fold-steps.js';
import type { Node } from '../../../../../src/core/onnx/model.js';
import { readModel } from '../../../../../src/core/onnx/read/reader.js';
import { memorySource } from '../../../../../src/core/onnx/source.js';
import { readTensor } from '../../../../../src/core/onnx/tensor/tensor.js';
import { planEdits, renderEdits } from '../../../../../src/core/onnx/write/edit.js';
import { rawElements } from '../../../support/elements.js';
import { openFixture } from '../../../support/fixtures.js';
import type { ModelSpec, NodeSpec, TensorSpec } from '../../../support/model-builder.js';
import { type OpenModel, open, openBytes } from '../../../support/open.js';
import {
	asConstantNodes,
	asExpressions,
	asHalf,
	asQuantized,
	specOf,
	withIdentities,
} from '../../../support/respec.js';

interface Folded extends OpenModel {
	readonly folded: readonly string[];
	/** "name: reason, reason" */
	readonly kept: readonly string[];
}

async function fold({ model, source }: OpenModel, choices: FoldChoices = {}): Promise<Folded> {
	const { edits, folded, kept } = await planFold(model, { source }, choices);
	const chunks: Uint8Array[] = [];
	for await (const chunk of renderEdits(await planEdits(source, edits), source)) {
		chunks.push(chunk.slice());
	}
	return {
		...(await openBytes(Uint8Array.from(Buffer.concat(chunks)))),
		folded: folded.map(({ name, into }) => `${name} into ${into}`),
		kept: kept.map(({ name, reasons }) => `${name}: ${reasons.join(', ')}`),
	};
}

/** The statuses of the layers when the folded model is compared with what it was made from. */
async function verdicts(original: OpenModel, folded: OpenModel): Promise<string> {
	const { layers } = await compareModels(
		{ model: original.model, access: { source: original.source } },
		{ model: folded.model, access: { source: folded.source } },
	);
	return layers.map(({ status }) => status).join(' ');
}

const operators = ({ model }: OpenModel) => model.graph.nodes.map(({ opType }) => opType).join(' ');

/** Every name that a node reads is there: an input, an initializer or another node's output. */
function assertComplete({ model }: OpenModel): void {
	const { graph } = model;
	const known = new Set(['', ...graph.inputs.map(({ name }) => name), ...graph.initializers.keys()]);
	for (const { inputs, outputs } of graph.nodes) {
		for (const input of inputs) {
			assert.ok(known.has(input), `${input} is written before it is read`);
		}
		for (const output of outputs) {
			known.add(output);
		}
	}
	const read = new Set([...graph.nodes.flatMap(({ inputs }) => inputs), ...graph.outputs.map(({ name }) => name)]);
	for (const name of graph.initializers.keys()) {
		assert.ok(read.has(name), `${name} is read by somebody`);
	}
	for (const { name } of graph.outputs) {
		assert.ok(known.has(name), `the output ${name} is written`);
	}
}

test('folds every foldable layer of every fixture, also layers that PyTorch leaves', async () => {
	const left = {
		plain_cnn: '',
		depthwise: '',
		generator: '',
		mlp: '',
		conv1d: '',
		conv3d: '',
		preact: 'several-consumers operator-between operator-between',
	};
	for (const [name, reasons] of Object.entries(left)) {
		const original = await openFixture(`${name}.onnx`);
		const folded = await fold(original);
		assertComplete(folded);
		assert.equal(folded.kept.map((layer) => layer.replace(/^.*: /, '')).join(' '), reasons, name);
		const expected = reasons === '' ? /^match( match)*$/ : /^kept match kept match kept$/;
		assert.match(await verdicts(original, folded), expected, name);
	}
});

test('parts that are not folded keep their bytes', async () => {
	const original = await openFixture('preact.onnx');
	const folded = await fold(original);
	const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');
	const slice = ({ bytes }: OpenModel, { span }: Node) => text(bytes.subarray(span.offset, span.offset + span.length));
	const whole = text(folded.bytes);
	// Conv in front of a folded layer is rewritten, and nothing else.
	const changed = original.model.graph.nodes.filter((node) => !whole.includes(slice(original, node)));
	assert.deepEqual(
		changed.map(({ opType }) => opType),
		['Conv', 'BatchNormalization', 'Conv', 'BatchNormalization'],
	);
	assert.equal(folded.model.producerName, original.model.producerName);
	assert.deepEqual(folded.model.opsetImports, original.model.opsetImports);
	const untouched = original.model.graph.initializers.get('1.bn1.weight');
	assert.ok(
		untouched &&
			whole.includes(
				text(original.bytes.subarray(untouched.span.offset, untouched.span.offset + untouched.span.length)),
			),
	);
});

test('a model without a foldable layer stays unchanged', async () => {
	const original = await openFixture('plain_cnn.folded.onnx');
	assert.ok(Buffer.from((await fold(original)).bytes).equals(original.bytes));
});

test('a second fold changes no byte', async () => {
	const folded = await fold(await openFixture('generator.onnx'));
	assert.deepEqual((await fold(folded)).bytes, folded.bytes);
});

const WAYS: Readonly<Record<string, (spec: ModelSpec) => ModelSpec>> = {
	'Constant nodes': asConstantNodes,
	'constant expressions': asExpressions,
	'Identity nodes': withIdentities,
};

test('weights and parameters that are not plain initializers', async () => {
	for (const [way, change] of Object.entries(WAYS)) {
		for (const name of ['plain_cnn', 'generator', 'mlp']) {
			const original = await open(change(await specOf(await openFixture(`${name}.onnx`))));
			const folded = await fold(original);
			assertComplete(folded);
			assert.equal(folded.kept.length, 0, `${name}: ${way}`);
			assert.match(await verdicts(original, folded), /^match( match)*$/, `${name}: ${way}`);
			assert.ok(!operators(folded).includes('BatchNormalization'));
		}
	}
});

test('float16 weights stay float16, rounded once', async () => {
	const original = await open(asHalf(await specOf(await openFixture('plain_cnn.onnx'))));
	const folded = await fold(original);
	assert.equal(await verdicts(original, folded), 'match match match');
	const weight = folded.model.graph.initializers.get('0.weight');
	assert.equal(weight?.dataType, 10);
});

test('weights kept as integers are not folded: that would be another model', async () => {
	const original = await open(asQuantized(await specOf(await openFixture('plain_cnn.onnx'))));
	const folded = await fold(original);
	assert.deepEqual(folded.bytes, original.bytes);
	assert.ok(folded.kept.every((layer) => layer.endsWith(': mixed-types')));
});

const C = 2;
const CONSTANTS: readonly TensorSpec[] = [
	{ name: 'w', dims: [C, C, 1, 1], values: [1, 2, 3, 4] },
	{ name: 'm', dims: [C, C], values: [1, 2, 3, 4] },
	{ name: 'b', values: [0.5, -0.5] },
	{ name: 'g', values: [2, 3] },
	{ name: 't', values: [1, -1] },
	{ name: 'u', values: [0.25, 4] },
	{ name: 'v', values: [4, 9] },
];
const node = (op: string, inputs: string, output: string, attributes: NodeSpec['attributes'] = {}): NodeSpec => ({
	op,
	name: `${op} ${output}`,
	inputs: inputs.split(' '),
	outputs: [output],
	attributes,
});
const norm = (input: string, output: string) =>
	node('BatchNormalization', `${input} g t u v`, output, { epsilon: { f: 0 } });
const IMAGE = ['N', C, 4, 4];
const ROWS = ['N', C];

/** A model of these nodes, with the constants that they read. */
async function small(
	nodes: readonly NodeSpec[],
	shape: readonly (string | number)[],
	spec: Partial<ModelSpec> = {},
): Promise<OpenModel> {
	const used = new Set(nodes.flatMap(({ inputs }) => inputs ?? []));
	const initializers = CONSTANTS.filter(({ name = '' }) => used.has(name));
	return open({
		opset: 15,
		...spec,
		graph: { nodes, initializers, inputs: [{ name: 'x', shape }], outputs: ['y'], ...spec.graph },
	});
}

async function values({ model, source }: OpenModel, name: string): Promise<number[]> {
	const record = model.graph.initializers.get(name);
	assert.ok(record, name);
	return Array.from((await readTensor(record, { source })).data);
}

test('the numbers of a small fold, by hand: s = g / sqrt(v), bias (b - u) s + t', async () => {
	const folded = await fold(await small([node('Conv', 'x w b', 'c'), norm('c', 'y')], IMAGE));
	assert.deepEqual(folded.folded, ['BatchNormalization y into Conv c']);
	assert.equal(operators(folded), 'Conv');
	assert.deepEqual(folded.model.graph.nodes[0].outputs, ['y']);
	assert.deepEqual([...folded.model.graph.initializers.keys()].sort(), ['b', 'w']);
	assert.deepEqual(await values(folded, 'w'), [1, 2, 3, 4]);
	assert.deepEqual(await values(folded, 'b'), [1.25, -5.5]);
});

test('an operator without bias gets a bias', async () => {
	const folded = await fold(await small([node('Conv', 'x w', 'c'), norm('c', 'y')], IMAGE));
	const [conv] = folded.model.graph.nodes;
	assert.equal(conv.inputs.length, 3);
	assert.deepEqual(await values(folded, conv.inputs[2]), [0.75, -5]);
});

test('a product without bias leaves an Add in place of the layer; a product with an Add keeps it', async () => {
	const bare = await fold(await small([node('MatMul', 'x m', 'p'), norm('p', 'y')], ROWS));
	assert.equal(operators(bare), 'MatMul Add');
	assert.deepEqual(await values(bare, bare.model.graph.nodes[1].inputs[1]), [0.75, -5]);
	const added = await fold(await small([node('MatMul', 'x m', 'p'), node('Add', 'b p', 'a'), norm('a', 'y')], ROWS));
	assert.equal(operators(added), 'MatMul Add');
	assert.deepEqual(added.model.graph.nodes[1].outputs, ['y']);
	assert.deepEqual(await values(added, 'b'), [1.25, -5.5]);
});

test('Gemm keeps alpha and beta, and its constants make up for them', async () => {
	const gemm = node('Gemm', 'x m b', 'c', { alpha: { f: 0.5 }, beta: { f: 2 } });
	const original = await small([gemm, norm('c', 'y')], ROWS);
	const folded = await fold(original);
	// C = ((2 b - u) s + t) / 2, and the weight is scaled as it is.
	assert.deepEqual(await values(folded, 'b'), [((1 - 0.25) * 1 + 1) / 2, ((-1 - 4) * 1 - 1) / 2]);
	assert.equal(await verdicts(original, folded), 'match');
	const ignored = await small([{ ...gemm, attributes: { beta: { f: 0 } } }, norm('c', 'y')], ROWS);
	assert.equal(operators(await fold(ignored)), 'Gemm Add', 'a bias that Gemm ignores cannot carry anything');
});

test('an Add in front of the layer goes into the operator’s own bias', async () => {
	const nodes = [node('Conv', 'x w b', 'c'), node('Identity', 'c', 'i'), node('Add', 'i k', 'a'), norm('a', 'y')];
	const constant: TensorSpec = { name: 'k', dims: [1, C, 1, 1], values: [10, 20] };
	const initializers = [...CONSTANTS.filter(({ name = '' }) => 'wbgtuv'.includes(name)), constant];
	const original = await small(nodes, IMAGE, {
		graph: { nodes, initializers, inputs: [{ name: 'x', shape: IMAGE }], outputs: ['y'] },
	});
	const folded = await fold(original);
	assertComplete(folded);
	assert.equal(operators(folded), 'Conv Identity');
	assert.deepEqual(await values(folded, 'b'), [11.25, 14.5]);
});

test('a weight that another node reads is copied, and the other node keeps its own', async () => {
	const nodes = [node('Conv', 'x w', 'c'), norm('c', 'n'), node('Conv', 'n w', 'y')];
	const folded = await fold(await small(nodes, IMAGE));
	assertComplete(folded);
	const [first, second] = folded.model.graph.nodes;
	assert.notEqual(first.inputs[1], 'w');
	assert.equal(second.inputs[1], 'w');
	assert.deepEqual(await values(folded, 'w'), [1, 2, 3, 4]);
});

test('a weight that two folded operators share is copied for both, and the original goes', async () => {
	const nodes = [node('Conv', 'x w', 'c'), norm('c', 'n'), node('Conv', 'n w', 'd'), norm('d', 'y')];
	const original = await small(nodes, IMAGE);
	const folded = await fold(original);
	assertComplete(folded);
	assert.equal(operators(folded), 'Conv Conv');
	assert.equal(await verdicts(original, folded), 'match match');
});

test('a layer in front of an unpadded convolution goes forward', async () => {
	const original = await small([norm('x', 'n'), node('Conv', 'n w b', 'y')], IMAGE);
	const folded = await fold(original);
	assertComplete(folded);
	assert.equal(operators(folded), 'Conv');
	assert.deepEqual(folded.model.graph.nodes[0].inputs[0], 'x');
	assert.equal(await verdicts(original, folded), 'match');
	const padded = await small([norm('x', 'n'), node('Conv', 'n w b', 'y', { pads: { ints: [1, 1, 1, 1] } })], IMAGE);
	assert.deepEqual((await fold(padded)).kept, ['BatchNormalization n: no-linear-operator, padded-forward-fold']);
});

test('a layer in front and a layer behind, into the same convolution', async () => {
	const original = await small([norm('x', 'n'), node('Conv', 'n w b', 'c'), norm('c', 'y')], IMAGE);
	const folded = await fold(original);
	assert.equal(operators(folded), 'Conv');
	assert.equal(await verdicts(original, folded), 'match match');
});

test('through a reshape and a transpose', async () => {
	const shape: TensorSpec = { name: 'shape', dims: [3], dtype: 'int64', values: [2, 3, C] };
	const nodes = [
		node('MatMul', 'x m', 'p'),
		node('Reshape', 'p shape', 'q'),
		node('Transpose', 'q', 'r', { perm: { ints: [0, 2, 1] } }),
		norm('r', 'n'),
		node('Relu', 'n', 'y'),
	];
	const initializers = [...CONSTANTS.filter(({ name = '' }) => 'mgtuv'.includes(name)), shape];
	const graph = {
		nodes,
		initializers,
		inputs: [{ name: 'x', shape: [6, C] }],
		outputs: ['y'],
		valueInfo: [{ name: 'r', shape: [2, C, 3] }],
	};
	const original = await small(nodes, [6, C], { graph });
	const folded = await fold(original);
	assertComplete(folded);
	assert.equal(operators(folded), 'MatMul Reshape Transpose Add Relu');
	assert.deepEqual(await values(folded, 'm'), [1, 2, 3, 4]);
	assert.equal(await verdicts(original, folded), 'match');
});

test('a layer written as Sub, Div, Mul and Add goes with all of its nodes', async () => {
	const column = (name: string, list: readonly number[]): TensorSpec => ({ name, dims: [1, C, 1, 1], values: list });
	const nodes = [
		node('Conv', 'x w b', 'c'),
		node('Sub', 'c cu', 'd'),
		node('Div', 'd cs', 'e'),
		node('Mul', 'e cg', 'f'),
		node('Add', 'f ct', 'n'),
		node('Relu', 'n', 'y'),
	];
	const initializers = [
		...CONSTANTS.slice(0, 3),
		column('cu', [0.25, 4]),
		column('cs', [2, 3]),
		column('cg', [2, 3]),
		column('ct', [1, -1]),
	];
	const original = await small(nodes, IMAGE, {
		graph: {
			nodes,
			initializers: initializers.filter(({ name }) => name !== 'm'),
			inputs: [{ name: 'x', shape: IMAGE }],
			outputs: ['y'],
		},
	});
	const folded = await fold(original);
	assertComplete(folded);
	assert.equal(operators(folded), 'Conv Relu');
	assert.deepEqual(await values(folded, 'b'), [1.25, -5.5]);
});

test('IR version 3: a removed initializer is also removed from the inputs', async () => {
	const nodes = [node('Conv', 'x w b', 'c'), norm('c', 'y')];
	const initializers = CONSTANTS.filter(({ name }) => name !== 'm');
	const inputs = [
		{ name: 'x', shape: IMAGE },
		...initializers.map(({ name = '', values: list = [], dims }) => ({ name, shape: dims ?? [list.length] })),
	];
	const original = await open({ irVersion: 3, opset: 9, graph: { nodes, initializers, inputs, outputs: ['y'] } });
	const folded = await fold(original);
	assert.deepEqual(folded.model.graph.inputs.map(({ name }) => name).sort(), ['b', 'w', 'x']);
});

test('quantization annotations of changed tensors are removed, all other annotations stay', async () => {
	const nodes = [
		node('Conv', 'x w b', 'c'),
		node('Identity', 'c', 'i'),
		norm('i', 'n'),
		node('Relu', 'n', 'r'),
		node('Conv', 'r m b', 'y'),
	];
	const tensors = CONSTANTS.map((tensor) => (tensor.name === 'm' ? { ...tensor, dims: [C, C, 1, 1] } : tensor));
	const scales = ['sx', 'sw', 'sb', 'sc', 'si', 'sn', 'sg', 'sm'];
	const annotations = Object.fromEntries(scales.map((scale) => [scale.slice(1), { SCALE_TENSOR: scale }]));
	const original = await small(nodes, IMAGE, {
		graph: {
			nodes,
			initializers: [...tensors, ...scales.map((name) => ({ name, values: [1] }))],
			inputs: [{ name: 'x', shape: IMAGE }],
			outputs: ['y'],
			valueInfo: ['c', 'i', 'n', 'r'].map((name) => ({ name, shape: IMAGE })),
			annotations: { ...annotations, r: { SCALE_TENSOR: 'sc' } },
		},
	});
	const folded = await fold(original);
	const { annotations: left = [], initializers, valueInfo } = folded.model.graph;
	assert.equal(operators(folded), 'Conv Identity Relu Conv');
	// b is copied for the first Conv, since the second reads it, too.
	assert.deepEqual(left.map(({ name }) => name).sort(), ['b', 'm', 'n', 'r', 'x']);
	const kept = [...initializers.keys()].filter((name) => scales.includes(name));
	assert.deepEqual(kept.sort(), ['sb', 'sc', 'sm', 'sn', 'sx']);
	assert.deepEqual([...valueInfo.keys()].sort(), ['c', 'n', 'r']);
	const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');
	for (const { name, span } of original.model.graph.annotations ?? []) {
		const bytes = text(original.bytes.subarray(span.offset, span.offset + span.length));
		assert.equal(
			text(folded.bytes).includes(bytes),
			left.some((other) => other.name === name),
			name,
		);
	}
});

test('a layer in a branch folds there; a layer in a shared function does not', async () => {
	const branch = { g: { nodes: [node('Conv', 'x w b', 'c'), norm('c', 'z')], outputs: ['z'] } };
	const choose = node('If', 'k', 'y', { then_branch: branch, else_branch: branch });
	const initializers = CONSTANTS.filter(({ name }) => name !== 'm');
	const inputs = [
		{ name: 'x', shape: IMAGE },
		{ name: 'k', dtype: 'bool' as const, shape: [] },
	];
	const original = await open({ opset: 15, graph: { nodes: [choose], initializers, inputs, outputs: ['y'] } });
	const folded = await fold(original);
	assert.equal(folded.folded.length, 2);
	assert.equal(await verdicts(original, folded), 'match match');
	const definition = {
		name: 'Block',
		domain: 'local',
		inputs: ['i', 'w', 'b', 'g', 't', 'u', 'v'],
		outputs: ['o'],
		nodes: [node('Conv', 'i w b', 'c'), norm('c', 'o')],
	};
	const call = { ...node('Block', 'x w b g t u v', 'y'), domain: 'local' };
	const shared = await open({
		opset: 15,
		opsets: { local: 1 },
		functions: [definition],
		graph: { nodes: [call], initializers, inputs: inputs.slice(0, 1), outputs: ['y'] },
	});
	const unfolded = await fold(shared);
	assert.deepEqual(unfolded.bytes, shared.bytes);
	assert.match(unfolded.kept.join(), /inside-function/);
});

test('weights in another file are read from there and written into the model', async () => {
	const data = rawElements('float32', [1, 2, 3, 4]);
	const nodes = [node('Conv', 'x w b', 'c'), norm('c', 'y')];
	const initializers = CONSTANTS.filter(({ name }) => name !== 'm').map((tensor) =>
		tensor.name === 'w' ? { ...tensor, external: { location: 'weights.bin', offset: 0, length: 16 } } : tensor,
	);
	const { model, source } = await open({
		opset: 15,
		graph: { nodes, initializers, inputs: [{ name: 'x', shape: IMAGE }], outputs: ['y'] },
	});
	const external = { open: async () => memorySource(data, 'weights.bin') };
	const { edits, folded } = await planFold(model, { source, external });
	assert.equal(folded.length, 1);
	const chunks: Uint8Array[] = [];
	for await (const chunk of renderEdits(await planEdits(source, edits), source)) {
		chunks.push(chunk.slice());
	}
	const written = memorySource(Uint8Array.from(Buffer.concat(chunks)), 'folded.onnx');
	const weight = (await readModel(written)).graph.initializers.get('w');
	assert.equal(weight?.storage.kind, 'raw');
});

/** Conv or Gemm, then BatchNormalization, of two channels; the last initializers of a name count. */
const layerSpec = (operator: NodeSpec, initializers: readonly TensorSpec[], shape: readonly number[]): ModelSpec => ({
	graph: {
		nodes: [operator, { op: 'BatchNormalization', name: 'bn', inputs: ['h', 'p', 'p', 'p', 'p'], outputs: ['y'] }],
		initializers,
		inputs: [{ name: 'x', shape }],
		outputs: ['y'],
	},
});

test("parameters whose number is not the operator's channel count leave the model unfolded, and no fold is right", async () => {
	const conv = { op: 'Conv', name: 'conv', inputs: ['x', 'w'], outputs: ['h'] };
	const weight = { name: 'w', dims: [2, 1, 1, 1], values: [1, 2] };
	const original = await open(layerSpec(conv, [weight, { name: 'p', values: [1, 2, 3] }], [1, 1, 2, 2]));
	const { bytes, kept } = await fold(original);
	assert.deepEqual(bytes, original.bytes);
	assert.deepEqual(kept, ['bn: parameter-shape']);
	// What two of the three would make of the weights.
	const right = await fold(await open(layerSpec(conv, [weight, { name: 'p', values: [1, 2] }], [1, 1, 2, 2])));
	assert.doesNotMatch(await verdicts(original, right), /match$/);
});

test('a Gemm that multiplies its bias by 0: the bias of the fold is added behind it', async () => {
	const gemm = { op: 'Gemm', name: 'fc', inputs: ['x', 'm', 'c'], outputs: ['h'], attributes: { beta: { f: 0 } } };
	const constants = [
		{ name: 'm', dims: [3, 2], values: [1, 2, 3, 4, 5, 6] },
		{ name: 'c', values: [7, 8] },
		{ name: 'p', values: [1, 2] },
	];
	const original = await open(layerSpec(gemm, constants, [1, 3]));
	const folded = await fold(original);
	assert.equal(operators(folded), 'Gemm Add');
	assert.equal(await verdicts(original, folded), 'match');
});

/** A layer with other parameters than its neighbors. */
const scaled = (input: string, output: string, scale: string) =>
	node('BatchNormalization', `${input} ${scale} q p q`, output);

const chain = (operator: readonly NodeSpec[], weight: TensorSpec, shape: readonly number[]): ModelSpec => ({
	graph: {
		nodes: [...operator, scaled('h', 'b', 'p'), scaled('b', 'c', 'q'), scaled('c', 'y', 'p')],
		initializers: [
			...[weight, { name: 'p', values: [0.5, -3] }, { name: 'q', values: [2, 7] }],
			...[
				{ name: 'k', values: [10, 20] },
				{ name: 'column', dims: [2, 1, 1], values: [10, 20] },
			].filter(({ name }) => operator.some(({ inputs }) => inputs?.includes(name))),
		],
		inputs: [{ name: 'x', shape }],
		outputs: ['y'],
	},
});

test('consecutive layers go into one operator, and a second fold finds no layer', async () => {
	const image: readonly [TensorSpec, readonly number[]] = [
		{ name: 'w', dims: [2, 1, 1, 1], values: [1, 2] },
		[1, 1, 2, 2],
	];
	const rows: readonly [TensorSpec, readonly number[]] = [{ name: 'w', dims: [2, 2], values: [1, 2, 3, 4] }, [1, 2]];
	const add = (constant: string) => node('Add', `a ${constant}`, 'h');
	const cases = [
		{ spec: chain([node('Conv', 'x w', 'h')], ...image), left: 'Conv' },
		{ spec: chain([node('Conv', 'x w', 'a'), add('column')], ...image), left: 'Conv' },
		{ spec: chain([node('MatMul', 'x w', 'h')], ...rows), left: 'MatMul Add' },
		{ spec: chain([node('MatMul', 'x w', 'a'), add('k')], ...rows), left: 'MatMul Add' },
		{ spec: chain([node('Gemm', 'x w', 'a'), add('k')], ...rows), left: 'Gemm' },
	];
	for (const { spec, left } of cases) {
		const original = await open(spec);
		const folded = await fold(original);
		assert.equal(operators(folded), left);
		assertComplete(folded);
		assert.equal(await verdicts(original, folded), 'match match match');
		assert.deepEqual((await fold(folded)).bytes, folded.bytes);
	}
});

test('a constant added between two layers goes into the bias, and stays where another node reads it', async () => {
	const weight = { name: 'w', dims: [2, 2], values: [1, 2, 3, 4] };
	const initializers = [weight, { name: 'p', values: [0.5, -3] }, { name: 'q', values: [2, 7] }];
	const cases: readonly (readonly [NodeSpec, readonly string[], string, string])[] = [
		[node('MatMul', 'x w', 'h'), ['y'], 'MatMul Add', 'match match'],
		[node('Gemm', 'x w', 'h'), ['y'], 'Gemm', 'match match'],
		[node('MatMul', 'x w', 'h'), ['y', 'd'], 'MatMul Add Add BatchNormalization', 'match kept'],
		[node('Gemm', 'x w', 'h'), ['y', 'd'], 'Gemm Add BatchNormalization', 'match kept'],
	];
	for (const [operator, outputs, left, statuses] of cases) {
		const nodes = [operator, scaled('h', 'b', 'p'), node('Add', 'b q', 'd'), scaled('d', 'y', 'q')];
		const graph = { nodes, initializers, inputs: [{ name: 'x', shape: [1, 2] }], outputs };
		const original = await open({ graph });
		const folded = await fold(original);
		assertComplete(folded);
		assert.equal(operators(folded), left);
		assert.equal(await verdicts(original, folded), statuses, left);
	}
});

test('a layer between two of whom a reshape changes the order of the channels', async () => {
	const list = (name: string, values: readonly number[]): TensorSpec => ({ name, dtype: 'int64', values });
	const wide = (name: string, values: readonly number[]): TensorSpec => ({ name, values });
	const norm4 = (input: string, output: string, scale: string) =>
		node('BatchNormalization', `${input} ${scale} s s s`, output);
	const nodes = [
		node('Gemm', 'x w', 'h'),
		node('Reshape', 'h apart', 'i'),
		node('Transpose', 'i', 'j', { perm: { ints: [0, 2, 1] } }),
		node('Reshape', 'j together', 'k'),
		norm4('k', 'l', 'g'),
		node('Reshape', 'l back', 'm'),
		node('Transpose', 'm', 'n', { perm: { ints: [0, 2, 1] } }),
		node('Reshape', 'n together', 'o'),
		norm4('o', 'y', 's'),
	];
	const initializers = [
		{ name: 'w', dims: [1, 6], values: [1, 2, 3, 4, 5, 6] },
		...[list('apart', [-1, 2, 3]), list('back', [-1, 3, 2]), list('together', [-1, 6])],
		...[wide('g', [1, 2, 3, 4, 5, 6]), wide('s', [2, 3, 5, 7, 11, 13])],
	];
	const original = await open({
		graph: { nodes, initializers, inputs: [{ name: 'x', shape: [1, 1] }], outputs: ['y'] },
	});
	const folded = await fold(original);
	assert.deepEqual(folded.kept, []);
	assert.equal(await verdicts(original, folded), 'match match');
});

test('folding a layer forward gives its input to the operator and keeps all other nodes', async () => {
	const nodes = [node('Relu', 'x', 'r'), norm('r', 'n'), node('Conv', 'n w b', 'y')];
	const original = await small(nodes, IMAGE);
	const folded = await fold(original);
	assertComplete(folded);
	assert.equal(operators(folded), 'Relu Conv');
	assert.equal(await verdicts(original, folded), 'match');
});

test('forward into a Gemm, whose input is never padded', async () => {
	const ways: NodeSpec['attributes'][] = [{}, { transB: { i: 1 } }, { alpha: { f: 0.5 }, beta: { f: 2 } }];
	for (const attributes of ways) {
		const original = await small([norm('x', 'n'), node('Gemm', 'n m b', 'y', attributes)], ROWS);
		const folded = await fold(original);
		assertComplete(folded);
		assert.equal(operators(folded), 'Gemm');
		assert.equal(await verdicts(original, folded), 'match');
	}
	const turned = await small([norm('x', 'n'), node('Gemm', 'n m b', 'y', { transA: { i: 1 } })], ROWS);
	assert.deepEqual((await fold(turned)).kept, ['BatchNormalization n: no-linear-operator']);
});

test('a deployed bias may be the negative of a subtracted constant', async () => {
	const product = { op: 'MatMul', name: 'fc', inputs: ['x', 'w'], outputs: ['h'] };
	const weight = { name: 'w', dims: [2, 2], values: [1, 2, 3, 4] };
	const original = await open(layerSpec(product, [weight, { name: 'p', values: [1, 3] }], [1, 2]));
	// beta - mean * gamma / sqrt(variance + epsilon) and that factor, with all four parameters p.
	const scale = [1, 3].map((p) => p / Math.sqrt(p + 1e-5));
	const shift = [1, 3].map((p, channel) => p - p * scale[channel]);
	const deployed = (op: string, sign: number) =>
		open({
			graph: {
				nodes: [product, { op, inputs: ['h', 'c'], outputs: ['y'] }],
				initializers: [
					{ ...weight, values: [1, 2, 3, 4].map((value, index) => value * scale[index % 2]) },
					{ name: 'c', values: shift.map((value) => sign * value) },
				],
				inputs: [{ name: 'x', shape: [1, 2] }],
				outputs: ['y'],
			},
		});
	assert.equal(await verdicts(original, await deployed('Add', 1)), 'match');
	assert.equal(await verdicts(original, await deployed('Sub', -1)), 'match');
	assert.equal(await verdicts(original, await deployed('Sub', 1)), 'mismatch');
});

test('constants that are listed as inputs fold on request, and are no inputs any more', async () => {
	const initializers: TensorSpec[] = [
		{ name: 'W', dims: [2, 2], values: [1, 2, 3, 4] },
		...['g', 'b', 'm', 'v'].map((name): TensorSpec => ({ name, values: [1, 2] })),
	];
	const listed = initializers.map(({ name = '', dims = [2] }) => ({ name, shape: [...dims] }));
	const nodes: NodeSpec[] = [
		{ op: 'Gemm', name: 'gemm', inputs: ['x', 'W', 'b'], outputs: ['h'] },
		{ op: 'BatchNormalization', name: 'bn', inputs: ['h', 'g', 'b', 'm', 'v'], outputs: ['y'] },
	];
	const graph = { inputs: [{ name: 'x', shape: [3, 2] }, ...listed], outputs: ['y'], initializers, nodes };
	const model = (irVersion: number) => open({ irVersion, graph });
	assert.deepEqual((await fold(await model(8))).kept, ['bn: overridable']);
	const folded = await fold(await model(8), { treatsInputsAsConstants: true });
	assert.deepEqual([folded.kept, folded.folded], [[], ['bn into gemm']]);
	const names = ({ model: { graph } }: OpenModel) => graph.inputs.map(({ name }) => name);
	assert.deepEqual(names(folded), ['x']);
	// In IR version 3 such inputs cannot be fed, and every initializer has to be one.
	const old = await fold(await model(3));
	assert.deepEqual(new Set(names(old)), new Set(['x', ...old.model.graph.initializers.keys()]));
	assert.deepEqual(old.folded, ['bn into gemm']);
	const unlisted = await fold(
		await open({ irVersion: 3, graph: { ...graph, inputs: [{ name: 'x', shape: [3, 2] }] } }),
	);
	assert.deepEqual(new Set(names(unlisted)), new Set(['x', ...unlisted.model.graph.initializers.keys()]));
});
