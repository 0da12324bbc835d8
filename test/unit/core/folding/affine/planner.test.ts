import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Evaluator } from '../../../../../src/core/folding/affine/evaluate.js';
import { partsOf } from '../../../../../src/core/folding/affine/plan.js';
import { Planner } from '../../../../../src/core/folding/affine/planner.js';
import { readNetwork } from '../../../../../src/core/folding/targets/network.js';
import type { GraphSpec, NodeSpec } from '../../../support/model-builder.js';
import { openGraph } from '../../../support/open.js';

/** Maximum number of parts of a plan, and the inputs of the nodes that it ends at. */
const MAX_PARTS = 2 * 1024;

async function plan(nodes: readonly NodeSpec[], name: string, rest: GraphSpec = {}) {
	const graph = { inputs: [{ name: 'x', shape: [1, 4, 2, 2] }], outputs: [name], nodes, ...rest };
	const { model, source } = await openGraph(graph);
	const network = await readNetwork(model, { source });
	const planner = new Planner(network, () => false);
	return { plan: planner.of(name, 1), evaluator: new Evaluator(planner.scope, network.weights, 1) };
}

/** A chain of 48 nodes that each read the result of the node in front twice. */
function doubling(node: (input: string, output: string, at: number) => readonly NodeSpec[]): NodeSpec[] {
	return Array.from({ length: 48 }, (_, at) => node(at === 0 ? 'x' : `y${at - 1}`, `y${at}`, at)).flat();
}

const DOUBLING: Readonly<Record<string, readonly NodeSpec[]>> = {
	Add: doubling((input, output) => [{ op: 'Add', inputs: [input, input], outputs: [output] }]),
	Sum: doubling((input, output) => [{ op: 'Sum', inputs: [input, input], outputs: [output] }]),
	'Concat and Split': doubling((input, output, at) => [
		{ op: 'Concat', inputs: [input, input], outputs: [`twice${at}`], attributes: { axis: { i: 1 } } },
		{ op: 'Split', inputs: [`twice${at}`], outputs: [output, `rest${at}`], attributes: { axis: { i: 1 } } },
	]),
};

for (const [name, nodes] of Object.entries(DOUBLING)) {
	test(`a chain of ${name} that doubles its input has a plan of limited size`, async () => {
		const { plan: found, evaluator } = await plan(nodes, 'y47');
		const { length } = partsOf(found);
		assert.ok(length > 48 && length <= MAX_PARTS, `${length} parts`);
		await evaluator.evaluate(found, 4);
	});
}

test('a node with more inputs or outputs than a plan has parts ends a plan', async () => {
	const names = Array.from({ length: 3000 }, (_, at) => `s${at}`);
	const split = { op: 'Split', inputs: ['x'], outputs: names, attributes: { axis: { i: 1 } } };
	const concat = { op: 'Concat', inputs: names, outputs: ['c'], attributes: { axis: { i: 1 } } };
	const sum = { op: 'Sum', inputs: names, outputs: ['y'] };
	for (const [nodes, name] of [
		[[split], 's2999'],
		[[split, concat], 'c'],
		[[split, sum], 'y'],
	] as const) {
		assert.equal((await plan(nodes, name)).plan.kind, 'base', name);
	}
});

test('channels that a shape only claims are not counted out', async () => {
	const nodes = [{ op: 'Neg', inputs: ['x'], outputs: ['y'] }];
	for (const [channels, isEvaluated] of [
		[2 ** 16, true],
		[2 ** 16 + 1, false],
		[2 ** 40, false],
	] as const) {
		const inputs = [{ name: 'x', shape: [1, channels, 2, 2] }];
		const { plan: found, evaluator } = await plan(nodes, 'x', { inputs });
		assert.equal((await evaluator.evaluate(found))?.rows.length, isEvaluated ? channels : undefined);
	}
});

test('the channels of all bases together are limited', async () => {
	const wide = { inputs: [{ name: 'x', shape: [1, 2 ** 16, 2, 2] }] };
	const concat = [{ op: 'Concat', inputs: ['x', 'x'], outputs: ['y'], attributes: { axis: { i: 1 } } }];
	const twice = await plan(concat, 'y', wide);
	assert.equal(await twice.evaluator.evaluate(twice.plan), undefined);
	const { plan: one, evaluator } = await plan([], 'x', wide);
	let evaluated = 0;
	while (evaluated < 100 && (await evaluator.evaluate(one))) {
		evaluated++;
	}
	assert.equal(evaluated, 8, 'half a million channels without a node');
});
