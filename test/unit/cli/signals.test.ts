/** Ends the command line by signals while its engine runs a model for ever, and starves it of file descriptors. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeNpy } from '../../../src/engine/child/tensors/npy.js';
import { endlessModel } from '../support/endless-model.js';
import { buildModel } from '../support/model-builder.js';
import { childrenOf, processorSeconds, waitUntilGone } from '../support/processes.js';
import { smallGraph } from '../support/small-model.js';

const cli = path.resolve('dist', 'cli.js');
const isLinux = process.platform === 'linux';

let folder: string;
let temporary: string;
before(() => {
	folder = mkdtempSync(path.join(tmpdir(), 'bnl-signals-'));
	temporary = mkdtempSync(path.join(folder, 'tmp-'));
	writeFileSync(path.join(folder, 'endless.onnx'), endlessModel());
	writeFileSync(path.join(folder, 'foldable.onnx'), endlessModel({ withConv: true }));
	writeFileSync(path.join(folder, 'small.onnx'), buildModel({ graph: smallGraph() }));
});
after(() => rmSync(folder, { recursive: true }));

/** Waits until the command's engine has computed for longer than it takes to start; resolves to its process id. */
async function busyEngine(command: number): Promise<number> {
	for (const end = Date.now() + 20_000; Date.now() < end; await sleep(50)) {
		const [engine] = childrenOf(command);
		if (engine !== undefined && processorSeconds(engine) > 1) {
			return engine;
		}
	}
	assert.fail('no engine is busy');
}

/** Starts a command and sends a signal once its engine has been busy for a while. */
async function interrupted(args: readonly string[], signal: NodeJS.Signals) {
	const command = spawn(process.execPath, [cli, ...args], {
		cwd: folder,
		env: { ...process.env, TMPDIR: temporary },
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	const exit = once(command, 'exit');
	let errors = '';
	command.stderr.on('data', (chunk) => {
		errors += chunk;
	});
	const engine = await busyEngine(command.pid ?? 0);
	const duringRun = readdirSync(folder);
	command.kill(signal);
	const [code, endedBy] = await exit;
	await waitUntilGone(engine);
	return { code, endedBy, errors, duringRun };
}

const FOLD = ['fold', 'foldable.onnx', '-o', 'out.onnx'];
const CASES: readonly (readonly [NodeJS.Signals, readonly string[]])[] = [
	['SIGTERM', ['inspect', 'endless.onnx']],
	['SIGKILL', ['inspect', 'endless.onnx']],
	['SIGTERM', ['compare', 'endless.onnx', 'endless.onnx']],
	['SIGTERM', FOLD],
	['SIGHUP', FOLD],
	['SIGINT', FOLD],
	['SIGKILL', FOLD],
];

for (const [signal, args] of CASES) {
	test(`${signal} ends ${args[0]} with its engine and leaves no file`, { skip: !isLinux }, async () => {
		const names = readdirSync(folder);
		const { code, endedBy, errors, duringRun } = await interrupted(args, signal);
		if (signal === 'SIGKILL') {
			assert.equal(endedBy, 'SIGKILL');
		} else {
			assert.deepEqual([code, endedBy], [128 + constants.signals[signal], null], errors);
			assert.match(errors, new RegExp(`^[^\\n]*${signal}[^\\n]*\\n$`));
		}
		assert.equal(duringRun.length > names.length, args[0] === 'fold', `files during the run: ${duringRun}`);
		assert.deepEqual([readdirSync(folder), readdirSync(temporary)], [names, []]);
	});
}

test('a process that cannot start is explained in a sentence, and no other process gets a signal', {
	skip: !isLinux,
}, () => {
	const statuses = new Set<number | null>();
	for (let files = 17; files < 40; files++) {
		// A process group of its own, so that a stray signal would not end this test.
		const { status, signal, stderr, stdout } = spawnSync(
			'setsid',
			[
				'--wait',
				'bash',
				'-c',
				`ulimit -n ${files}; "$0" "$@"; echo "status $?"`,
				process.execPath,
				cli,
				'inspect',
				path.join(folder, 'small.onnx'),
				'--no-run',
			],
			{ encoding: 'utf8', timeout: 60_000 },
		);
		assert.deepEqual([status, signal], [0, null], `${files} files: the shell was ended`);
		const ended = Number(/status (\d+)\n$/.exec(stdout)?.[1]);
		assert.notEqual(ended, 128 + constants.signals.SIGKILL, `${files} files: the command ended itself`);
		// Node itself fails where it cannot open its own files and the program.
		if (ended === 2 || ended === 0) {
			statuses.add(ended);
			const sentence =
				/^The engine could not be started for [^\n]+small\.onnx: too many files are open in this process \(EMFILE\)\.\n$/;
			assert.match(stderr, ended === 0 ? /^$/ : sentence);
		}
	}
	assert.deepEqual(statuses, new Set([2, 0]));
});

test('a time limit ends an endless model with the results up to then, and writes no file', async () => {
	const run = (args: readonly string[]) =>
		spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: 'utf8' });
	const inspected = run(['inspect', 'endless.onnx', '--json', '--timeout', '1']);
	assert.equal(inspected.status, 2, inspected.stderr);
	assert.match(inspected.stderr, /^Stopped after 1 second, the limit of --timeout\.\n$/);
	const report = JSON.parse(inspected.stdout);
	assert.equal(report.run.status, 'failed');
	assert.match(report.run.reason, /--timeout/);
	assert.equal(report.layers[0].recompute.status, 'skipped');
	assert.notEqual(report.layers[0].parameters, null);
	const before = readdirSync(folder).length;
	const folded = run(['fold', 'foldable.onnx', '-o', 'late.onnx', '--timeout', '1']);
	assert.equal(folded.status, 2, folded.stderr);
	assert.match(folded.stderr, /--timeout/);
	assert.equal(readdirSync(folder).length, before);
	assert.match(run(['inspect', 'small.onnx', '--timeout', 'soon']).stderr, /^--timeout takes a whole number/);
	assert.equal(run(['inspect', 'small.onnx', '--timeout', '60']).status, 0);
});

test('a time limit leaves re-estimation without a file, and lets check go on', async () => {
	const data = { type: 'float32', shape: [2, 4, 2, 2], data: new Float32Array(32).map((_, index) => index) } as const;
	writeFileSync(path.join(folder, 'data.npy'), encodeNpy(data));
	const names = readdirSync(folder);
	const run = (args: readonly string[]) =>
		spawnSync(process.execPath, [cli, ...args, '--timeout', '1'], { cwd: folder, encoding: 'utf8' });
	const reestimated = run(['reestimate', 'foldable.onnx', '--input', 'data.npy', '--batch', '1', '-o', 'late.onnx']);
	assert.deepEqual([reestimated.status, reestimated.stdout], [2, ''], reestimated.stderr);
	assert.match(reestimated.stderr, /^Stopped after 1 second, the limit of --timeout\.\n$/);
	assert.deepEqual(readdirSync(folder), names);

	const checked = run(['check', 'endless.onnx', 'small.onnx', '--json', '--junit', 'junit.xml']);
	assert.equal(checked.status, 2, checked.stderr);
	const [endless, small] = JSON.parse(checked.stdout).items;
	assert.equal(endless.status, 2);
	assert.match(endless.answer, /the limit of --timeout/);
	assert.equal(small.model, 'small.onnx');
	const junit = readFileSync(path.join(folder, 'junit.xml'), 'utf8');
	assert.match(junit, /<skipped[^>]*the limit of --timeout/);
});
