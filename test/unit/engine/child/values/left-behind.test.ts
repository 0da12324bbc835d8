import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparisonStatus } from '../../../../../src/cli/exit.js';
import { type ComparedModel, compareNetworks } from '../../../../../src/core/folding/compare/compare.js';
import { decideByValues } from '../../../../../src/core/folding/compare/decide-by-values.js';
import type { LayerBehavior } from '../../../../../src/core/report/comparison/behavior.js';
import type { Random } from '../../../../../src/engine/child/tensors/random.js';
import { compareForm } from '../../../support/compare-bytes.js';
import {
	type Block,
	type Layer,
	layerOf,
	modelBytes,
	scaleColumns,
	scaleRows,
	surround,
	WIDTH,
	weightOf,
} from '../../../support/deployed-forms.js';
import type { GraphSpec } from '../../../support/model-builder.js';
import { openBytes } from '../../../support/open.js';

const constant = (value: number, length = WIDTH) => new Float64Array(length).fill(value);
const epsilon = Math.fround(1e-5);

/** Layer of an untrained network. */
const untrained = (): Layer => ({
	...{ gamma: constant(1), beta: constant(0), mean: constant(0), variance: constant(1) },
	...{ scale: constant(1 / Math.sqrt(1 + epsilon)), shift: constant(0) },
});
const trained = (random: Random): Layer => layerOf(random, WIDTH);

/** Layer that hands on its input: gamma makes up for epsilon. */
const neutral = {
	gamma: constant(Math.sqrt(1 + epsilon)),
	beta: constant(0),
	mean: constant(0),
	variance: constant(1),
};

/** Subtracts the values that the layer maps to 0, so that zeros of the padding stand for the original's zeros. */
const borderBySub =
	(drawLayer: (random: Random) => Layer, isWrong = false): Block =>
	({ random, from, to }, [x, y]) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const bias = Float64Array.from({ length: WIDTH }, () => random.normal());
		const layer = drawLayer(random);
		const border = layer.shift.map((value, c) => (isWrong ? 1.5 : 1) * (-value / layer.scale[c]));
		const shifted = to.node('Sub', [y, to.tensor([1, WIDTH, 1, 1], border)]);
		return [
			from.relu(from.conv(from.batchNorm(x, layer), weight, bias)),
			to.relu(to.conv(shifted, scaleColumns(weight, layer.scale), bias)),
		];
	};

const behindSub: Block = ({ random, from, to }, [x, y]) => {
	const weight = weightOf(random, WIDTH, WIDTH, 3);
	const [layer, behind] = [trained(random), trained(random)];
	const border = layer.shift.map((value, c) => value / layer.scale[c]);
	const shifted = to.node('Add', [to.tensor([WIDTH, 1, 1], border), y]);
	return [
		from.relu(from.batchNorm(from.conv(from.batchNorm(x, layer), weight), behind)),
		to.relu(to.conv(shifted, scaleRows(scaleColumns(weight, layer.scale), behind.scale), behind.shift)),
	];
};

/** Leaves a layer that hands on its input behind the folded operator. */
const neutralLeft =
	(drawLayer: (random: Random) => Layer): Block =>
	({ random, from, to }, [x, y]) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const layer = drawLayer(random);
		const folded = to.conv(y, scaleRows(weight, layer.scale), layer.shift);
		return [from.relu(from.batchNorm(from.conv(x, weight), layer)), to.relu(to.batchNorm(folded, neutral))];
	};

/** Divides the bias between the convolution and an Add behind it. */
const dividedBias =
	(share: number, error = 0): Block =>
	({ random, from, to }, [x, y]) => {
		const weight = weightOf(random, WIDTH, WIDTH, 3);
		const bias = Float64Array.from({ length: WIDTH }, () => random.normal());
		const layer = trained(random);
		const whole = layer.shift.map((value, c) => value + layer.scale[c] * bias[c]);
		const inside = whole.map((value) => Math.fround(share * value));
		const rest = whole.map((value, c) => value - inside[c] + (c === 2 ? error : 0));
		return [
			from.relu(from.batchNorm(from.conv(x, weight, bias), layer)),
			to.relu(to.add(to.conv(y, scaleRows(weight, layer.scale), inside), rest)),
		];
	};

const biasInKept: Block = ({ random, from, to }, [x, y]) => {
	const weight = weightOf(random, WIDTH, WIDTH, 3);
	const layer = trained(random);
	const bias = Float64Array.from({ length: WIDTH }, () => Math.fround(0.3 * random.normal()));
	const mean = layer.mean.map((value, c) => value - bias[c]);
	return [
		from.relu(from.batchNorm(from.conv(x, weight, bias), layer)),
		to.relu(to.batchNorm(to.conv(y, weight), { ...layer, mean })),
	];
};

const RIGHT: Readonly<Record<string, Block>> = {
	'a Sub makes the border of a layer folded forward': borderBySub(trained),
	'a Sub makes the border of an untrained layer folded forward': borderBySub(untrained),
	'an Add makes the border, with a layer behind the convolution': behindSub,
	'a neutral layer is left': neutralLeft(trained),
	'a neutral layer is left of an untrained network': neutralLeft(untrained),
	'the bias of zeros is in an Add': dividedBias(0),
	'a part of the bias is in an Add': dividedBias(0.3),
	'the bias is in the mean of a kept layer': biasInKept,
};

for (const [name, block] of Object.entries(RIGHT)) {
	test(`${name}: right with and without a run`, async () => {
		for (const seed of [1, 2, 3]) {
			for (const run of [true, false]) {
				const comparison = await compareForm(surround(block, seed), { run });
				assert.deepEqual(comparison.operators ?? [], []);
				assert.equal(comparison.firstDifference ?? null, null);
				for (const { name: layer, status, cause, evidence } of comparison.layers) {
					assert.ok(status === 'match' || status === 'kept', `${layer}: ${status}, ${evidence}`);
					assert.equal(cause, null, layer);
				}
				assert.equal(comparisonStatus(comparison, 'error'), 0);
			}
		}
	});
}

const WRONG: Readonly<Record<string, Block>> = {
	'a Sub makes a wrong border': borderBySub(trained, true),
	'an Add has a wrong part of the bias': dividedBias(0.3, 1e-2),
};

for (const [name, block] of Object.entries(WRONG)) {
	test(`${name}: wrong with and without a run`, async () => {
		for (const run of [true, false]) {
			const comparison = await compareForm(surround(block, 1), { run });
			assert.equal(comparisonStatus(comparison, 'error'), 1);
			assert.equal(comparison.layers[1].status, 'mismatch');
		}
	});
}

async function opened(graph: GraphSpec): Promise<ComparedModel> {
	const { model, source } = await openBytes(modelBytes(graph));
	return { model, access: { source } };
}

test('a tensor that rounding moves is no first difference if outputs and layers arrived', async () => {
	const { original, deployed } = surround(neutralLeft(trained), 1);
	const files = await compareNetworks(await opened(original), await opened(deployed));
	const behavior = { status: 'match', tensor: 'x', snrDb: 140, maxAbs: 0, bound: 1 } as const;
	const numbers = { maxAbs: 0, maxRel: 0, bound: 1 };
	const firstDifferenceOf = (status: 'match' | 'mismatch', last: LayerBehavior) => {
		const layers = files.comparison.layers.map((_, index) => ({ behavior: index === 2 ? last : behavior }));
		return decideByValues(files, { status, ...numbers }, { layers, firstDifference: 'tensor' }).firstDifference;
	};
	assert.equal(firstDifferenceOf('match', behavior), null);
	assert.equal(firstDifferenceOf('mismatch', behavior), 'tensor');
	assert.equal(firstDifferenceOf('match', { ...behavior, status: 'behind' }), 'tensor');
});
