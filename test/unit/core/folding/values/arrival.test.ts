import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Arrivals, type ValueMatch } from '../../../../../src/core/folding/values/arrival.js';
import { openGraph } from '../../../support/open.js';

const match = (name: string): ValueMatch => ({
	original: name,
	deployed: `${name}'`,
	difference: { rms: 0, maxAbs: 0, order: 'same' },
	bound: 1e-6,
	size: 1,
	largest: 1,
});

const inOrder = (name: string): ValueMatch => ({
	...match(name),
	difference: { rms: 0, maxAbs: 0, order: 'sorted' },
});

/** x -> a -> (b, c) -> d -> y, with a side branch e that nothing reads. */
async function arrivals(matched: readonly string[], sorted: readonly string[] = []): Promise<Arrivals> {
	const node = (op: string, inputs: readonly string[], output: string) => ({ op, inputs, outputs: [output] });
	const { model } = await openGraph({
		inputs: [{ name: 'x', shape: [1] }],
		outputs: [{ name: 'y' }],
		nodes: [
			node('Exp', ['x'], 'a'),
			node('Relu', ['a'], 'b'),
			node('Neg', ['a'], 'c'),
			node('Add', ['b', 'c'], 'd'),
			node('Abs', ['a'], 'e'),
			node('Tanh', ['d'], 'y'),
		],
	});
	return new Arrivals({
		order: model.graph.nodes,
		reads: ({ inputs }) => inputs,
		outputs: new Set(['y']),
		matches: new Map([...matched.map(match), ...sorted.map(inOrder)].map((found) => [found.original, found])),
		compared: new Set(['a', 'b', 'c', 'd', 'e', 'y']),
	});
}

const foundAt = (arrivals: Arrivals, name: string): string => {
	const arrival = arrivals.of(name);
	return typeof arrival === 'string' ? arrival : arrival.original;
};

test('a tensor that was fused away arrives where its branches meet again', async () => {
	const result = await arrivals(['d', 'y']);
	assert.deepEqual(
		['a', 'b', 'c', 'd', 'e'].map((name) => foundAt(result, name)),
		['d', 'd', 'd', 'd', 'unused'],
	);
	assert.equal(result.firstLost(), undefined);
});

test('a tensor is lost if one of its uses is lost', async () => {
	const result = await arrivals(['b']);
	assert.deepEqual(
		['a', 'b', 'c', 'd'].map((name) => foundAt(result, name)),
		['lost', 'b', 'lost', 'lost'],
	);
	assert.equal(result.firstLost(), 'a');
	assert.deepEqual([result.isParted('x'), result.isParted('c')], [false, true]);
});

test('an output without a counterpart is lost, but no tensor in front that has a counterpart', async () => {
	const result = await arrivals(['a', 'd']);
	assert.deepEqual(
		['a', 'b', 'd', 'y'].map((name) => foundAt(result, name)),
		['a', 'd', 'd', 'lost'],
	);
	assert.equal(result.firstLost(), 'y');
});

test('values in another order are misplaced unless a reader behind expects that order', async () => {
	const misplaced = async (matched: readonly string[], sorted: readonly string[]) => {
		const result = await arrivals(matched, sorted);
		return ['a', 'b', 'c', 'd', 'y'].filter((name) => result.isMisplaced(name));
	};
	// The order goes on to the end of the network, or to a tensor that is lost.
	assert.deepEqual(await misplaced([], ['a', 'b', 'c', 'd', 'y']), ['a', 'b', 'c', 'd', 'y']);
	assert.deepEqual(await misplaced([], ['a', 'b', 'c', 'd']), ['a', 'b', 'c', 'd']);
	// d undoes it.
	assert.deepEqual(await misplaced(['d', 'y'], ['a', 'b', 'c']), []);
	assert.deepEqual(await misplaced(['y'], ['d']), []);
});
