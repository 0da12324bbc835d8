/** Hidden channels in another order behind functions of several tensors. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparisonStatus } from '../../../../../src/cli/exit.js';
import { compareForm } from '../../../support/compare-bytes.js';
import {
	type Block,
	columnsOf,
	type DeployedForm,
	type Graph,
	layerOf,
	pick,
	rowsOf,
	scaleRows,
	surround,
	type Weight,
	WIDTH,
	weightOf,
} from '../../../support/deployed-forms.js';

const HIDDEN = 8;
const ORDER = [3, 0, 6, 1, 7, 2, 5, 4];
const IN_PLACE = ORDER.map((_, channel) => channel);

type Activation = (graph: Graph, x: string, gate: { readonly down: Weight; readonly up: Weight }) => string;

const scalar = (graph: Graph, value: number) => graph.tensor([], [value]);

const ACTIVATIONS: Readonly<Record<string, Activation>> = {
	'x sigmoid(x)': (graph, x) => graph.node('Mul', [x, graph.node('Sigmoid', [x])]),
	'sigmoid(x) x': (graph, x) => graph.node('Mul', [graph.node('Sigmoid', [x]), x]),
	'x clip(x + 3) / 6': (graph, x) => {
		const clipped = graph.node('Clip', [graph.node('Add', [x, scalar(graph, 3)]), scalar(graph, 0), scalar(graph, 6)]);
		return graph.node('Div', [graph.node('Mul', [x, clipped]), scalar(graph, 6)]);
	},
	'x times clip(x + 3) / 6': (graph, x) => {
		const clipped = graph.node('Clip', [graph.node('Add', [x, scalar(graph, 3)]), scalar(graph, 0), scalar(graph, 6)]);
		return graph.node('Mul', [x, graph.node('Div', [clipped, scalar(graph, 6)])]);
	},
	'x tanh(softplus(x))': (graph, x) => graph.node('Mul', [x, graph.node('Tanh', [graph.node('Softplus', [x])])]),
	'a gate behind squeeze and excitation': (graph, x, { down, up }) => {
		const active = graph.relu(x);
		const squeezed = graph.relu(graph.conv(graph.node('GlobalAveragePool', [active]), down));
		return graph.node('Mul', [active, graph.node('Sigmoid', [graph.conv(squeezed, up)])]);
	},
};

/** Two folds with the hidden channels between them in one order, while the second convolution may read another. */
function hidden(activation: Activation, written: readonly number[], read: readonly number[]): Block {
	return ({ random, from, to }, [x, y]) => {
		const [first, second] = [weightOf(random, HIDDEN, WIDTH, 3), weightOf(random, WIDTH, HIDDEN, 3)];
		const gate = { down: weightOf(random, 4, HIDDEN, 1), up: weightOf(random, HIDDEN, 4, 1) };
		const moved = { down: columnsOf(gate.down, written), up: rowsOf(gate.up, written) };
		const [a, b] = [layerOf(random, HIDDEN), layerOf(random, WIDTH)];
		const inside = activation(from, from.batchNorm(from.conv(x, first), a), gate);
		const folded = to.conv(y, rowsOf(scaleRows(first, a.scale), written), pick(a.shift, written));
		return [
			from.relu(from.batchNorm(from.conv(inside, second), b)),
			to.relu(to.conv(activation(to, folded, moved), columnsOf(scaleRows(second, b.scale), read), b.shift)),
		];
	};
}

const answer = async (form: DeployedForm, run: boolean) => {
	const comparison = await compareForm(form, { run });
	const layers = comparison.layers.map(({ status, cause }) => (status === 'match' ? status : `${status} ${cause}`));
	return { layers, exit: comparisonStatus(comparison, 'error') };
};

for (const [name, activation] of Object.entries(ACTIVATIONS)) {
	for (const run of [true, false]) {
		test(`hidden channels in another order are right behind ${name}, ${run ? 'with' : 'without'} a run`, async () => {
			for (const seed of [1, 2]) {
				const { layers, exit } = await answer(surround(hidden(activation, ORDER, ORDER), seed), run);
				assert.deepEqual(
					layers,
					layers.map(() => 'match'),
				);
				assert.equal(exit, 0);
			}
		});

		test(`an order that the next operator does not read is wrong behind ${name}, ${run ? 'with' : 'without'} a run`, async () => {
			for (const [written, read] of [
				[ORDER, IN_PLACE],
				[ORDER, [...ORDER].reverse()],
			]) {
				const { layers, exit } = await answer(surround(hidden(activation, written, read), 3), run);
				assert.ok(
					layers.some((layer) => layer.startsWith('mismatch')),
					String(layers),
				);
				assert.equal(exit, 1);
			}
		});
	}
}
