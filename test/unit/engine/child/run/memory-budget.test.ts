import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Report } from '../../../../../src/core/report/types.js';
import type { Runtime } from '../../../../../src/engine/child/runtime/runtime.js';
import { inspectBytes, runtime } from '../../../support/inspect.js';
import { buildModel, type NodeSpec } from '../../../support/model-builder.js';
import { convolutionChain } from '../../../support/networks.js';

const SHAPE = [2, 4, 16, 8] as const;
const TENSOR_BYTES = 4 * SHAPE.reduce((product, size) => product * size, 1);
const BLOCKS = 8;

/** The real runtime, which notes how many bytes each run hands out. */
function counting() {
	const runs: number[] = [];
	const counted: Runtime = {
		version: runtime.version,
		async createSession(bytes, options) {
			const session = await runtime.createSession(bytes, options);
			return {
				...session,
				async run(feeds, fetch, into) {
					const outputs = await session.run(feeds, fetch, into);
					runs.push([...outputs.values()].reduce((total, { data }) => total + data.byteLength, 0));
					return outputs;
				},
			};
		},
	};
	return { runs, ports: { runtime: () => counted } };
}

/** What a verdict rests on, without the times. */
const essence = ({ layers }: Report) =>
	layers.map(({ recompute: { status, maxAbs, bound }, batch }) => ({ status, maxAbs, bound, batch }));

test('a run in groups gives the same verdicts as a run at once, and never holds more than the budget', async () => {
	const model = convolutionChain(BLOCKS, SHAPE);
	const whole = await inspectBytes(model, { compareOptimized: false });
	assert.ok(whole.report.layers.every(({ recompute }) => recompute.status === 'match'));
	for (const tensors of [6, 10, 16]) {
		const { runs, ports } = counting();
		const memoryBudget = tensors * TENSOR_BYTES;
		const { report } = await inspectBytes(model, { ports, memoryBudget, compareOptimized: false });
		assert.deepEqual(essence(report), essence(whole.report));
		// Two tensors are the runtime's own, and what is captured exists twice.
		const perRun = Math.floor((tensors - 2) / 4);
		assert.equal(runs.length, Math.ceil(BLOCKS / perRun));
		assert.ok(runs.every((bytes) => 2 * bytes + 2 * TENSOR_BYTES <= memoryBudget));
	}
});

test('a layer that is larger than the budget is checked alone', async () => {
	const { runs, ports } = counting();
	const { report } = await inspectBytes(convolutionChain(3, SHAPE), {
		ports,
		memoryBudget: 1,
		compareOptimized: false,
	});
	assert.deepEqual(
		report.layers.map(({ recompute }) => recompute.status),
		['match', 'match', 'match'],
	);
	assert.deepEqual(
		runs,
		[2, 2, 2].map((count) => count * TENSOR_BYTES),
	);
});

test('shapes known only at run time are found first, by a run without captures', async () => {
	const values = (name: string, numbers: readonly number[]) => ({ name, values: numbers });
	const parameters = ['g', 'b', 'm', 'v'].map((name) => values(name, [1, 2, 0.5]));
	const nodes: NodeSpec[] = [
		// As many rows as there are values above 0: nothing but a run can know.
		{ op: 'NonZero', inputs: ['x'], outputs: ['places'] },
		{ op: 'Transpose', inputs: ['places'], outputs: ['rows'] },
		{ op: 'Cast', inputs: ['rows'], outputs: ['r'], attributes: { to: { i: 1 } } },
		{ op: 'BatchNormalization', inputs: ['r', 'g', 'b', 'm', 'v'], outputs: ['y'] },
	];
	const graph = { inputs: [{ name: 'x', shape: [4, 5, 6] }], outputs: ['y'], nodes, initializers: parameters };
	const { runs, ports } = counting();
	const { report } = await inspectBytes(buildModel({ graph }), { ports, compareOptimized: false });
	assert.equal(report.layers[0].recompute.status, 'match', report.layers[0].recompute.reason);
	// The shapes of x and y, two dimensions of 8 bytes each; then both: 120 places of 3 coordinates.
	assert.deepEqual(runs, [2 * 2 * 8, 2 * 120 * 3 * 4]);
});
