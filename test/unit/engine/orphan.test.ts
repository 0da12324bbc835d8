/** A parent that is killed cannot end its engine: the engine has to notice. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { endlessModel } from '../support/endless-model.js';
import { mobileNetV2 } from '../support/networks.js';
import { isAlive, waitUntilGone } from '../support/processes.js';

const script = path.resolve('test', 'unit', 'support', 'parent.cjs');

let folder: string;
let model: string;
before(() => {
	folder = mkdtempSync(path.join(tmpdir(), 'bnl-orphan-'));
	model = path.join(folder, 'model.onnx');
	writeFileSync(model, mobileNetV2(96));
});
after(() => rmSync(folder, { recursive: true }));

/** Starts a parent and kills it as soon as its engine says `line`; resolves to the engine's process id. */
async function killParentAt(line: string): Promise<number> {
	const parent = spawn(process.execPath, [script, model, path.join(folder, 'temporary.onnx')]);
	// Its output ends before its end is told.
	const exit = once(parent, 'exit');
	let pid = Number.NaN;
	for await (const text of createInterface({ input: parent.stdout })) {
		pid = Number(/^pid (\d+)$/.exec(text)?.[1] ?? pid);
		if (text === line) {
			parent.kill('SIGKILL');
		}
	}
	const [, signal] = await exit;
	assert.equal(signal, 'SIGKILL', `the engine never said ${line}`);
	return pid;
}

for (const stage of ['opening', 'running', 'verifying', 'comparing']) {
	test(`an engine whose parent is killed while it is ${stage} ends, and leaves no file`, async () => {
		await waitUntilGone(await killParentAt(stage));
		assert.deepEqual(readdirSync(folder), ['model.onnx']);
	});
}

test('an engine in an endless run ends with its killed parent, and leaves no file', async () => {
	const own = mkdtempSync(path.join(folder, 'endless-'));
	const [endless, temporary] = [path.join(own, 'endless.onnx'), path.join(own, 'temporary.onnx')];
	writeFileSync(endless, endlessModel());
	const parent = spawn(process.execPath, [script, endless, temporary]);
	let pid = Number.NaN;
	for await (const text of createInterface({ input: parent.stdout })) {
		pid = Number(/^pid (\d+)$/.exec(text)?.[1] ?? pid);
		if (text === 'running') {
			break;
		}
	}
	// The engine says so shortly before the run; the loop blocks its main thread from then on.
	await sleep(1000);
	assert.ok(isAlive(pid), 'the model loops for ever');
	writeFileSync(temporary, 'left by the run');
	parent.kill('SIGKILL');
	await waitUntilGone(pid);
	assert.deepEqual(readdirSync(own), ['endless.onnx']);
	rmSync(own, { recursive: true });
});
