import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Comparison } from '../../../../../src/core/report/comparison/comparison.js';
import { compare } from '../../../../../src/engine/child/compare.js';
import { loadRuntime, type Runtime } from '../../../../../src/engine/child/runtime/runtime.js';
import { createKernel } from '../../../../../src/kernel/index.js';
import type { CompareOptions } from '../../../../../src/protocol/host-engine.js';
import { foldedModel } from '../../../support/folded.js';
import { convolutionChain } from '../../../support/networks.js';

const options: CompareOptions = { run: true, batch: 1, seed: 0 };
const network = convolutionChain(6, [1, 16, 24, 24]);
/** Bytes of the original's tensors: three in each block. */
const ALL_TENSORS = 18 * 16 * 24 * 24 * 4;

/** Compares the network with a deployed form, and counts sessions and runs. */
async function counted(deployed: Uint8Array, { memoryBudget }: Pick<CompareOptions, 'memoryBudget'> = {}) {
	const runtime = loadRuntime();
	const count = { sessions: 0, runs: 0 };
	const counting: Runtime = {
		...runtime,
		createSession: async (model, sessionOptions) => {
			count.sessions++;
			const session = await runtime.createSession(model, sessionOptions);
			return {
				...session,
				run: (...parameters) => {
					count.runs++;
					return session.run(...parameters);
				},
			};
		},
	};
	const result = await compare(
		{ path: 'original.onnx', bytes: network },
		{ path: 'deployed.onnx', bytes: deployed },
		{ ...options, ...(memoryBudget !== undefined && { memoryBudget }) },
		{ runtime: () => counting, kernel: createKernel, emit: () => {} },
	);
	return { result, ...count };
}

/** Returns a result without its time. */
function timeless({ outputs, ...result }: Comparison) {
	const { milliseconds: _, ...others } = outputs ?? {};
	return { ...result, outputs: others };
}

test('a right fold takes one session and two runs of the original, and one of the deployed model', async () => {
	const { result, sessions, runs } = await counted(await foldedModel(network));
	assert.equal(result.outputs?.status, 'match');
	assert.deepEqual({ sessions, runs }, { sessions: 2, runs: 3 });
});

test('a budget that captures a wrong fold in runs of their own gives the same comparison', async () => {
	const deployed = await foldedModel(network, { 3: 0.1 });
	const observed = await counted(deployed);
	const apart = await counted(deployed, { memoryBudget: 2.5 * ALL_TENSORS });
	assert.ok(apart.sessions > observed.sessions, `${apart.sessions} sessions`);
	assert.equal(observed.result.summary.mismatch, 1);
	assert.deepEqual(timeless(apart.result), timeless(observed.result));
});

test('fewer runs of a right fold give the same verdicts', async () => {
	const deployed = await foldedModel(network);
	const few = await counted(deployed);
	// Too small for the tensors between functions.
	const more = await counted(deployed, { memoryBudget: 1.9 * ALL_TENSORS });
	assert.ok(more.runs > few.runs, `${more.runs} runs`);
	const verdicts = ({ layers, firstDifference }: Comparison) => ({
		firstDifference,
		layers: layers.map(({ status, into, behavior }) => [status, into?.name, behavior?.status, behavior?.tensor]),
	});
	assert.deepEqual(verdicts(few.result), verdicts(more.result));
	assert.equal(few.result.summary.match, 6);
});
