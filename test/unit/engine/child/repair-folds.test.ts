import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { repairFolds } from '../../../../src/engine/child/repair-folds.js';
import { loadRuntime } from '../../../../src/engine/child/runtime/runtime.js';
import { seededRandom } from '../../../../src/engine/child/tensors/random.js';
import { createKernel } from '../../../../src/kernel/index.js';
import { SINGLES } from '../../../folding/cases.js';
import { repairCase } from '../../../folding/repair-case.js';
import { Graph, layerOf, WIDTH, weightOf } from '../../support/deployed-forms.js';
import { buildModel, type NodeSpec, type TensorSpec } from '../../support/model-builder.js';
import { openBytes } from '../../support/open.js';

const folder = mkdtempSync(path.join(tmpdir(), 'batchnorm-lens-folds-'));
after(() => rmSync(folder, { recursive: true }));

const ports = { runtime: loadRuntime, kernel: () => createKernel(), emit: () => {} };
const repair = (deployed: string, original: string, output: string) =>
	repairFolds(
		{ path: deployed },
		{ path: original },
		{ output, temporary: `${output}.part`, batch: 1, seed: 0 },
		ports,
	);

const weight = [1, 2, 3, -4];
const [gamma, beta, mean] = [
	[2, 4],
	[1, -1],
	[3, 5],
];
const conv = (inputs: readonly string[], output: string): NodeSpec => ({
	op: 'Conv',
	name: 'conv',
	inputs: ['x', ...inputs],
	outputs: [output],
});

function writeGraph(name: string, nodes: readonly NodeSpec[], initializers: readonly TensorSpec[], opset = 17): string {
	const inputs = [{ name: 'x', shape: [1, 2, 4, 4] }];
	const graph = { nodes, initializers, inputs, outputs: ['y'] };
	writeFileSync(path.join(folder, name), buildModel({ opset, graph }));
	return path.join(folder, name);
}

/** Writes a convolution with a layer of variance 4, and its deployed model, which has the weight but no bias. */
function writePair(): readonly [string, string] {
	const layer: NodeSpec = {
		op: 'BatchNormalization',
		name: 'bn',
		inputs: ['h', 'g', 'b', 'm', 'v'],
		outputs: ['y'],
		attributes: { epsilon: { f: 0 } },
	};
	const original = writeGraph(
		'original.onnx',
		[conv(['W'], 'h'), layer],
		[
			{ name: 'W', dims: [2, 2, 1, 1], values: weight },
			{ name: 'g', values: gamma },
			{ name: 'b', values: beta },
			{ name: 'm', values: mean },
			{ name: 'v', values: [4, 4] },
		],
	);
	const scaled = weight.map((value, index) => (value * gamma[index >> 1]) / 2);
	const deployed = writeGraph('deployed.onnx', [conv(['W'], 'y')], [{ name: 'W', dims: [2, 2, 1, 1], values: scaled }]);
	return [original, deployed];
}

test('a wrong fold is corrected, its outputs are the original ones, and a second repair finds no more', async () => {
	const [original, deployed] = writePair();
	const before = readFileSync(deployed);
	const output = path.join(folder, 'repaired.onnx');
	const result = await repair(deployed, original, output);
	assert.deepEqual([result.repaired.length, result.unrepaired, result.examined], [1, [], 1]);
	assert.match(result.repaired[0].change, /^bias of conv corrected \(was: /);
	assert.equal(result.check.status, 'match', JSON.stringify(result.check));
	assert.equal(result.written?.bytes, readFileSync(output).length);
	assert.deepEqual(readFileSync(deployed), before);
	const again = await repair(output, original, path.join(folder, 'again.onnx'));
	assert.deepEqual([again.written, again.repaired, again.unrepaired, again.check.status], [null, [], [], 'match']);
	assert.ok(!existsSync(path.join(folder, 'again.onnx')));
});

test('a layer folded into a convolution that pads is put back, and the outputs are the original ones', async () => {
	const random = seededRandom(8);
	const [from, to] = [new Graph('a'), new Graph('b')];
	const [first, weight] = [weightOf(random, WIDTH, 4, 3), weightOf(random, WIDTH, WIDTH, 3)];
	const layer = layerOf(random, WIDTH);
	const scaled = weight.values.map((value, i) => value * layer.scale[Math.floor(i / 9) % WIDTH]);
	const bias = Float64Array.from({ length: WIDTH }, (_, row) => {
		const own = Array.from(weight.values).slice(row * WIDTH * 9, (row + 1) * WIDTH * 9);
		return own.reduce((sum, value, i) => sum + value * layer.shift[Math.floor(i / 9)], 0);
	});
	const original = path.join(folder, 'padded.onnx');
	const deployed = path.join(folder, 'padded-deployed.onnx');
	const graph = from.finish(from.conv(from.batchNorm(from.relu(from.conv('x', first)), layer), weight));
	writeFileSync(original, buildModel({ graph }));
	const folded = to.finish(to.conv(to.relu(to.conv('x', first)), { ...weight, values: scaled }, bias));
	writeFileSync(deployed, buildModel({ graph: folded }));
	const { check, repaired, unrepaired } = await repair(deployed, original, path.join(folder, 'padded-repaired.onnx'));
	assert.deepEqual([check.status, unrepaired], ['match', []], JSON.stringify(check));
	assert.match(repaired[0]?.change ?? '', /^the layer put back in front of /);
	const again = await repair(path.join(folder, 'padded-repaired.onnx'), original, path.join(folder, 'again.onnx'));
	assert.deepEqual([again.written, again.repaired], [null, []]);
});

/**
 * A folded layer, and behind it a layer of two values, too few to find it by, behind a product with its weight on the left.
 */
function writeUnjudged(name: string, factor: number, shift: readonly number[]): readonly [string, string] {
	const layer = (index: number, input: string, output: string): NodeSpec => ({
		op: 'BatchNormalization',
		name: `bn${index}`,
		inputs: [input, 'g', 'b', 'm', 'v'],
		outputs: [output],
		attributes: { epsilon: { f: 0 } },
	});
	const product: NodeSpec[] = [
		{ op: 'GlobalAveragePool', inputs: ['n'], outputs: ['mean'] },
		{ op: 'Reshape', inputs: ['mean', 'shape'], outputs: ['rows'] },
		{ op: 'MatMul', name: 'left', inputs: ['L', 'rows'], outputs: ['product'] },
	];
	const transpose = (from: string, to: string): NodeSpec => ({
		op: 'Transpose',
		inputs: [from],
		outputs: [to],
		attributes: { perm: { ints: [1, 0] } },
	});
	const relu = (from: string, to: string): NodeSpec => ({ op: 'Relu', inputs: [from], outputs: [to] });
	const shape: TensorSpec = { name: 'shape', dtype: 'int64', values: [2n, 1n] };
	const original = writeGraph(
		`${name}-original.onnx`,
		[conv(['W'], 'h'), layer(1, 'h', 'n'), ...product, transpose('product', 't'), layer(2, 't', 'z'), relu('z', 'y')],
		[
			shape,
			{ name: 'W', dims: [2, 2, 1, 1], values: weight },
			{ name: 'L', dims: [2, 2], values: weight },
			{ name: 'g', values: gamma },
			{ name: 'b', values: beta },
			{ name: 'm', values: mean },
			{ name: 'v', values: [4, 4] },
		],
	);
	const scales = gamma.map((value) => value / 2);
	const scaled = weight.map((value, index) => value * scales[index >> 1]);
	const deployed = writeGraph(
		`${name}-deployed.onnx`,
		[
			conv(['W', 'B'], 'n'),
			...product,
			{ op: 'Add', inputs: ['product', 'C'], outputs: ['sum'] },
			relu('sum', 'positive'),
			transpose('positive', 'y'),
		],
		[
			shape,
			{ name: 'W', dims: [2, 2, 1, 1], values: scaled.map((value, index) => (index === 1 ? factor * value : value)) },
			{ name: 'B', values: beta.map((value, row) => value - mean[row] * scales[row]) },
			{ name: 'L', dims: [2, 2], values: scaled },
			{ name: 'C', dims: [2, 1], values: beta.map((value, row) => value - mean[row] * scales[row] + shift[row]) },
		],
	);
	return [original, deployed];
}

test('a layer without verdict needs no repair where the outputs agree, and gets its own reason where they differ', async () => {
	const output = path.join(folder, 'unjudged.onnx');
	const note = '1 layer (bn2) could not be judged, but the outputs of both models agree.';
	const [original, right] = writeUnjudged('right', 1, [0, 0]);
	const none = await repair(right, original, output);
	assert.deepEqual([none.written, none.unrepaired, none.notes], [null, [], [note]]);
	const [, wrong] = writeUnjudged('wrong', 3, [0, 0]);
	const repaired = await repair(wrong, original, output);
	assert.deepEqual([repaired.repaired.length, repaired.unrepaired, repaired.notes], [1, [], [note]]);
	assert.equal(repaired.check.status, 'match', JSON.stringify(repaired.check));
	const [, shifted] = writeUnjudged('shifted', 1, [0, 2]);
	const kept = await repair(shifted, original, output);
	assert.deepEqual([kept.written, kept.check.status], [null, 'mismatch']);
	assert.match(kept.unrepaired[0].reason, /^the layer is gone from the deployed model, and Transpose in front of it/);
});

test('a repair in 4 bits counts as verified by its parameters where rounding hides the outputs', async () => {
	const [set] = SINGLES.filter(({ name }) => name === 'mean-dropped');
	const { original, deployed } = repairCase(set, 'Gemm', { seed: 1, form: 'MatMulNBits' });
	const [from, to] = ['coarse.onnx', 'coarse-deployed.onnx'].map((name) => path.join(folder, name));
	writeFileSync(from, original);
	writeFileSync(to, deployed);
	const { check, repaired, unrepaired, written } = await repair(to, from, path.join(folder, 'coarse-repaired.onnx'));
	assert.deepEqual([repaired.length, unrepaired, check.status], [1, [], 'match']);
	assert.ok(written);
	const words =
		/^3 layers have the parameters of the original, up to rounding\. Both models run, but their outputs show nothing/;
	assert.match(check.status === 'match' ? check.evidence : '', words);
});

test('weights that are cast behind DequantizeLinear keep their grid', async () => {
	const [original] = writePair();
	const step = 2 ** -4;
	const right = weight.map((value, index) => (value * gamma[index >> 1]) / 2);
	const bias = beta.map((value, channel) => value - (mean[channel] * gamma[channel]) / 2);
	const write = (name: string, factor: number) =>
		writeGraph(
			name,
			[
				{ op: 'DequantizeLinear', inputs: ['q', 's'], outputs: ['half'] },
				{ op: 'Cast', inputs: ['half'], outputs: ['W'], attributes: { to: { i: 1 } } },
				conv(['W', 'B'], 'y'),
			],
			[
				{
					name: 'q',
					dtype: 'int8',
					dims: [2, 2, 1, 1],
					values: right.map((v) => (v * factor) / step),
				},
				{ name: 's', dims: [], dtype: 'float16', values: [step] },
				{ name: 'B', values: bias },
			],
			19,
		);
	const output = path.join(folder, 'cast-repaired.onnx');
	const none = await repair(write('cast.onnx', 1), original, output);
	assert.deepEqual([none.written, none.repaired, none.unrepaired], [null, [], []]);
	const { check, repaired } = await repair(write('cast-wrong.onnx', 0.5), original, output);
	assert.deepEqual([repaired.length, check.status], [1, 'match'], JSON.stringify(check));
	const { model } = await openBytes(readFileSync(output));
	assert.deepEqual(
		model.graph.nodes.map(({ opType }) => opType),
		['DequantizeLinear', 'Cast', 'Conv'],
	);
});

test('constants that the call of a function supplies are corrected, and those of the function stay', async () => {
	const [original] = writePair();
	const right = weight.map((value, index) => (value * gamma[index >> 1]) / 2);
	const shift = beta.map((value, channel) => value - (mean[channel] * gamma[channel]) / 2);
	const tensors = (weights: readonly number[], bias: readonly number[]): TensorSpec[] => [
		{ name: 'W', dims: [2, 2, 1, 1], values: weights },
		{ name: 'B', values: bias },
	];
	const write = (name: string, own: boolean) => {
		const wrong = tensors(
			right.map((value) => value * 3),
			shift.map((value) => value + 1),
		);
		const inputs = own ? ['x'] : ['x', 'W', 'B'];
		const constants = wrong.map(
			(t): NodeSpec => ({ op: 'Constant', outputs: [t.name ?? ''], attributes: { value: { t } } }),
		);
		const nodes = [...(own ? constants : []), conv(['W', 'B'], 'out')];
		const block = { name: 'Block', domain: 'own', inputs, outputs: ['out'], nodes, opsets: { '': 17 } };
		const graph = {
			nodes: [{ op: 'Block', domain: 'own', inputs, outputs: ['y'] }],
			initializers: own ? [] : wrong,
			inputs: [{ name: 'x', shape: [1, 2, 4, 4] }],
			outputs: ['y'],
		};
		writeFileSync(path.join(folder, name), buildModel({ opsets: { own: 1 }, functions: [block], graph }));
		return path.join(folder, name);
	};
	const output = path.join(folder, 'function-repaired.onnx');
	const result = await repair(write('function.onnx', false), original, output);
	assert.deepEqual([result.check.status, result.unrepaired], ['match', []], JSON.stringify(result));
	const { model } = await openBytes(readFileSync(output));
	assert.deepEqual([...model.graph.initializers.keys()], ['W', 'B']);
	const { written, unrepaired } = await repair(
		write('own.onnx', true),
		original,
		path.join(folder, 'own-repaired.onnx'),
	);
	assert.equal(written, null);
	assert.deepEqual(
		unrepaired.map(({ reason }) => reason),
		['it belongs to a function, which other calls may share'],
	);
});

test('a written model that the runtime refuses is called by its own name', async () => {
	const [original] = writePair();
	const unknown: NodeSpec = { op: 'NoSuchOperator', inputs: ['h'], outputs: ['y'] };
	const scaled = weight.map((value, index) => (value * gamma[index >> 1]) / 2);
	const constants = [{ name: 'W', dims: [2, 2, 1, 1], values: scaled }];
	const deployed = writeGraph('refused.onnx', [conv(['W'], 'h'), unknown], constants);
	const output = path.join(folder, 'refused-repaired.onnx');
	const { check, written } = await repair(deployed, original, output);
	assert.equal(written?.path, output);
	assert.equal(check.status, 'skipped');
	const { reason } = check;
	assert.ok(reason.startsWith(`${output} does not run: `) && !reason.includes('.part'), reason);
});

test('the repaired model replaces neither of the models', async () => {
	const files = writePair();
	for (const target of files) {
		const before = readFileSync(target);
		await assert.rejects(repair(files[1], files[0], target), /choose another name/);
		assert.deepEqual(readFileSync(target), before);
	}
});
