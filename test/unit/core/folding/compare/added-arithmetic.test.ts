import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparisonStatus } from '../../../../../src/cli/exit.js';
import { comparisonAnswer } from '../../../../../src/core/report/comparison/summary.js';
import { compareBytes } from '../../../support/compare-bytes.js';
import {
	type Block,
	type Graph,
	layerOf,
	modelBytes,
	scaleRows,
	surround,
	WIDTH,
	weightOf,
} from '../../../support/deployed-forms.js';

type Function = (graph: Graph, x: string) => string;

const perChannel = (graph: Graph, value: (channel: number) => number) =>
	graph.tensor(
		[WIDTH, 1, 1],
		Array.from({ length: WIDTH }, (_, channel) => value(channel)),
	);

const operation =
	(op: string, value: (channel: number) => number): Function =>
	(graph, x) =>
		graph.node(op, [x, perChannel(graph, value)]);

/** Functions behind a right fold that the original does not have -> true if they change the values. */
const ADDED: Readonly<Record<string, readonly [Function, boolean]>> = {
	'an Add': [operation('Add', (channel) => channel - 2), true],
	'an Add of one channel': [operation('Add', (channel) => Number(channel === 3)), true],
	'a Sub': [operation('Sub', () => 0.5), true],
	'a Mul': [operation('Mul', (channel) => 1 + channel / 8), true],
	'a Div': [operation('Div', () => 2), true],
	'an Add of 0': [operation('Add', () => 0), false],
	'a Mul by 1': [operation('Mul', () => 1), false],
	'a Mul by 1, rounded': [operation('Mul', () => 1 + 2 ** -23), false],
};

const blockOf =
	(added: Function, activation: Function, deployedActivation = activation): Block =>
	({ random, from, to }, [x, y]) => {
		const [weight, layer] = [weightOf(random, WIDTH, WIDTH, 3), layerOf(random, WIDTH)];
		const folded = to.conv(y, scaleRows(weight, layer.scale), layer.shift);
		return [activation(from, from.batchNorm(from.conv(x, weight), layer)), deployedActivation(to, added(to, folded))];
	};

const relu: Function = (graph, x) => graph.relu(x);
const same: Function = (_, x) => x;

for (const [name, [write, isWrong]] of Object.entries(ADDED)) {
	test(`${name} behind a right fold is ${isWrong ? 'named' : 'no error'} without a run and with it`, async () => {
		for (const activation of [relu, same]) {
			const { original, deployed } = surround(blockOf(write, activation), 11);
			for (const run of [false, true]) {
				const found = await compareBytes(modelBytes(original), modelBytes(deployed), { run });
				assert.equal(comparisonStatus(found, 'error'), Number(isWrong), `run ${run}`);
				if (isWrong && !run) {
					assert.equal(found.summary.mismatch, 0, 'the layers are right');
					assert.match(comparisonAnswer(found), /; 1 operator that the original does not have\.$/);
					assert.match(found.operators?.[0]?.evidence ?? '', /is not in the original, and .* the values/);
				}
			}
		}
	});
}

test('a function written with arithmetic is no added arithmetic', async () => {
	// onnxruntime and the ONNX specification: HardSigmoid(x) = max(0, min(1, x / 6 + 1 / 2)).
	const sigmoid: Function = (graph, x) => graph.node('HardSigmoid', [x], { alpha: { f: 1 / 6 }, beta: { f: 0.5 } });
	const written: Function = (graph, x) => {
		const shifted = graph.node('Add', [x, graph.tensor([], [3])]);
		const clipped = graph.node('Clip', [shifted, graph.tensor([], [0]), graph.tensor([], [6])]);
		return graph.node('Div', [clipped, graph.tensor([], [6])]);
	};
	const { original, deployed } = surround(blockOf(same, sigmoid, written), 12);
	for (const run of [false, true]) {
		const found = await compareBytes(modelBytes(original), modelBytes(deployed), { run });
		assert.equal(comparisonStatus(found, 'error'), 0, `run ${run}`);
	}
});
