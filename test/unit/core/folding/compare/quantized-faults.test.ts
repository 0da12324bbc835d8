/** Folds that were wrong before they were quantized. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FaultSet, SINGLES } from '../../../../folding/cases.js';
import type { OperatorKind } from '../../../../folding/layers.js';
import { type QuantizedCase, runQuantized } from '../../../../folding/quantized-case.js';
import type { QuantizedForm } from '../../../support/quantized-forms.js';

const perChannel = { perChannel: true };

test('an int32 bias at the end of its range is a cause of its own, in its channel only', async () => {
	const base: QuantizedCase = { form: 'qdq', grid: perChannel, kind: 'Conv', seed: 3, shrunk: 1e-12 };
	for (const form of ['qdq', 'qoperator'] as const) {
		const [before, layer, behind] = (await runQuantized({ ...base, form })).layers;
		assert.deepEqual([before.status, behind.status], ['match', 'match']);
		assert.deepEqual([layer.status, layer.cause, layer.confidence], ['mismatch', 'bias-clipped', 0.99]);
		assert.match(layer.evidence, /^\d+ of \d+ channels carry the right fold; the int32 bias of channel 1 is clipped/);
		const wrong = Array.from(layer.perChannel.boundRatio ?? []).flatMap((ratio, channel) =>
			ratio > 1 ? [channel] : [],
		);
		assert.deepEqual(wrong, [1]);
	}
	const inFloat = await runQuantized({ ...base, form: 'dynamic' });
	assert.deepEqual(
		inFloat.layers.map(({ status }) => status),
		['match', 'match', 'match'],
	);
});

test('a clipped bias is named beside another cause', async () => {
	const set = SINGLES.find(({ name }) => name === 'gamma-dropped');
	const { layers } = await runQuantized({
		form: 'qdq',
		grid: perChannel,
		kind: 'Conv',
		seed: 3,
		shrunk: 1e-12,
		...(set && { set }),
	});
	assert.deepEqual([layers[1].cause, layers[1].causes.includes('bias-clipped')], ['gamma-dropped', true]);
	assert.match(layers[1].evidence, /the int32 bias of channel 1 is clipped/);
});

/** Named faults, in every form: dropped or flipped terms, formulas, and other orders. */
const FAULTS = [
	...['gamma-dropped', 'gamma-sign-lost', 'beta-dropped', 'mean-dropped', 'mean-sign-flipped'],
	...['missing-sqrt', 'folded-twice', 'parameters-permuted', 'channels-permuted'],
];
/** Faults that change little, most of which 8 bits hide. */
const SUBTLE = ['wrong-epsilon', 'epsilon-outside-sqrt', 'epsilon-clamped', 'unbiased-variance'];
const FORMS: readonly QuantizedForm[] = ['qdq', 'qoperator', 'dynamic'];
const KINDS: readonly OperatorKind[] = [
	'Conv',
	'DepthwiseConv',
	'Gemm',
	'GroupedConv',
	'MatMul',
	'Conv1d',
	'GemmTransposed',
];
/** Share of the visible faults that have to be named. */
const LEAST_NAMED = 0.95;
/** Confidence from which a name counts as certain. */
const CERTAIN = 0.9;

/** Cases of every fault in every form, with steps per channel and per tensor; kinds of operators and int8 or uint8 in turn. */
function* cases(
	faults: readonly string[],
	rest: Partial<QuantizedCase> = {},
): Generator<QuantizedCase & { set: FaultSet }> {
	let count = 0;
	for (const set of SINGLES.filter(({ name }) => faults.includes(name))) {
		for (const form of FORMS) {
			for (const perChannel of [true, false]) {
				const kind = KINDS[count++ % KINDS.length];
				yield { set, form, kind, grid: { perChannel, unsigned: count % 3 === 0 }, seed: 1000 + count, ...rest };
			}
		}
	}
}

test('wrong folds that were quantized afterwards are named where 8 bits leave them visible', async (t) => {
	let [visible, named, run] = [0, 0, 0];
	const missed: string[] = [];
	const check = async (of: QuantizedCase & { set: FaultSet }) => {
		const { layers, isVisible } = await runQuantized(of);
		const [before, { causes, confidence, evidence }, behind] = layers;
		const name = causes.filter((code) => code !== 'quantized-int8').join(' + ');
		const title = `${of.set.name}, ${of.form}, ${of.kind}, ${JSON.stringify(of.grid)}, seed ${of.seed}: ${name || 'match'}, ${confidence.toFixed(2)}, ${evidence}`;
		assert.deepEqual([before.status, behind.status], ['match', 'match'], title);
		assert.ok(['', 'unknown', of.set.name].includes(name) || confidence < CERTAIN, `named with certainty: ${title}`);
		run++;
		visible += isVisible ? 1 : 0;
		named += isVisible && name === of.set.name ? 1 : 0;
		if (isVisible && name !== of.set.name) {
			missed.push(title);
		}
	};
	for (const of of [...cases(FAULTS), ...cases(FAULTS, { seed: 5 }), ...cases(SUBTLE, { spread: 2 })]) {
		await check(of);
	}
	t.diagnostic(`${named} of ${visible} visible faults named; ${run - visible} of ${run} faults are hidden by 8 bits`);
	assert.ok(visible > 100 && run - visible > 10, `${visible} of ${run} visible`);
	assert.ok(named >= LEAST_NAMED * visible, missed.join('\n'));
});
