import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparisonStatus } from '../../../../../src/cli/exit.js';
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

interface Copies {
	/** Constants for the layer, and for the reader without a layer. */
	readonly layer: readonly [Weight, Float64Array | undefined];
	readonly other: readonly [Weight, Float64Array | undefined];
}

/** A convolution that a layer and a Tanh read, and its deployment as two convolutions. */
const twoReaders =
	(write: (weight: Weight, layer: Layer) => Copies): Block =>
	({ random, from, to }, [x, y]) => {
		const [weight, layer] = [weightOf(random, WIDTH, WIDTH, 3), layerOf(random, WIDTH)];
		const shared = from.conv(x, weight);
		const copies = write(weight, layer);
		return [
			from.node('Add', [from.relu(from.batchNorm(shared, layer)), from.node('Tanh', [shared])]),
			to.node('Add', [to.relu(to.conv(y, ...copies.layer)), to.node('Tanh', [to.conv(y, ...copies.other)])]),
		];
	};

const scaled = (weight: Weight, factor: number, row: number): Weight => ({
	...weight,
	values: weight.values.map((value, at) => (Math.floor(at / (WIDTH * 9)) === row ? value * factor : value)),
});

/** Deployments -> cause of the layer, null for a right layer, and true if the model is right. */
const CASES: Readonly<Record<string, readonly [(weight: Weight, layer: Layer) => Copies, string | null, boolean]>> = {
	'a fold and the original': [
		(weight, { scale, shift }) => ({ layer: [scaleRows(weight, scale), shift], other: [weight, undefined] }),
		null,
		true,
	],
	'a fold without gamma': [
		(weight, { gamma, mean, beta, scale }) => {
			const plain = scale.map((value, row) => value / gamma[row]);
			const shift = beta.map((value, row) => value - mean[row] * plain[row]);
			return { layer: [scaleRows(weight, plain), shift], other: [weight, undefined] };
		},
		'gamma-dropped',
		false,
	],
	'a fold without beta': [
		(weight, { scale, shift, beta }) => ({
			layer: [scaleRows(weight, scale), shift.map((value, row) => value - beta[row])],
			other: [weight, undefined],
		}),
		'beta-dropped',
		false,
	],
	'a fold, and a copy with its scale': [
		(weight, { scale, shift }) => ({
			layer: [scaleRows(weight, scale), shift],
			other: [scaleRows(weight, scale), undefined],
		}),
		null,
		false,
	],
	'a fold, and a copy with a row that is off by a percent': [
		(weight, { scale, shift }) => ({
			layer: [scaleRows(weight, scale), shift],
			other: [scaled(weight, 1.01, 2), undefined],
		}),
		null,
		false,
	],
};

for (const [name, [write, cause, isRight]] of Object.entries(CASES)) {
	test(`two copies of a convolution with two readers, also without a run: ${name}`, async () => {
		const { original, deployed } = surround(twoReaders(write), 31);
		for (const run of [false, true]) {
			const found = await compareBytes(modelBytes(original), modelBytes(deployed), { run });
			assert.equal(
				comparisonStatus(found, 'error'),
				Number(!isRight),
				`run ${run}: ${JSON.stringify(found.layers[1])}`,
			);
			assert.equal(found.layers[1]?.cause, cause, `run ${run}`);
		}
	});
}
