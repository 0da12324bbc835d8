import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparisonStatus } from '../../../../../src/cli/exit.js';
import type { Comparison } from '../../../../../src/core/report/comparison/comparison.js';
import { SINGLES } from '../../../../folding/cases.js';
import { repairCase } from '../../../../folding/repair-case.js';
import { compareBytes } from '../../../support/compare-bytes.js';
import {
	type Block,
	type DeployedForm,
	layerOf,
	modelBytes,
	scaleRows,
	surround,
	WIDTH,
	weightOf,
} from '../../../support/deployed-forms.js';
import { QUANTIZATIONS } from '../../../support/quantized-models.js';

function compareQuantized({ original, deployed }: DeployedForm, form: string, seed = 0): Promise<Comparison> {
	return compareBytes(modelBytes(original), QUANTIZATIONS[form](deployed), { seed });
}

/** A convolution and its layer, which the deployed model folds with the scale changed. */
const folded =
	(change: (scale: Float64Array) => Float64Array): Block =>
	({ random, from, to }, [x, y]) => {
		const [weight, layer] = [weightOf(random, WIDTH, WIDTH, 3), layerOf(random, WIDTH)];
		const scale = change(layer.scale);
		return [from.batchNorm(from.conv(x, weight), layer), to.conv(y, scaleRows(weight, scale), layer.shift)];
	};

for (const [index, form] of Object.keys(QUANTIZATIONS).entries()) {
	test(`a right fold is found by its values: ${form}`, async () => {
		const result = await compareQuantized(
			surround(
				folded((scale) => scale),
				11 + index,
			),
			form,
		);
		assert.equal(comparisonStatus(result, 'error'), 0);
		assert.deepEqual(new Set(result.layers.map(({ behavior }) => behavior?.status)), new Set(['match']));
		assert.equal(result.firstDifference, null);
		assert.ok(result.outputs?.status === 'match' || /^On this input, rounding/.test(result.outputs?.reason ?? ''));
	});
}

for (const [index, form] of Object.keys(QUANTIZATIONS).slice(0, 6).entries()) {
	test(`a wrong fold moves the outputs by more than 8 bits explain: ${form}`, async () => {
		const result = await compareQuantized(
			surround(
				folded((scale) => scale.map((value) => -value)),
				31 + index,
			),
			form,
		);
		const { outputs } = result;
		assert.equal(outputs?.status, 'mismatch');
		assert.ok((outputs?.maxAbs ?? 0) > (outputs?.bound ?? 0));
		const [first, second] = result.layers;
		assert.equal(first.behavior?.status, 'match', 'the layer in front is found');
		assert.equal(second.status, 'mismatch');
		assert.equal(second.behavior?.status, 'mismatch');
	});
}

test('the ratio is that of rounded activations, beside the one without rounding', async () => {
	const result = await compareQuantized(
		surround(
			folded((scale) => scale),
			5,
		),
		'QDQ per channel',
	);
	for (const { behavior } of result.layers) {
		assert.ok((behavior?.snrDb ?? 0) > 20 && (behavior?.snrDb ?? 0) < (behavior?.unroundedSnrDb ?? 0));
	}
	const { outputs } = result;
	assert.ok(outputs?.status === 'match' && (outputs.roundedMaxRel ?? 0) > outputs.maxRel);
	assert.ok((outputs.snrDb ?? 0) > 20 && (outputs.snrDb ?? 0) < (outputs.unroundedSnrDb ?? 0));
	assert.ok((outputs.boundRatio ?? 2) <= 1);
});

test('noise as large as the values is no verdict, and the numbers are given', async () => {
	// A large channel leaves the others few steps.
	const coarse: Block = ({ random, from, to }, [x, y]) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const wide = { ...weight, values: weight.values.map((value, i) => (i < WIDTH * 9 ? 200 * value : value)) };
		const layer = layerOf(random, WIDTH);
		const [scale, variance] = [layer.scale.slice(), layer.variance.slice()];
		const normalized = { ...layer, variance };
		return [from.batchNorm(from.conv(x, wide), normalized), to.conv(y, scaleRows(wide, scale), layer.shift)];
	};
	const result = await compareQuantized(surround(coarse, 3), 'weights only');
	assert.notEqual(comparisonStatus(result, 'error'), 1);
	assert.deepEqual(new Set(result.layers.map(({ status }) => status)), new Set(['match']));
});

test('rounding to a coarse grid does not refute an exact fault of the bias', async () => {
	for (const fault of ['mean-dropped', 'beta-dropped']) {
		const set = SINGLES.find(({ name }) => name === fault);
		assert.ok(set);
		for (const kind of ['Conv', 'GroupedConv', 'Gemm', 'MatMul'] as const) {
			const { original, deployed, right, at } = repairCase(set, kind, { seed: 7001, form: 'dynamic uint8 7 bits' });
			assert.equal((await compareBytes(original, right)).layers[at].status, 'match', kind);
			const { layers } = await compareBytes(original, deployed);
			assert.deepEqual([layers[at].status, layers[at].cause], ['mismatch', fault], kind);
		}
	}
});
