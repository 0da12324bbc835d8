import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openModel } from '../../../../../src/engine/child/model/opened-model.js';
import { CaptureMemory } from '../../../../../src/engine/child/run/capture-memory.js';
import type { CapturedLayers, RunEvents } from '../../../../../src/engine/child/run/run-events.js';
import { Stopwatch } from '../../../../../src/engine/child/run/stopwatch.js';
import { checkedTensors } from '../../../../../src/engine/child/run/tensors-wanted.js';
import { WholeRun } from '../../../../../src/engine/child/run/whole-run.js';
import type { Runtime } from '../../../../../src/engine/child/runtime/runtime.js';
import { runtime, sharedKernel } from '../../../support/inspect.js';
import { convolutionChain } from '../../../support/networks.js';

const SHAPE = [2, 4, 16, 8] as const;
const LAYERS = 3;
const INPUT = { type: 'float32', dims: SHAPE, data: new Float32Array(2 * 4 * 16 * 8).fill(0.5) };

/** The real runtime, which counts sessions that are not released. */
function countingRuntime(): Runtime & { readonly live: () => number } {
	let live = 0;
	return {
		version: runtime.version,
		live: () => live,
		async createSession(bytes, options) {
			const session = await runtime.createSession(bytes, options);
			live += 1;
			return {
				...session,
				release() {
					live -= 1;
					return session.release();
				},
			};
		},
	};
}

async function startRun(budget: number) {
	const counting = countingRuntime();
	const model = await openModel({ path: 'model.onnx', bytes: convolutionChain(LAYERS, SHAPE) });
	const [{ name }] = model.model.graph.inputs;
	const tensors = new Map([[name, INPUT]]);
	const run = new WholeRun(model, counting);
	const context = { memory: new CaptureMemory(await sharedKernel()), budget, watch: new Stopwatch() };
	const events: RunEvents = run.run({ tensors, symbols: new Map() }, context);
	/** Returns the values of all tensors that the layers of an event need. */
	const valuesFor = ({ layers, tensors: captured }: CapturedLayers) =>
		layers
			.flatMap(({ index }) => checkedTensors(model.layers[index]))
			.map((tensor) => captured.get(tensor)?.data as Float32Array);
	return { events, run, context, valuesFor, live: counting.live };
}

for (const [name, budget, groups] of [
	['at once', 1e9, 1],
	['in groups', 1, LAYERS],
] as const) {
	test(`captured tensors are valid until the next event is asked for: layers ${name}`, async () => {
		const { events, run, valuesFor, live } = await startRun(budget);
		const indices: number[] = [];
		let captured: Float32Array[] = [];
		let count = 0;
		for await (const event of events) {
			assert.ok(event.type === 'layers');
			count += 1;
			indices.push(...event.layers.map(({ index }) => index));
			captured = valuesFor(event);
			assert.ok(captured.length > 0 && captured.every((data) => data.every(Number.isFinite)));
		}
		assert.deepEqual([count, indices], [groups, [0, 1, 2]]);
		assert.ok(captured.every((data) => data.every(Number.isNaN)));
		await run.dispose();
		assert.equal(live(), 0);
	});

	test(`a caller that stops early leaves no session and no memory behind: layers ${name}`, async () => {
		const { events, run, valuesFor, live } = await startRun(budget);
		let captured: Float32Array[] = [];
		for await (const event of events) {
			assert.ok(event.type === 'layers');
			captured = valuesFor(event);
			break;
		}
		assert.ok(captured.length > 0 && captured.every((data) => data.every(Number.isNaN)));
		assert.equal(live(), 0);
		await run.dispose();
	});
}

test('a run is timed by its parts', async () => {
	const { events, run, context } = await startRun(1e9);
	for await (const _ of events) {
		await context.watch.time('verify', () => undefined);
	}
	await run.dispose();
	assert.deepEqual(Object.keys(context.watch.milliseconds).sort(), ['create', 'run', 'verify']);
});
