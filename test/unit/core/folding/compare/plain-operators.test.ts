import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparisonStatus } from '../../../../../src/cli/exit.js';
import type { Comparison } from '../../../../../src/core/report/comparison/comparison.js';
import { compare } from '../../../../../src/engine/child/compare.js';
import { createKernel } from '../../../../../src/kernel/index.js';
import {
	type Block,
	layerOf,
	modelBytes,
	scaleRows,
	surround,
	WIDTH,
	weightOf,
} from '../../../support/deployed-forms.js';
import { buildModel, type ModelSpec, type TensorSpec } from '../../../support/model-builder.js';
import { QUANTIZED_SPECS } from '../../../support/quantized-models.js';

const ports = {
	runtime: () => {
		throw new Error('No model runs.');
	},
	kernel: createKernel,
	emit: () => {},
};

/** Compares files without a run. */
const compareFiles = (original: Uint8Array, deployed: Uint8Array): Promise<Comparison> =>
	compare(
		{ path: 'original.onnx', bytes: original },
		{ path: 'deployed.onnx', bytes: deployed },
		{ run: false, batch: 1, seed: 0 },
		ports,
	);

/** A fold, and two convolutions without a layer behind it. */
const block: Block = ({ random, from, to }, [x, y]) => {
	const [weight, layer] = [weightOf(random, WIDTH, WIDTH, 3), layerOf(random, WIDTH)];
	const others = [weightOf(random, WIDTH, WIDTH, 3), weightOf(random, WIDTH, WIDTH, 1)];
	const bias = Float64Array.from({ length: WIDTH }, () => random.normal());
	const chain = (graph: typeof from, at: string) =>
		graph.relu(graph.conv(graph.relu(graph.conv(graph.relu(at), others[0], bias)), others[1], bias));
	const folded = to.conv(y, scaleRows(weight, layer.scale), layer.shift);
	return [chain(from, from.batchNorm(from.conv(x, weight), layer)), chain(to, folded)];
};

const { original, deployed } = surround(block, 21);

const numbers = ({ values }: TensorSpec): number[] => Array.from(values as ArrayLike<number>, Number);

/** Changes one number of a constant: codes by several steps, scales by a percent. */
function changed(spec: ModelSpec, tensor: TensorSpec): Uint8Array {
	const values = numbers(tensor);
	const name = tensor.name ?? '';
	const at = values.reduce((best, value, index) => (Math.abs(value) > Math.abs(values[best]) ? index : best), 0);
	const move = name.endsWith('_bq') ? 20 : -4 * Math.sign(values[at]);
	values[at] = /_o?s$/.test(name) ? Math.fround(values[at] * 1.01) : values[at] + move;
	const initializers = spec.graph.initializers?.map((other) => (other === tensor ? { ...other, values } : other));
	return buildModel({ ...spec, graph: { ...spec.graph, ...(initializers && { initializers }) } });
}

/** Forms with 8 bits and steps that are constants of the deployed model. */
const FORMS = ['QDQ per channel', 'QDQ per tensor, uint8', 'QLinearConv', 'dynamic quantization', 'weights only'];

for (const form of FORMS) {
	test(`every changed constant of a quantized model shows without a run: ${form}`, async () => {
		const spec = QUANTIZED_SPECS[form](deployed);
		const right = await compareFiles(modelBytes(original), buildModel(spec));
		assert.equal(comparisonStatus(right, 'error'), 0);
		const read = new Set((spec.graph.nodes ?? []).flatMap(({ inputs = [] }) => inputs));
		const tensors = (spec.graph.initializers ?? []).filter(
			({ name = '' }) => read.has(name) && /_(q|bq|s|os)$/.test(name),
		);
		assert.ok(tensors.length >= 8);
		for (const tensor of tensors) {
			const result = await compareFiles(modelBytes(original), changed(spec, tensor));
			assert.notEqual(comparisonStatus(result, 'error'), 0, `${tensor.name} of [${tensor.dims}]`);
		}
	});
}

/** A network of one layer and one ConvTranspose without a layer. @param factor on one of its weights */
function upsampling(factor: number, isFolded: boolean): Uint8Array {
	const wave = (length: number, shift: number) => Array.from({ length }, (_, i) => Math.fround(Math.sin(i + shift)));
	const weight = wave(4 * 4 * 9, 1);
	const up = wave(4 * 4 * 4, 2);
	up[5] = Math.fround(up[5] * factor);
	const scale = [1, 2, 0.5, 1.5].map(Math.fround);
	const layer = ['g', 'b', 'm', 'v'].map((name) => {
		const values = name === 'g' ? scale : name === 'v' ? scale.map(() => Math.fround(1 - 1e-5)) : scale.map(() => 0);
		return { name, dims: [4], values };
	});
	const folded = weight.map((value, i) => Math.fround(value * scale[Math.floor(i / 36)]));
	return buildModel({
		opset: 17,
		graph: {
			inputs: [{ name: 'x', shape: [1, 4, 6, 6] }],
			outputs: ['y'],
			initializers: [
				{ name: 'w', dims: [4, 4, 3, 3], values: isFolded ? folded : weight },
				{ name: 'u', dims: [4, 4, 2, 2], values: up },
				...(isFolded ? [] : layer),
			],
			nodes: [
				{ op: 'Conv', inputs: ['x', 'w'], outputs: ['c'] },
				...(isFolded ? [] : [{ op: 'BatchNormalization', inputs: ['c', 'g', 'b', 'm', 'v'], outputs: ['n'] }]),
				{ op: 'Relu', inputs: [isFolded ? 'c' : 'n'], outputs: ['r'] },
				{ op: 'ConvTranspose', inputs: ['r', 'u'], outputs: ['y'] },
			],
		},
	});
}

test('a changed weight of a ConvTranspose without a layer shows', async () => {
	assert.equal(comparisonStatus(await compareFiles(upsampling(1, false), upsampling(1, true)), 'error'), 0);
	const result = await compareFiles(upsampling(1, false), upsampling(1 + 1e-4, true));
	assert.equal(comparisonStatus(result, 'error'), 1);
	assert.match(result.operators?.[0]?.evidence ?? '', /^1 coefficient of 64 in /);
});
