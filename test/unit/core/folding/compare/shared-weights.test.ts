/** Weights that several layers share, folded with the scales of one of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareForm } from '../../../support/compare-bytes.js';
import { type Block, layerOf, scaleRows, surround, WIDTH, weightOf } from '../../../support/deployed-forms.js';

/**
 * Builds convolutions with one weight, each in front of its layers. The deployed weight has the scales of layer 0 for all of
 * them, and each deployed convolution stands for all layers of its own.
 * @param groups indices of layers by convolution; layers of one index are equal
 */
function folded(groups: readonly (readonly number[])[]): Block {
	return ({ random, from, to }, [x, y]) => {
		const weight = weightOf(random, WIDTH, WIDTH, 1);
		const layers = Array.from({ length: Math.max(...groups.flat()) + 1 }, () => layerOf(random, WIDTH));
		const original = from.tensor(weight.dims, weight.values);
		const deployed = to.tensor(weight.dims, scaleRows(weight, layers[0].scale).values);
		const [left, right] = [[] as string[], [] as string[]];
		for (const [at, group] of groups.entries()) {
			const function_ = ['Tanh', 'Sigmoid', 'Relu'][at % 3];
			const [a, b] = [from.node(function_, [x]), to.node(function_, [y])];
			const operator = from.node('Conv', [a, original]);
			const merged = to.node('Conv', [b, deployed, to.tensor([WIDTH], layers[group[0]].shift)]);
			for (const [reader, index] of group.entries()) {
				const activation = ['Relu', 'Tanh', 'Sigmoid'][reader % 3];
				left.push(from.node(activation, [from.batchNorm(operator, layers[index])]));
				right.push(to.node(activation, [merged]));
			}
		}
		const sum = (writer: typeof from, terms: readonly string[]) => terms.reduce((a, b) => writer.node('Add', [a, b]));
		return [sum(from, left), sum(to, right)];
	};
}

test('a layer is wrong by a shared weight if any layer of another operator has other scales', async () => {
	const forms = [
		// The two layers that come first have the operator of the wrong one.
		[[0, 1], [0]],
		// The fold with other scales comes last.
		[[1], [1], [1], [0]],
		// Each operator has several layers.
		[
			[0, 1, 2],
			[0, 1],
		],
	];
	for (const groups of forms) {
		const { layers } = await compareForm(surround(folded(groups), 1), { run: false });
		const wrong = layers.filter(({ status }) => status === 'mismatch');
		const expected = groups.flat().filter((index) => index !== 0).length;
		assert.deepEqual(
			wrong.map(({ cause }) => cause),
			Array.from({ length: expected }, () => 'shared-weight'),
			JSON.stringify(groups),
		);
	}
});
