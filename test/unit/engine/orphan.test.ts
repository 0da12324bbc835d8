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
import { mobileNetV2 } from '../support/networks.js';

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
	const script = path.resolve('test', 'unit', 'support', 'parent.cjs');
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

function isAlive(pid: number): boolean {
	try {
		return process.kill(pid, 0);
	} catch {
		return false;
	}
}

for (const stage of ['opening', 'running', 'verifying', 'comparing']) {
	test(`an engine whose parent is killed while it is ${stage} ends, and leaves no file`, async () => {
		const pid = await killParentAt(stage);
		for (let attempt = 0; isAlive(pid); attempt++) {
			assert.ok(attempt < 500, `process ${pid} is still there`);
			await sleep(10);
		}
		assert.deepEqual(readdirSync(folder), ['model.onnx']);
	});
}
