/** Right and wrong folds whose constants lie on grids that the deployed model states. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareModels } from '../../../../../src/core/folding/compare/compare.js';
import type { Comparison } from '../../../../../src/core/report/comparison.js';
import { openFixture } from '../../../support/fixtures.js';
import type { GraphSpec, ModelSpec, NodeSpec, TensorSpec } from '../../../support/model-builder.js';
import { open } from '../../../support/open.js';
import { specOf } from '../../../support/respec.js';

/** Step of the quantized input of every operator. */
const INPUT_STEP = 0.0123;

interface Grid {
	readonly perChannel: boolean;
	/** Steps by which each bias is moved. */
	readonly biasShift?: number;
	/** Factor on the values before they are rounded. */
	readonly factor?: number;
}

/** Quantizes weights and biases of every Conv as static quantizers do: int8 weights, int32 biases. */
function quantized(spec: ModelSpec, form: 'qdq' | 'qoperator', grid: Grid): ModelSpec {
	const initializers = new Map((spec.graph.initializers ?? []).map((tensor) => [tensor.name ?? '', tensor]));
	const nodes: NodeSpec[] = [];
	for (const node of spec.graph.nodes ?? []) {
		const [, weight = '', bias = ''] = node.inputs ?? [];
		if (node.op !== 'Conv' || !initializers.has(weight) || !initializers.has(bias)) {
			nodes.push(node);
			continue;
		}
		nodes.push(...(form === 'qdq' ? asQdq(node, initializers, grid) : asQLinearConv(node, initializers, grid)));
	}
	const graph: GraphSpec = { ...spec.graph, nodes, initializers: [...initializers.values()] };
	return { ...spec, graph };
}

/** Adds the quantized tensors, and returns their names. */
function quantizedTensors(node: NodeSpec, initializers: Map<string, TensorSpec>, grid: Grid) {
	const [, weightName = '', biasName = ''] = node.inputs ?? [];
	const numbers = (name: string) =>
		(initializers.get(name)?.values ?? []).map((value) => Number(value) * (grid.factor ?? 1));
	const dims = initializers.get(weightName)?.dims ?? [];
	const [weight, bias] = [numbers(weightName), numbers(biasName)];
	const rows = dims[0] ?? 1;
	const length = weight.length / rows;
	const largest = (values: readonly number[]) => values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
	const stepOf = (row: number) =>
		Math.fround(largest(grid.perChannel ? weight.slice(row * length, (row + 1) * length) : weight) / 127) || 1;
	const steps = Array.from({ length: rows }, (_, row) => stepOf(row));
	const biasSteps = steps.map((step) => Math.fround(step * INPUT_STEP));
	const add = (suffix: string, tensor: TensorSpec) => {
		const name = `${weightName}_${suffix}`;
		initializers.set(name, { ...tensor, name });
		return name;
	};
	const scalar = (values: number[]) => (grid.perChannel ? values : values.slice(0, 1));
	const scaleDims = grid.perChannel ? [rows] : [];
	return {
		weight: add('q', {
			dims,
			dtype: 'int8',
			values: weight.map((value, index) => Math.round(value / (steps[Math.floor(index / length)] ?? 1))),
		}),
		scale: add('s', { dims: scaleDims, values: scalar(steps) }),
		zero: add('z', { dims: scaleDims, dtype: 'int8', values: scalar(steps).map(() => 0) }),
		bias: add('bq', {
			dtype: 'int32',
			values: bias.map((value, row) => Math.round(value / (biasSteps[row] ?? 1)) + (grid.biasShift ?? 0)),
		}),
		biasScale: add('bs', { dims: scaleDims, values: scalar(biasSteps) }),
		inputScale: add('xs', { dims: [], values: [INPUT_STEP] }),
		inputZero: add('xz', { dims: [], dtype: 'int8', values: [0] }),
		perChannel: grid.perChannel,
	};
}

function asQdq(node: NodeSpec, initializers: Map<string, TensorSpec>, grid: Grid): NodeSpec[] {
	const names = quantizedTensors(node, initializers, grid);
	const dequantize = (inputs: string[], output: string): NodeSpec => ({
		op: 'DequantizeLinear',
		inputs,
		outputs: [output],
		...(grid.perChannel && { attributes: { axis: { i: 0 } } }),
	});
	const [x = ''] = node.inputs ?? [];
	return [
		dequantize([names.weight, names.scale, names.zero], `${names.weight}_dq`),
		dequantize([names.bias, names.biasScale], `${names.bias}_dq`),
		{ ...node, inputs: [x, `${names.weight}_dq`, `${names.bias}_dq`] },
	];
}

function asQLinearConv(node: NodeSpec, initializers: Map<string, TensorSpec>, grid: Grid): NodeSpec[] {
	const names = quantizedTensors(node, initializers, grid);
	const [x = ''] = node.inputs ?? [];
	const [y = ''] = node.outputs ?? [];
	const [xq, yq] = [`${y}_xq`, `${y}_yq`];
	const { inputScale, inputZero } = names;
	return [
		{ op: 'QuantizeLinear', inputs: [x, inputScale, inputZero], outputs: [xq] },
		{
			...node,
			op: 'QLinearConv',
			inputs: [xq, inputScale, inputZero, names.weight, names.scale, names.zero, inputScale, inputZero, names.bias],
			outputs: [yq],
		},
		{ op: 'DequantizeLinear', inputs: [yq, inputScale, inputZero], outputs: [y] },
	];
}

async function compareFolded(form: 'qdq' | 'qoperator', grid: Grid): Promise<Comparison> {
	const original = await openFixture('plain_cnn.onnx');
	const folded = await specOf(await openFixture('plain_cnn.folded.onnx'));
	const deployed = await open(quantized(folded, form, grid));
	const compared = ({ model, source }: typeof original) => ({ model, access: { source } });
	return compareModels(compared(original), compared(deployed));
}

for (const form of ['qdq', 'qoperator'] as const) {
	for (const perChannel of [true, false]) {
		const title = `${form}, steps ${perChannel ? 'per channel' : 'per tensor'}`;

		test(`${title}: a right fold matches within half a step of weights and int32 biases`, async () => {
			const { layers, summary } = await compareFolded(form, { perChannel });
			assert.equal(summary.match, 3, layers.map(({ evidence }) => evidence).join('\n'));
			assert.ok(layers.every(({ cause, confidence }) => cause === 'quantized-int8' && confidence === 1));
		});

		test(`${title}: biases that are two steps off are a mismatch`, async () => {
			const { summary } = await compareFolded(form, { perChannel, biasShift: 2 });
			assert.equal(summary.mismatch, 3);
		});

		test(`${title}: weights and biases that are 2 % too large are a mismatch`, async () => {
			const { summary } = await compareFolded(form, { perChannel, factor: 1.02 });
			assert.equal(summary.mismatch, 3);
		});
	}
}
