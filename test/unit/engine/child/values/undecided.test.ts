import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparisonStatus } from '../../../../../src/cli/exit.js';
import { compareForm } from '../../../support/compare-bytes.js';
import {
	type Block,
	columnsOf,
	layerOf,
	pick,
	rowsOf,
	scaleColumns,
	scaleRows,
	surround,
	type Weight,
	WIDTH,
	weightOf,
} from '../../../support/deployed-forms.js';

/** Adds numbers of 1x1 kernels to every place of 3x3 kernels, or to their center. */
function addTo(wide: Weight, { values }: Weight, share: (place: number) => number): Weight {
	return { ...wide, values: wide.values.map((value, i) => value + share(i % 9) * values[Math.floor(i / 9)]) };
}

const isCenter = (place: number) => (place === 4 ? 1 : 0);

/** Merges a 3x3 and a 1x1 branch that a Sum joins. @param error added to a number of the merged weight */
const sumOfBranches =
	(error = 0): Block =>
	({ random, from, to }, [x, y]) => {
		const weights = [weightOf(random, WIDTH, WIDTH, 3), weightOf(random, WIDTH, WIDTH, 1)];
		const layers = weights.map(() => layerOf(random, WIDTH));
		const branches = weights.map((weight, i) => from.batchNorm(from.conv(x, weight), layers[i]));
		const [wide, narrow] = weights.map((weight, i) => scaleRows(weight, layers[i].scale));
		const merged = addTo(wide, narrow, isCenter);
		merged.values[7] += error;
		const bias = layers[0].shift.map((value, c) => value + layers[1].shift[c]);
		return [from.relu(from.node('Sum', branches)), to.relu(to.conv(y, merged, bias))];
	};

/** Merges a 3x3 branch and a 1x1 branch with an average behind it. */
const averagedBranch: Block = ({ random, from, to }, [x, y]) => {
	const weights = [weightOf(random, WIDTH, WIDTH, 3), weightOf(random, WIDTH, WIDTH, 1)];
	const layers = weights.map(() => layerOf(random, WIDTH));
	const averaged = from.node('AveragePool', [from.conv(x, weights[1])], {
		kernel_shape: { ints: [3, 3] },
		pads: { ints: [1, 1, 1, 1] },
		count_include_pad: { i: 1 },
	});
	const branches = [from.batchNorm(from.conv(x, weights[0]), layers[0]), from.batchNorm(averaged, layers[1])];
	const [wide, narrow] = weights.map((weight, i) => scaleRows(weight, layers[i].scale));
	const merged = addTo(wide, narrow, () => 1 / 9);
	const bias = layers[0].shift.map((value, c) => value + layers[1].shift[c]);
	return [from.relu(from.node('Add', branches)), to.relu(to.conv(y, merged, bias))];
};

/** Folds two layers behind one ConvTranspose, which has no coefficients to compare, into a copy for each. */
const copies: Block = ({ random, from, to }, [x, y]) => {
	const weight = weightOf(random, WIDTH, WIDTH, 3);
	const layers = [layerOf(random, WIDTH), layerOf(random, WIDTH)];
	const transposed = (graph: typeof from, at: string, { dims, values }: Weight, bias: readonly string[] = []) =>
		graph.node('ConvTranspose', [at, graph.tensor(dims, values), ...bias], { pads: { ints: [1, 1, 1, 1] } });
	const shared = transposed(from, x, weight);
	const sides = layers.map((layer) => from.batchNorm(shared, layer));
	const folded = layers
		.toReversed()
		.map(({ scale, shift }) => transposed(to, y, scaleColumns(weight, scale), [to.tensor([WIDTH], shift)]));
	return [
		from.node('Mul', [from.relu(sides[0]), from.node('Sigmoid', [sides[1]])]),
		to.node('Mul', [to.relu(folded[1]), to.node('Sigmoid', [folded[0]])]),
	];
};

const UNPADDED = { pad: 0 };

/** Returns the kernel and the bias of a 3x3 convolution behind a folded 1x1 convolution. */
function composed(narrow: Weight, shift: Float64Array, wide: Weight): { weight: Weight; bias: Float64Array } {
	const values = new Float64Array(WIDTH * WIDTH * 9);
	const bias = new Float64Array(WIDTH);
	wide.values.forEach((value, i) => {
		const [row, middle] = [Math.floor(i / (9 * WIDTH)), Math.floor(i / 9) % WIDTH];
		bias[row] += value * shift[middle];
		for (let column = 0; column < WIDTH; column++) {
			values[(row * WIDTH + column) * 9 + (i % 9)] += value * narrow.values[middle * WIDTH + column];
		}
	});
	return { weight: { dims: [WIDTH, WIDTH, 3, 3], values }, bias };
}

/** Merges a 1x1 and a 3x3 convolution in a row, with a layer behind each, and the 3x3 branch beside them. */
const rowOfTwo =
	(hasBranch: boolean, error = 0): Block =>
	({ random, from, to }, [x, y]) => {
		const [narrow, wide] = [weightOf(random, WIDTH, WIDTH, 1), weightOf(random, WIDTH, WIDTH, 3)];
		const [a, b, c] = [0, 1, 2].map(() => layerOf(random, WIDTH));
		const inner = from.batchNorm(from.conv(x, narrow), a);
		const chain = from.batchNorm(from.conv(inner, wide, undefined, UNPADDED), b);
		const merged = composed(scaleRows(narrow, a.scale), a.shift, scaleRows(wide, b.scale));
		const bias = merged.bias.map((value, row) => value + b.shift[row]);
		merged.weight.values[7] += error;
		if (!hasBranch) {
			return [from.relu(chain), to.relu(to.conv(y, merged.weight, bias, UNPADDED))];
		}
		const beside = weightOf(random, WIDTH, WIDTH, 3);
		const branch = from.batchNorm(from.conv(x, beside, undefined, UNPADDED), c);
		const { values } = scaleRows(beside, c.scale);
		const all = { ...merged.weight, values: merged.weight.values.map((value, i) => value + values[i]) };
		const shift = bias.map((value, row) => value + c.shift[row]);
		return [from.relu(from.node('Add', [branch, chain])), to.relu(to.conv(y, all, shift, UNPADDED))];
	};

const MERGED = {
	'a Sum of branches': sumOfBranches(),
	'a branch with an average': averagedBranch,
	copies,
	'two convolutions in a row': rowOfTwo(false),
	'two convolutions in a row beside a branch': rowOfTwo(true),
} as const;

for (const [name, block] of Object.entries(MERGED)) {
	test(`${name}: right with a run, and never wrong without`, async () => {
		for (const seed of [1, 2, 3, 4]) {
			const { layers } = await compareForm(surround(block, seed));
			for (const { status, evidence } of layers) {
				assert.ok(status === 'match' || status === 'kept', evidence);
			}
			const blind = await compareForm(surround(block, seed), { run: false });
			assert.notEqual(comparisonStatus(blind, 'error'), 1, blind.layers.map(({ evidence }) => evidence).join(' '));
			assert.ok(blind.layers.every(({ cause }) => cause === null));
		}
	});
}

test('coefficients show a Sum of branches to be right without a run', async () => {
	const { layers } = await compareForm(surround(sumOfBranches(), 1), { run: false });
	assert.ok(layers.every(({ status }) => status === 'match'));
});

test('a wrong merge stays wrong with and without a run', async () => {
	for (const run of [true, false]) {
		assert.equal(comparisonStatus(await compareForm(surround(sumOfBranches(0.5), 1), { run }), 'error'), 1);
	}
	for (const hasBranch of [true, false]) {
		assert.equal(comparisonStatus(await compareForm(surround(rowOfTwo(hasBranch, 0.5), 1)), 'error'), 1);
	}
});

const ORDER = [3, 0, 5, 1, 4, 2];

/** Moves the channels of a folded layer, and the input channels of the operator that reads them. */
const moved =
	(reader: 'Conv' | 'ConvTranspose'): Block =>
	({ random, from, to }, [x, y]) => {
		const [weight, next] = [weightOf(random, WIDTH, WIDTH, 3), weightOf(random, WIDTH, WIDTH, 3)];
		const layer = layerOf(random, WIDTH);
		const read = (graph: typeof from, at: string, { dims, values }: Weight) =>
			graph.node(reader, [at, graph.tensor(dims, values)], { pads: { ints: [1, 1, 1, 1] } });
		const folded = to.conv(y, rowsOf(scaleRows(weight, layer.scale), ORDER), pick(layer.shift, ORDER));
		const followed = reader === 'Conv' ? columnsOf(next, ORDER) : rowsOf(next, ORDER);
		return [
			from.relu(read(from, from.relu(from.batchNorm(from.conv(x, weight), layer)), next)),
			to.relu(read(to, to.relu(folded), followed)),
		];
	};

test('an order of channels is doubted where it is not followed without a run, and right with a run', async () => {
	for (const reader of ['Conv', 'ConvTranspose'] as const) {
		const form = surround(moved(reader), 1);
		const { layers } = await compareForm(form);
		assert.ok(layers.every(({ status }) => status === 'match'));
		const blind = await compareForm(form, { run: false });
		const doubted = blind.layers.filter(({ cause }) => cause === 'channels-permuted');
		assert.equal(doubted.length, reader === 'Conv' ? 0 : 1);
		for (const { confidence, evidence } of doubted) {
			assert.ok(confidence <= 0.5, evidence);
			assert.match(evidence, /without a run, it is not followed through a ConvTranspose\.$/);
		}
	}
});
