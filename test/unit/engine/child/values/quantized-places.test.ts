import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareBytes } from '../../../support/compare-bytes.js';
import {
	type Block,
	layerOf,
	modelBytes,
	scaleRows,
	surround,
	WIDTH,
	weightOf,
} from '../../../support/deployed-forms.js';
import { buildModel, type GraphSpec, type ModelSpec, type TensorSpec } from '../../../support/model-builder.js';
import { quantizedActivations } from '../../../support/quantized-activations.js';
import { QUANTIZATIONS, QUANTIZED_SPECS } from '../../../support/quantized-models.js';
import { WRONG_FORMS } from '../../../support/wrong-forms.js';

/** Quantizes activations alone, as training with quantization in mind does. */
const inTraining = (graph: GraphSpec) => buildModel(quantizedActivations({ opset: 17, graph }));

/** Folds a layer across x * clip(x + 3) / 6, written with a node for each step. */
const acrossHardSwish: Block = ({ random, from, to }, [x, y]) => {
	const weight = weightOf(random, WIDTH, WIDTH, 3);
	const layer = layerOf(random, WIDTH);
	const hardSwish = (graph: typeof from, at: string) => {
		const [zero, three, six] = [0, 3, 6].map((value) => graph.tensor([], [value]));
		const clipped = graph.node('Clip', [graph.node('Add', [at, three]), zero, six]);
		return graph.node('Mul', [at, graph.node('Mul', [clipped, graph.tensor([], [1 / 6])])]);
	};
	return [
		from.batchNorm(hardSwish(from, from.conv(x, weight)), layer),
		hardSwish(to, to.conv(y, scaleRows(weight, layer.scale), layer.shift)),
	];
};

/** Layer of no operator in front, with its own convolution behind it unchanged: nothing of the layer arrived. */
const lost: Block = ({ random, from, to }, [x, y]) => {
	const weight = weightOf(random, WIDTH, WIDTH, 3);
	const [layer, behind] = [layerOf(random, WIDTH), layerOf(random, WIDTH)];
	return [
		from.relu(from.batchNorm(from.conv(from.batchNorm(x, layer), weight), behind)),
		to.relu(to.conv(y, scaleRows(weight, behind.scale), behind.shift)),
	];
};

for (const [name, write] of Object.entries(QUANTIZATIONS)) {
	test(`a fold across a function of several nodes is named without a run: ${name}`, async () => {
		for (const block of [WRONG_FORMS['layer folded across x sigmoid(x)'].block, acrossHardSwish]) {
			const { original, deployed } = surround(block, 1);
			for (const bytes of [modelBytes(original), inTraining(original)]) {
				const { layers } = await compareBytes(bytes, write(deployed), { run: false });
				const wrong = layers.filter(({ status }) => status === 'mismatch');
				assert.deepEqual(
					wrong.map(({ name, cause }) => [name, cause]),
					[[layers[1].name, 'folded-across-activation']],
				);
			}
		}
	});

	test(`a lost layer is not taken for a fold of the layer behind it: ${name}`, async () => {
		const { original, deployed } = surround(lost, 1);
		const { layers } = await compareBytes(modelBytes(original), write(deployed), { run: false });
		assert.deepEqual(layers.map(({ status, cause }) => [status, cause])[1], ['mismatch', 'weights-not-folded']);
	});
}

test('a fold across x sigmoid(x) is named with a run of a quantized model', async () => {
	const { original, deployed } = surround(WRONG_FORMS['layer folded across x sigmoid(x)'].block, 2);
	const { layers } = await compareBytes(modelBytes(original), QUANTIZATIONS['QDQ per channel'](deployed));
	assert.equal(layers[1].cause, 'folded-across-activation');
});

/** Puts the nodes of a model into a function. The constants are inputs of its call. */
function inFunction({ graph, ...model }: ModelSpec): ModelSpec {
	const named = ({ name }: { readonly name?: string }) => name ?? '';
	const inputs = [...(graph.inputs ?? []), ...(graph.initializers ?? [])].map((value) =>
		typeof value === 'string' ? value : named(value),
	);
	const outputs = (graph.outputs ?? []).map((value) => (typeof value === 'string' ? value : named(value)));
	const network = {
		name: 'Network',
		domain: 'local',
		inputs,
		outputs,
		nodes: graph.nodes ?? [],
		opsets: { '': model.opset ?? 17 },
	};
	const nodes = [{ op: 'Network', name: 'call', domain: 'local', inputs, outputs }];
	return { ...model, opsets: { ...model.opsets, local: 1 }, functions: [network], graph: { ...graph, nodes } };
}

/** Adds 1 to the biases that are in float. */
const withOtherBiases = (graph: GraphSpec): GraphSpec => ({
	...graph,
	initializers: graph.initializers?.map((tensor: TensorSpec) =>
		tensor.dims?.length === 1 ? { ...tensor, values: tensor.values?.map((value) => Number(value) + 1) } : tensor,
	),
});

/** A layer folded in the natural form. */
const folded: Block = ({ random, from, to }, [x, y]) => {
	const weight = weightOf(random, WIDTH, WIDTH, 3);
	const layer = layerOf(random, WIDTH);
	return [
		from.relu(from.batchNorm(from.conv(x, weight), layer)),
		to.relu(to.conv(y, scaleRows(weight, layer.scale), layer.shift)),
	];
};

for (const [name, write] of Object.entries(QUANTIZED_SPECS)) {
	test(`the rounding of weights in a function is measured: ${name}`, async () => {
		const { original, deployed } = surround(folded, 3);
		const right = await compareBytes(modelBytes(original), buildModel(inFunction(write(deployed))));
		assert.deepEqual(
			right.layers.map(({ status }) => status),
			['match', 'match', 'match'],
		);
		assert.notEqual(right.outputs?.status, 'mismatch');
		const wrong = await compareBytes(modelBytes(original), buildModel(inFunction(write(withOtherBiases(deployed)))));
		assert.ok(wrong.layers.some(({ status }) => status === 'mismatch'));
	});
}
