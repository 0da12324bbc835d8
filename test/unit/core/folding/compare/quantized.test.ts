/** Right and wrong folds whose constants lie on grids that the deployed model states. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareModels } from '../../../../../src/core/folding/compare/compare.js';
import type { Comparison } from '../../../../../src/core/report/comparison/comparison.js';
import { SINGLES } from '../../../../folding/cases.js';
import type { OperatorKind } from '../../../../folding/layers.js';
import { runQuantized } from '../../../../folding/quantized-case.js';
import { openFixture } from '../../../support/fixtures.js';
import { open } from '../../../support/open.js';
import { type Grid, type QuantizedForm, quantized } from '../../../support/quantized-forms.js';
import { specOf } from '../../../support/respec.js';

const [BETA_DROPPED] = SINGLES.filter(({ name }) => name === 'beta-dropped');
const [GAMMA_DROPPED] = SINGLES.filter(({ name }) => name === 'gamma-dropped');

async function compareFolded(form: QuantizedForm, grid: Grid): Promise<Comparison> {
	const original = await openFixture('plain_cnn.onnx');
	const folded = await specOf(await openFixture('plain_cnn.folded.onnx'));
	const deployed = await open(quantized(folded, form, grid));
	const compared = ({ model, source }: typeof original) => ({ model, access: { source } });
	return compareModels(compared(original), compared(deployed));
}

for (const form of ['qdq', 'qoperator', 'dynamic'] as const) {
	for (const perChannel of [true, false]) {
		const title = `${form}, steps ${perChannel ? 'per channel' : 'per tensor'}`;

		test(`${title}: a right fold matches within half a step of weights and int32 biases`, async () => {
			const { layers, summary } = await compareFolded(form, { perChannel });
			assert.equal(summary.match, 3, layers.map(({ evidence }) => evidence).join('\n'));
			assert.ok(layers.every(({ cause, confidence }) => cause === 'quantized-int8' && confidence === 1));
		});

		test(`${title}: uint8 weights with a zero point match, too`, async () => {
			const { layers, summary } = await compareFolded(form, { perChannel, unsigned: true });
			assert.equal(summary.match, 3, layers.map(({ evidence }) => evidence).join('\n'));
		});

		test(`${title}: weights and biases that are 2 % too large are a mismatch`, async () => {
			const { summary } = await compareFolded(form, { perChannel, factor: 1.02 });
			assert.equal(summary.mismatch, 3);
		});

		if (form !== 'dynamic') {
			test(`${title}: biases that are two steps off are a mismatch`, async () => {
				const { summary } = await compareFolded(form, { perChannel, biasShift: 2 });
				assert.equal(summary.mismatch, 3);
			});
		}
	}
}

test('the scales of dynamic quantization may multiply the product one after the other', async () => {
	const { summary } = await compareFolded('dynamic', { perChannel: true, separateScales: true });
	assert.equal(summary.match, 3);
});

test('every form of quantization is read on every operator that it is written for', async () => {
	const kinds: Readonly<Record<QuantizedForm, readonly OperatorKind[]>> = {
		qdq: ['Conv', 'GroupedConv', 'Gemm', 'GemmTransposed', 'MatMul'],
		qoperator: ['Conv1d', 'DepthwiseConv', 'Gemm', 'GemmTransposed', 'MatMul'],
		dynamic: ['Conv1d', 'DepthwiseConv', 'Gemm', 'GemmTransposed', 'MatMul'],
		training: ['Conv', 'Gemm', 'GemmTransposed', 'MatMul'],
		blocked: ['Conv', 'Gemm', 'GemmTransposed', 'MatMul'],
		packed: ['GemmTransposed'],
	};
	for (const form of Object.keys(kinds) as QuantizedForm[]) {
		for (const [index, kind] of kinds[form].entries()) {
			const { layers } = await runQuantized({ form, kind, grid: { perChannel: index % 2 === 0 }, seed: 20 + index });
			const title = `${form}, ${kind}: ${layers.map(({ evidence }) => evidence).join('; ')}`;
			assert.ok(
				layers.every(({ status, cause }) => status === 'match' && cause === 'quantized-int8'),
				title,
			);
			const wrong = { form, kind, grid: { perChannel: index % 2 === 0 }, seed: 20 + index, set: GAMMA_DROPPED };
			const [, tampered] = (await runQuantized(wrong)).layers;
			assert.deepEqual([tampered.status, tampered.cause], ['mismatch', 'gamma-dropped'], `${form}, ${kind}`);
		}
	}
});

test('a bias that is added in int8 behind a MatMul is judged by its own step', async () => {
	for (const form of ['qdq', 'qoperator'] as const) {
		for (const perChannel of [true, false]) {
			const of = { form, kind: 'MatMul', grid: { perChannel, quantizedAdd: true }, seed: 31 } as const;
			const { layers } = await runQuantized(of);
			const title = `${form}: ${layers.map(({ evidence }) => evidence).join('; ')}`;
			assert.ok(
				layers.every(({ status, cause }) => status === 'match' && cause === 'quantized-int8'),
				title,
			);
			const [, wrong] = (await runQuantized({ ...of, set: BETA_DROPPED })).layers;
			assert.deepEqual([wrong.status, wrong.cause], ['mismatch', 'beta-dropped'], title);
		}
	}
});
