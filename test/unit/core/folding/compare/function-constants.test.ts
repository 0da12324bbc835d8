import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparisonStatus } from '../../../../../src/cli/exit.js';
import { seededRandom } from '../../../../../src/engine/child/tensors/random.js';
import { compareBytes } from '../../../support/compare-bytes.js';
import {
	BLOCKS,
	type Block,
	columnsOf,
	Graph,
	layerOf,
	modelBytes,
	pick,
	rowsOf,
	scaleRows,
	surround,
	WIDTH,
	weightOf,
} from '../../../support/deployed-forms.js';

/** Functions with a constant per channel behind a layer, and in front of a convolution without a layer. */
const FUNCTIONS: Readonly<Record<string, (graph: Graph, x: string, values: readonly number[]) => string>> = {
	'the slopes of a PRelu': (graph, x, values) => graph.node('PRelu', [x, graph.tensor([WIDTH, 1, 1], values)]),
	'upper bounds': (graph, x, values) => graph.node('Min', [x, graph.tensor([1, WIDTH, 1, 1], values)]),
	'the factors of a LayerScale': (graph, x, values) =>
		graph.node('Mul', [graph.node('Tanh', [x]), graph.tensor([WIDTH, 1, 1], values)]),
	'terms behind an activation': (graph, x, values) =>
		graph.node('Add', [graph.relu(x), graph.tensor([1, WIDTH, 1, 1], values)]),
	'the slope of a LeakyRelu': (graph, x, [slope = 0]) => graph.node('LeakyRelu', [x], { alpha: { f: slope } }),
};

const VALUES = [0.1, 0.35, 0.2, 0.05, 0.5, 0.25];

/** Changes of the constants -> true if the deployed function is another. */
const CHANGES: readonly (readonly [string, (values: readonly number[]) => readonly number[], boolean])[] = [
	['the same', (values) => values, false],
	['rounded once more', (values) => values.map((value) => value * (1 + 2 ** -24)), false],
	['reversed', (values) => values.toReversed(), true],
	['one off by 1e-4', ([first = 0, ...rest]) => [first * (1 + 1e-4), ...rest], true],
	['doubled', (values) => values.map((value) => 2 * value), true],
];

for (const [name, write] of Object.entries(FUNCTIONS)) {
	test(`${name} of the deployed model are compared, also without a run`, async () => {
		for (const [change, apply, isWrong] of CHANGES) {
			const block: Block = ({ random, from, to }, [x, y]) => {
				const [weight, layer] = [weightOf(random, WIDTH, WIDTH, 3), layerOf(random, WIDTH)];
				const before = from.batchNorm(from.conv(x, weight), layer);
				const folded = to.conv(y, scaleRows(weight, layer.scale), layer.shift);
				return [write(from, before, VALUES), write(to, folded, apply(VALUES))];
			};
			const { original, deployed } = surround(block, 7);
			for (const run of [false, true]) {
				const found = await compareBytes(modelBytes(original), modelBytes(deployed), { run });
				assert.equal(comparisonStatus(found, 'error'), Number(isWrong), `${change}, run ${run}`);
				// The layers themselves are right.
				assert.equal(found.summary.mismatch, 0, `${change}, run ${run}`);
				if (isWrong && !run) {
					assert.match(found.operators?.[0]?.evidence ?? '', /numbers? of \d+ in .* not the original's/);
					assert.equal(
						/in another order/.test(found.operators?.[0]?.evidence ?? ''),
						change === 'reversed' && !name.includes('LeakyRelu'),
					);
				}
			}
		}
	});
}

test('a factor that moved into the next convolution is no difference', async () => {
	const block: Block = ({ random, from, to }, [x, y]) => {
		const weights = [weightOf(random, WIDTH, WIDTH, 3), weightOf(random, WIDTH, WIDTH, 1)] as const;
		const next = from.conv(
			FUNCTIONS['the factors of a LayerScale'](from, from.conv(x, weights[0]), VALUES),
			weights[1],
		);
		const twice = VALUES.map((value) => 2 * value);
		const half = { ...weights[1], values: weights[1].values.map((value) => value / 2) };
		return [next, to.conv(FUNCTIONS['the factors of a LayerScale'](to, to.conv(y, weights[0]), twice), half)];
	};
	const { original, deployed } = surround(block, 8);
	for (const run of [false, true]) {
		const found = await compareBytes(modelBytes(original), modelBytes(deployed), { run });
		assert.notEqual(comparisonStatus(found, 'error'), 1, JSON.stringify(found.operators));
	}
});

/** Order of hidden channels in the deployed model. */
const ORDER = [2, 4, 0, 5, 1, 3];

test('slopes that do not follow moved channels are wrong, and right channels in another order stay right', async () => {
	for (const isFollowed of [true, false]) {
		const block: Block = ({ random, from, to }, [x, y]) => {
			const [weight, layer] = [weightOf(random, WIDTH, WIDTH, 3), layerOf(random, WIDTH)];
			const next = weightOf(random, WIDTH, WIDTH, 1);
			const folded = rowsOf(scaleRows(weight, layer.scale), ORDER);
			const slopes = isFollowed ? ORDER.map((channel) => VALUES[channel] ?? 0) : VALUES;
			const write = FUNCTIONS['the slopes of a PRelu'];
			return [
				from.conv(write(from, from.batchNorm(from.conv(x, weight), layer), VALUES), next),
				to.conv(write(to, to.conv(y, folded, pick(layer.shift, ORDER)), slopes), columnsOf(next, ORDER)),
			];
		};
		const { original, deployed } = surround(block, 9);
		for (const run of [false, true]) {
			const { layers, operators } = await compareBytes(modelBytes(original), modelBytes(deployed), { run });
			assert.ok(layers.every(({ status }) => status === 'match'));
			assert.equal(operators?.length, isFollowed ? undefined : 1);
			assert.match(operators?.[0]?.evidence ?? 'in another order', /in another order/);
		}
	}
});

test('a small error in the operator that gives the outputs shows without a run beside merged branches', async () => {
	for (const factor of [1, 1 + 1e-3]) {
		const random = seededRandom(4);
		const [from, to] = [new Graph('a'), new Graph('b')];
		const [x, y] = BLOCKS['three branches merged into one convolution']({ random, from, to }, [
			from.relu(from.conv('x', weightOf(seededRandom(1), WIDTH, 4, 3))),
			to.relu(to.conv('x', weightOf(seededRandom(1), WIDTH, 4, 3))),
		]);
		const head = weightOf(random, 5, WIDTH, 1);
		const scaled = { ...head, values: head.values.map((value, at) => (at < WIDTH ? value * factor : value)) };
		const withHead = (graph: Graph, input: string, weight: typeof head) => {
			const end = graph.conv(graph.relu(input), weight);
			const { nodes = [], ...spec } = graph.finish(end);
			return modelBytes({ ...spec, nodes: nodes.slice(0, -1), outputs: [end] });
		};
		const found = await compareBytes(withHead(from, x, head), withHead(to, y, scaled), { run: false });
		assert.equal(comparisonStatus(found, 'error'), Number(factor !== 1), JSON.stringify(found.layers));
	}
});
