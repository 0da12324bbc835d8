/** A repair is canceled at each of its stages: the target keeps its content, and no unfinished file stays. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { EngineClient, EngineError } from '../../../src/engine/client.js';
import { foldedModel } from '../support/folded.js';
import { smallModel } from '../support/small-model.js';

const folder = mkdtempSync(path.join(tmpdir(), 'bnl-cancel-'));
const engine = new EngineClient({ entry: path.resolve('test', 'unit', 'support', 'named-engine.cjs') });
after(() => {
	engine.dispose();
	rmSync(folder, { recursive: true });
});

test('a repair that is canceled at any stage loses nothing', async () => {
	const at = (name: string) => path.join(folder, name);
	writeFileSync(at('original.onnx'), smallModel());
	writeFileSync(at('deployed.onnx'), await foldedModel(smallModel(), { 0: 0.5 }));
	writeFileSync(at('target.onnx'), 'former content');
	const names = readdirSync(folder);
	const models = { model: { path: at('deployed.onnx') }, original: { path: at('original.onnx') } };
	/** Repairs, and cancels at the first event of a stage. */
	const repair = (output: string, stage?: string) => {
		const abort = new AbortController();
		const stages = new Set<string>();
		const onEvent = (event: { readonly type: string; readonly stage?: string }) => {
			stages.add(event.stage ?? '');
			if (stage !== undefined && event.stage === stage) {
				abort.abort();
			}
		};
		const options = { output: at(output), batch: 1, seed: 0 };
		const result = engine.repair(models, options, { signal: abort.signal, onEvent });
		return { stages, result };
	};
	const whole = repair('whole.onnx');
	assert.equal((await whole.result).repaired.length, 1);
	rmSync(at('whole.onnx'));
	assert.ok(whole.stages.has('writing') && whole.stages.has('comparing'), [...whole.stages].join());
	for (const stage of whole.stages) {
		const error = await repair('target.onnx', stage).result.catch((reason: unknown) => reason);
		assert.ok(error instanceof EngineError && error.code === 'cancelled', `${stage}: ${error}`);
		assert.equal(readFileSync(at('target.onnx'), 'utf8'), 'former content', stage);
		assert.deepEqual(readdirSync(folder), names, stage);
	}
});
