import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareBytes } from '../../../support/compare-bytes.js';
import {
	type Block,
	type Layer,
	layerOf,
	modelBytes,
	scaleRows,
	surround,
	type Weight,
	WIDTH,
	weightOf,
} from '../../../support/deployed-forms.js';

type Constants = readonly [Weight, Float64Array | undefined];

interface Case {
	/** Function behind each layer. */
	readonly functions: readonly string[];
	/** Order of the copies in the deployed model. */
	readonly order: readonly number[];
	/** Returns the constants of a layer's copy. */
	readonly write: (weight: Weight, layers: readonly Layer[], index: number) => Constants;
	/** Layer that is still a layer in the deployed model. */
	readonly kept?: number;
}

/** A convolution that several layers read, and its deployment as a convolution for each. */
const branches =
	({ functions, order, write, kept }: Case): Block =>
	({ random, from, to }, [x, y]) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const layers = functions.map(() => layerOf(random, WIDTH));
		const shared = from.conv(x, weight);
		const deployed: string[] = [];
		for (const index of order) {
			const conv = to.conv(y, ...write(weight, layers, index));
			const normalized = index === kept ? to.batchNorm(conv, layers[index]) : conv;
			deployed[index] = to.node(functions[index], [normalized]);
		}
		return [
			from.node(
				'Sum',
				layers.map((layer, index) => from.node(functions[index], [from.batchNorm(shared, layer)])),
			),
			to.node('Sum', deployed),
		];
	};

const folded: Case['write'] = (weight, layers, index) => [scaleRows(weight, layers[index].scale), layers[index].shift];
/** The right fold, with a wrong row in the copy of the second layer. */
const wrongRow: Case['write'] = (weight, layers, index) => {
	const scale = layers[index].scale.map((value, row) => (index === 1 && row === 2 ? 1.5 * value : value));
	return [scaleRows(weight, scale), layers[index].shift];
};
const RELU = ['Relu', 'Relu', 'Relu'];
const MIXED = ['Relu', 'Sigmoid', 'Tanh'];

/** Deployments -> verdicts of the layers. */
const CASES: Readonly<Record<string, readonly [Case, readonly string[]]>> = {
	'right, with the same functions behind': [
		{ functions: RELU, order: [2, 0, 1], write: folded },
		['match', 'match', 'match'],
	],
	'right, with other functions behind': [
		{ functions: MIXED, order: [1, 2, 0], write: folded },
		['match', 'match', 'match'],
	],
	'a wrong row, with the same functions behind': [
		{ functions: RELU, order: [1, 2, 0], write: wrongRow },
		['match', 'mismatch', 'match'],
	],
	'a wrong row, with other functions behind': [
		{ functions: MIXED, order: [2, 1, 0], write: wrongRow },
		['match', 'mismatch', 'match'],
	],
	'a layer kept, and a wrong row': [
		{
			functions: RELU,
			order: [1, 0, 2],
			write: (weight, layers, index) => (index === 0 ? [weight, undefined] : wrongRow(weight, layers, index)),
			kept: 0,
		},
		['kept', 'mismatch', 'match'],
	],
};

for (const [name, [form, expected]] of Object.entries(CASES)) {
	test(`each layer gets its own copy of a convolution, also without a run: ${name}`, async () => {
		const { original, deployed } = surround(branches(form), 7);
		for (const run of [false, true]) {
			const { layers } = await compareBytes(modelBytes(original), modelBytes(deployed), { run });
			const statuses = layers.slice(1, 1 + expected.length).map(({ status }) => status);
			assert.deepEqual(statuses, expected, `run ${run}: ${layers.map(({ evidence }) => evidence).join(' ')}`);
		}
	});
}

test('folds that were exchanged between two copies are found by the functions behind them', async () => {
	const exchanged: Case['write'] = (weight, layers, index) => folded(weight, layers, [1, 0, 2][index]);
	const { original, deployed } = surround(branches({ functions: MIXED, order: [0, 1, 2], write: exchanged }), 7);
	const { layers } = await compareBytes(modelBytes(original), modelBytes(deployed), { run: false });
	assert.deepEqual(
		layers.slice(1, 4).map(({ status }) => status),
		['mismatch', 'mismatch', 'match'],
	);
	const { outputs } = await compareBytes(modelBytes(original), modelBytes(deployed));
	assert.equal(outputs?.status, 'mismatch');
});
