/** Tests `npm start`, the first command of the README. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { root } from '../workbench/paths.mjs';

const TIMEOUT = 120_000;

let child: ChildProcess | undefined;
after(() => child?.kill('SIGKILL'));

/** Starts the command and waits for its last line of output. */
function start(): Promise<{ address: string; folder: string }> {
	const starting = spawn(process.execPath, [path.join(root, 'test/workbench/start.mjs')], {
		cwd: root,
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	child = starting;
	return new Promise((resolve, reject) => {
		let printed = '';
		const timer = setTimeout(() => reject(new Error(`No address after ${TIMEOUT / 1000} s:\n${printed}`)), TIMEOUT);
		for (const stream of [starting.stdout, starting.stderr]) {
			stream.setEncoding('utf8').on('data', (text) => {
				printed += text;
				const found = /BatchNorm Lens: (\S+)\nFolder: (.*)\n/.exec(printed);
				if (found) {
					clearTimeout(timer);
					resolve({ address: found[1], folder: found[2] });
				}
			});
		}
		starting.on('exit', (status) => reject(new Error(`It ended with exit code ${status}:\n${printed}`)));
	});
}

test('npm start serves the examples on loopback only, and removes its files when it stops', async () => {
	const { address, folder } = await start();
	const { hostname } = new URL(address);
	assert.equal(hostname, '127.0.0.1');
	assert.equal((await fetch(address)).status, 200);
	const files = readdirSync(folder);
	for (const name of ['README.md', 'mobilenet_v2.onnx', 'notebook.ipynb', 'pytorch', 'wrong-fusion.onnx']) {
		assert.ok(files.includes(name), `${name} is not among ${files.join(', ')}`);
	}
	child?.kill('SIGINT');
	await once(child as ChildProcess, 'exit');
	assert.equal(existsSync(path.dirname(folder)), false);
	await assert.rejects(fetch(address));
});
