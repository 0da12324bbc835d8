import assert from 'node:assert/strict';
import path from 'node:path';
import { after, test } from 'node:test';
import { EngineClient, EngineError } from '../../../src/engine/client.js';

const engine = new EngineClient({ entry: path.resolve('test/unit/support/fake-engine.cjs') });
after(() => engine.dispose());

const compare = (behavior: string, signal?: AbortSignal) =>
	engine.compare(
		{ original: { path: behavior }, deployed: { path: 'deployed.onnx' } },
		{ run: true, batch: 1, seed: 0 },
		signal ? { signal } : {},
	);

const fold = (behavior: string) => engine.fold({ path: behavior }, { output: 'folded.onnx', batch: 1, seed: 0 });

const sentence = (promise: Promise<unknown>): Promise<string> =>
	promise.then(
		() => assert.fail('it should have been rejected'),
		(error) => (error instanceof EngineError ? error.message : assert.fail(String(error))),
	);

test("every task gets the engine's answer", async () => {
	for (const answer of await Promise.all([compare('answer'), fold('answer')])) {
		const { layers } = answer as unknown as { layers: { gamma: Float64Array }[] };
		assert.deepEqual(layers[0]?.gamma, Float64Array.of(1, Number.NaN));
	}
});

test('a comparison that fails names both files and the step', async () => {
	const both = 'exit 3 with deployed.onnx';
	assert.match(await sentence(compare('exit 3')), new RegExp(`^The engine stopped while comparing ${both}: `));
	assert.equal(
		await sentence(compare('exit 3', AbortSignal.abort())),
		'Comparing exit 3 with deployed.onnx was cancelled.',
	);
});

test('a repair that fails names the repair', async () => {
	const repair = engine.repair({ model: { path: 'exit 3' } }, { output: 'repaired.onnx', batch: 1, seed: 0 });
	assert.match(await sentence(repair), /^The engine stopped while repairing exit 3: /);
});

test('a fold that fails names the fold', async () => {
	assert.match(await sentence(fold('signal SIGSEGV')), /^The engine stopped while folding signal SIGSEGV: .*memory/);
});
