import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareForm } from '../../../support/compare-bytes.js';
import {
	BLOCKS,
	type Block,
	FORM_NAMES,
	layerOf,
	scaleRows,
	surround,
	WIDTH,
	weightOf,
} from '../../../support/deployed-forms.js';

/** A layer whose shift was lost, in front of another block. */
const behindLostShift =
	(next: Block): Block =>
	(parts, [x, y]) => {
		const { random, from, to } = parts;
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const layer = layerOf(random, WIDTH);
		const original = from.relu(from.batchNorm(from.conv(x, weight), layer));
		const deployed = to.relu(to.conv(y, scaleRows(weight, layer.scale), new Float64Array(WIDTH)));
		return next(parts, [original, deployed]);
	};

/** Every third form; the others differ in where their constants stand. */
const FORMS = FORM_NAMES.filter((_, index) => index % 3 === 0);

for (const name of FORMS) {
	test(`behind a wrong layer, ${name} is still judged`, async () => {
		const { layers, outputs } = await compareForm(surround(behindLostShift(BLOCKS[name]), 3));
		assert.equal(outputs?.status, 'mismatch');
		const wrong = layers.filter(({ status }) => status !== 'match' && status !== 'kept');
		assert.deepEqual(
			wrong.map(({ causes }) => causes),
			[['bias-not-folded']],
			wrong.map(({ name: layer, status, evidence }) => `${layer} ${status}: ${evidence}`).join('\n'),
		);
		const behind = layers.slice(layers.indexOf(wrong[0]) + 1);
		assert.ok(behind.length > 0);
		assert.deepEqual([...new Set(behind.map(({ behavior }) => behavior?.status))], ['behind']);
	});
}

test('a wrong layer behind another wrong one stays wrong', async () => {
	const { layers } = await compareForm(surround(behindLostShift(behindLostShift((_, x) => x)), 4));
	assert.equal(layers.filter(({ status }) => status === 'mismatch').length, 2);
});

/** A layer whose scale and shift are three times too large, which Relu passes on, in front of another block. */
const behindFactor =
	(next: Block): Block =>
	(parts, [x, y]) => {
		const { random, from, to } = parts;
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const layer = layerOf(random, WIDTH);
		const [scale, shift] = [layer.scale, layer.shift].map((values) => values.map((value) => 3 * value));
		const original = from.relu(from.batchNorm(from.conv(x, weight), layer));
		return next(parts, [original, to.relu(to.conv(y, scaleRows(weight, scale), shift))]);
	};

test('a factor that no layer behind undoes is wrong, with and without a run', async () => {
	const last: Block = (_, x) => x;
	for (const block of [behindFactor(last), behindLostShift(behindFactor(last))]) {
		for (const run of [true, false]) {
			const { layers } = await compareForm(surround(block, 5), { run });
			const wrong = layers.slice(1, -1);
			assert.deepEqual([...new Set(wrong.map(({ status }) => status))], ['mismatch'], `run ${run}`);
			assert.deepEqual([layers[0].status, layers.at(-1)?.status], ['match', 'match']);
		}
	}
});

for (const name of FORM_NAMES) {
	test(`without a run, no layer is called wrong in the form ${name}`, async () => {
		const { layers } = await compareForm(surround(BLOCKS[name], 6), { run: false });
		const wrong = layers.filter(({ status }) => status === 'mismatch');
		assert.deepEqual(
			wrong.map(({ name: layer, evidence }) => `${layer}: ${evidence}`),
			[],
		);
	});
}

test('values that agree again far behind a wrong layer do not refute its error', async () => {
	/** Four layers in a row, the first with another scale, the last with almost none, so that it hides what is in front. */
	const fading: Block = ({ random, from, to }, [x, y]) => {
		let [a, b] = [x, y];
		for (const index of [0, 1, 2, 3]) {
			const weight = weightOf(random, WIDTH, WIDTH, 3);
			const layer = layerOf(random, WIDTH);
			const gamma = index === 3 ? layer.gamma.map((value) => value * 5e-7) : layer.gamma;
			const scale = index === 3 ? layer.scale.map((value) => value * 5e-7) : layer.scale;
			const shift = layer.beta.map((value, channel) => value - layer.mean[channel] * scale[channel]);
			const wrong = index === 0 ? scale.map((value, channel) => value * (1.3 + channel / 7)) : scale;
			a = from.relu(from.batchNorm(from.conv(a, weight), { ...layer, gamma }));
			b = to.relu(to.conv(b, scaleRows(weight, wrong), shift));
		}
		return [from.node('Add', [a, x]), to.node('Add', [b, y])];
	};
	const { layers, outputs } = await compareForm(surround(fading, 7));
	assert.equal(outputs?.status, 'match');
	assert.deepEqual(
		layers.map(({ status }) => status),
		['match', 'mismatch', 'match', 'match', 'match', 'match'],
	);
	assert.match(layers[1].behavior?.reason ?? '', /agree again behind 4 operators\.$/);
});
