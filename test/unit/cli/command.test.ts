/** The built command line as CI would run it: dist/cli.js in a process of its own, on files on disk. */
import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { COMMANDS, usageOf } from '../../../src/cli/usage.js';
import { parseReport } from '../../../src/core/report/json.js';
import type { Report } from '../../../src/core/report/types.js';
import { encodeNpy, parseNpy } from '../../../src/engine/child/tensors/npy.js';
import { buildModel } from '../support/model-builder.js';

const cli = path.resolve('dist', 'cli.js');
const models = path.resolve('test', 'fixtures', 'models');
const NAMES = ['plain_cnn', 'depthwise', 'generator', 'preact', 'mlp', 'conv1d', 'conv3d'];

let folder: string;
before(async () => {
	folder = await mkdtemp(path.join(tmpdir(), 'bnl-cli-'));
});
after(() => rm(folder, { recursive: true }));

function run(args: readonly string[], env: NodeJS.ProcessEnv = process.env): SpawnSyncReturns<string> {
	return spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8', env, timeout: 60_000 });
}

interface Expected {
	readonly layers: readonly {
		readonly eps: number;
		readonly weight: number[] | null;
		readonly bias: number[] | null;
		readonly running_mean: number[];
		readonly running_var: number[];
		readonly batch_mean: number[];
		readonly batch_var: number[];
		readonly count: number;
	}[];
}

for (const name of NAMES) {
	test(`${name}: PyTorch's parameters bit for bit, its batch statistics to 1e-5, every layer recomputed`, async () => {
		const outputs = path.join(folder, name);
		const result = run([
			'inspect',
			path.join(models, `${name}.onnx`),
			'--json',
			'--save-outputs',
			outputs,
			'--input',
			`input=${path.join(models, `${name}.input.npy`)}`,
		]);
		assert.deepEqual([result.status, result.stderr], [0, ''], result.stdout.slice(0, 2000));
		const report: Report = parseReport(JSON.parse(result.stdout));
		const expected: Expected = JSON.parse(await readFile(path.join(models, `${name}.expected.json`), 'utf8'));
		assert.equal(report.layers.length, expected.layers.length);
		for (const [index, layer] of report.layers.entries()) {
			const truth = expected.layers[index];
			assert.deepEqual(Array.from(layer.parameters?.mean ?? []), truth.running_mean);
			assert.deepEqual(Array.from(layer.parameters?.variance ?? []), truth.running_var);
			assert.deepEqual(Array.from(layer.parameters?.gamma ?? []), truth.weight ?? truth.running_mean.map(() => 1));
			assert.deepEqual(Array.from(layer.parameters?.beta ?? []), truth.bias ?? truth.running_mean.map(() => 0));
			assert.equal(layer.epsilon, Math.fround(truth.eps));
			assert.equal(layer.recompute.status, 'match', layer.recompute.reason);
			assert.ok((layer.recompute.maxAbs ?? Number.NaN) <= (layer.recompute.bound ?? Number.NaN));
			assert.equal(layer.batch?.count, truth.count);
			for (let c = 0; c < layer.channels; c++) {
				const deviation = Math.sqrt(truth.batch_var[c]);
				assert.ok(Math.abs((layer.batch?.mean[c] ?? Number.NaN) - truth.batch_mean[c]) <= 1e-5 * deviation);
				assert.ok(Math.abs((layer.batch?.variance[c] ?? Number.NaN) - truth.batch_var[c]) <= 1e-5 * truth.batch_var[c]);
			}
			const saved = parseNpy(await readFile(path.join(outputs, `${index}.npy`)), `${index}.npy`);
			assert.deepEqual(saved.shape, layer.inputShape);
		}
		assert.equal((await readdir(outputs)).length, report.layers.length);
	});
}

test('a terminal shows the answer, a table and the run; a pipe receives text only', () => {
	const { stdout, status } = run(['inspect', path.join(models, 'plain_cnn.onnx')]);
	assert.equal(status, 0);
	assert.match(stdout, /3 BatchNorm layers/);
	assert.match(stdout, /Conv +\d+ .*match/);
	assert.match(
		stdout.replace(/\s+/g, ' '),
		/Ran with onnxruntime-node \d+\.\d+\.\d+ in [\d,]+ ms on input \[1, 3, \d+, \d+\] float32, random normal, seed 0/,
	);
	assert.ok(!stdout.includes('\u001b'));
});

test('a file that cannot be inspected gives exit status 2 and a line with its name', async () => {
	const original = await readFile(path.join(models, 'plain_cnn.onnx'));
	const files: Record<string, Uint8Array> = {
		'text.onnx': new TextEncoder().encode('hello, this is no model\n'),
		'empty.onnx': new Uint8Array(),
		'truncated.onnx': original.subarray(0, 20_000),
	};
	for (const [name, bytes] of Object.entries(files)) {
		await writeFile(path.join(folder, name), bytes);
	}
	await mkdir(path.join(folder, 'folder.onnx'));
	for (const name of [...Object.keys(files), 'folder.onnx', 'missing.onnx']) {
		const { status, stdout, stderr } = run(['inspect', path.join(folder, name)]);
		assert.deepEqual([status, stdout], [2, ''], name);
		assert.match(
			stderr,
			new RegExp(`^[^\\n]*${name.replace('.', '\\.')}[^\\n]*\\n$`),
			`one line naming ${name}: ${stderr}`,
		);
		assert.ok(!/\n\s+at /.test(stderr), 'no stack');
	}
	for (const args of [[], ['nonsense'], ['inspect'], ['inspect', 'a', '--bogus']]) {
		assert.equal(run(args).status, 2, args.join(' '));
	}
});

test('help and version are printed for their option at any place', () => {
	for (const [argv, begin] of [
		[['help'], /^Usage: batchnorm-lens COMMAND …\n\n {2}inspect MODEL/],
		[['inspect', '--help'], /^Usage: batchnorm-lens inspect MODEL \[options\]\n\nShows/],
		[['help', 'merge'], /^Usage: batchnorm-lens merge FILE…/],
		[['fold', 'm.onnx', '-h'], /^Usage: batchnorm-lens fold MODEL[\s\S]*\nExample:\n {2}batchnorm-lens fold/],
	] as const) {
		const { status, stdout } = run(argv);
		assert.equal(status, 0);
		assert.match(stdout, begin);
		const widest = Math.max(...stdout.split('\n').map(({ length }) => length));
		assert.ok(widest <= 80, `${argv.join(' ')} fits a pipe: ${widest} columns`);
	}
	for (const command of COMMANDS) {
		const tooWide = usageOf(command, 80)
			.split('\n')
			.filter(({ length }) => length > 80);
		assert.deepEqual(tooWide, [], command);
	}
	const unknown = run(['nope', '--help']);
	assert.deepEqual([unknown.status, unknown.stdout], [2, '']);
	assert.match(unknown.stderr, /^There is no command "nope"\. Run "batchnorm-lens help" to see the options\.\n$/);
	assert.match(run(['--version']).stdout, /^\d+\.\d+\.\d+\n$/);
});

test('a model without BatchNorm, and a model that the runtime refuses, say so', async () => {
	const relu = { op: 'Relu', inputs: ['x'], outputs: ['y'] };
	const plain = path.join(folder, 'plain.onnx');
	await writeFile(plain, buildModel({ graph: { inputs: [{ name: 'x', shape: [1] }], outputs: ['y'], nodes: [relu] } }));
	const none = run(['inspect', plain]);
	assert.equal(none.status, 0);
	assert.match(none.stderr, /plain\.onnx: The model has no BatchNorm layer to inspect\.\n$/);
	assert.match(none.stdout, /no BatchNorm/i);
	const refused = path.join(folder, 'refused.onnx');
	const initializers = ['g', 'b', 'm', 'v'].map((name) => ({ name, values: [1, 2] }));
	const nodes = [
		{ op: 'Unheard', domain: 'com.example', inputs: ['x'], outputs: ['z'] },
		{ op: 'BatchNormalization', inputs: ['z', 'g', 'b', 'm', 'v'], outputs: ['y'] },
	];
	const graph = { inputs: [{ name: 'x', shape: [1, 2] }], outputs: ['y'], nodes, initializers };
	await writeFile(refused, buildModel({ opsets: { 'com.example': 1 }, graph }));
	const result = run(['inspect', refused]);
	assert.equal(result.status, 2);
	assert.match(result.stderr, /^[^\n]*refused\.onnx: onnxruntime cannot load this model[^\n]*\n$/);
	assert.match(result.stdout, /^The run failed, so the BatchNorm layer was not recomputed\.$/m);
});

test('after a crash of the native runtime the structure remains, with one line on stderr and exit 2', async () => {
	// The runtime divides by the number of steps.
	const body = {
		inputs: [{ name: 'step', shape: [2, 3] }],
		nodes: [{ op: 'BatchNormalization', inputs: ['step', 'p', 'p', 'p', 'p'], outputs: ['n'] }],
		outputs: [{ name: 'n', shape: [2, 3] }],
	};
	const attributes = { body: { g: body }, num_scan_inputs: { i: 1 }, scan_input_axes: { ints: [1] } };
	const bytes = buildModel({
		graph: {
			inputs: [{ name: 'x', shape: [2, 0, 3] }],
			initializers: [{ name: 'p', values: [1, 2, 3] }],
			nodes: [{ op: 'Scan', inputs: ['x'], outputs: ['y'], attributes }],
			outputs: ['y'],
		},
	});
	const file = path.join(folder, 'crash.onnx');
	await writeFile(file, bytes);
	const { status, stdout, stderr } = run(['inspect', file, '--json']);
	assert.equal(status, 2);
	assert.match(stderr, /^The engine stopped while inspecting [^\n]*crash\.onnx: the native runtime [^\n]*\n$/);
	const { run: summary, layers } = parseReport(JSON.parse(stdout));
	// The distance of the temporary folder decides between a relative path and the name alone.
	const withoutPath = (sentence: string | undefined) => sentence?.replace(/\S*crash\.onnx/, 'crash.onnx');
	assert.deepEqual([summary.status, withoutPath(summary.reason)], ['failed', withoutPath(stderr.trim())]);
	assert.ok(!summary.reason?.includes(` ${file}`), summary.reason);
	assert.deepEqual(layers[0].recompute, { status: 'skipped', reason: 'Not checked: the run failed.' });
	assert.deepEqual([...(layers[0].parameters?.gamma ?? [])], [1, 2, 3]);
});

test('a requested file or size that does not fit gives exit 2, one line, and the structure', async () => {
	const model = path.join(models, 'plain_cnn.onnx');
	const array = async (name: string, npy: Parameters<typeof encodeNpy>[0]) => {
		await writeFile(path.join(folder, name), encodeNpy(npy));
		return path.join(folder, name);
	};
	const shape = await array('shape.npy', { type: 'float32', shape: [2, 2], data: new Float32Array(4) });
	const dtype = await array('dtype.npy', { type: 'int32', shape: [1, 3, 8, 8], data: new Int32Array(192) });
	for (const [args, why] of [
		[['--input', 'input=nope.npy'], /nope\.npy/],
		[['--input', `nobody=${shape}`], /no input "nobody"/],
		[['--input', `input=${shape}`], /has shape \[2, 2\]/],
		[['--input', `input=${dtype}`], /int32|shape/],
		[['--dim', 'nobody=3'], /no open dimension "nobody"/],
	] as const) {
		const { status, stdout, stderr } = run(['inspect', model, ...args]);
		assert.equal(status, 2, args.join(' '));
		assert.match(stderr, why);
		assert.match(stderr, /^[^\n]+\n$/);
		assert.match(stdout, /3 BatchNorm layers/);
	}
});

test('findings decide the exit status', async () => {
	const file = path.join(folder, 'dead.onnx');
	const values = { g: [0, 1, 1], b: [0, 0, 1], m: [1, 2, 3], v: [1, 0, 2] };
	const initializers = Object.entries(values).map(([name, numbers]) => ({ name, values: numbers }));
	const nodes = [{ op: 'BatchNormalization', inputs: ['x', 'g', 'b', 'm', 'v'], outputs: ['y'] }];
	await writeFile(
		file,
		buildModel({ graph: { inputs: [{ name: 'x', shape: [1, 3] }], outputs: ['y'], nodes, initializers } }),
	);
	const report = parseReport(JSON.parse(run(['inspect', file, '--json']).stdout));
	const worst = report.layers[0].findings.some(({ severity }) => severity === 'error') ? 'error' : 'warning';
	assert.equal(run(['inspect', file, '--fail-on', worst]).status, 1);
	assert.equal(run(['inspect', file, '--fail-on', 'info']).status, 1);
	assert.equal(run(['inspect', file, '--fail-on', 'never']).status, 0);
});

test('a run leaves no trace: no telemetry, cache or temporary file, and no connection', async () => {
	const home = path.join(folder, 'home');
	await mkdir(home);
	const { CI: _ci, ...env } = process.env;
	const places = {
		HOME: home,
		XDG_CACHE_HOME: home,
		XDG_DATA_HOME: home,
		XDG_CONFIG_HOME: home,
		TMPDIR: home,
		LOCALAPPDATA: home,
	};
	const child = spawn(process.execPath, [cli, 'inspect', path.join(models, 'mlp.onnx'), '--json'], {
		env: { ...env, ...places },
		stdio: 'ignore',
	});
	const ended = new Promise((resolve) => child.once('exit', resolve));
	const watch = child.pid === undefined ? assert.fail('it did not start') : watchSockets(child.pid);
	assert.equal(await ended, 0);
	assert.deepEqual(await readdir(home), []);
	const { engines, sockets } = watch.stop();
	if (process.platform === 'linux') {
		assert.ok(engines > 0, 'the engine was looked at while it ran');
	}
	assert.deepEqual(sockets, []);
});

test('a connection would be noticed', { skip: process.platform !== 'linux' }, async () => {
	const listening =
		"const s = require('node:net').createServer().listen(0, '127.0.0.1', () => setTimeout(() => s.close(), 200))";
	const child = spawn(process.execPath, ['-e', listening], { stdio: 'ignore' });
	const watch = watchSockets(child.pid ?? assert.fail('it did not start'));
	await new Promise((resolve) => child.once('exit', resolve));
	assert.ok(watch.stop().sockets.length > 0);
});

/** Looks every few milliseconds for sockets of the internet in a process and its children; sees none but on Linux. */
function watchSockets(pid: number): { stop(): { engines: number; sockets: readonly string[] } } {
	const sockets = new Set<string>();
	let engines = 0;
	const timer = setInterval(() => {
		for (const one of family(pid)) {
			engines += Number(one !== pid);
			for (const socket of internetSockets(one)) {
				sockets.add(socket);
			}
		}
	}, 2);
	return {
		stop: () => {
			clearInterval(timer);
			return { engines, sockets: [...sockets] };
		},
	};
}

/** A process and all below it, as far as they are still there. */
function family(pid: number): number[] {
	const children = attempt(
		() => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean),
		[],
	);
	return [pid, ...children.flatMap((child) => family(Number(child)))];
}

/** Lines of the kernel's tables of connections for what a process holds open. */
function internetSockets(pid: number): string[] {
	const open = attempt(
		() => readdirSync(`/proc/${pid}/fd`).map((fd) => attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`), '')),
		[],
	);
	const held = new Set(open.flatMap((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []));
	return ['tcp', 'tcp6', 'udp', 'udp6'].flatMap((table) =>
		attempt(() => readFileSync(`/proc/${pid}/net/${table}`, 'utf8').split('\n').slice(1), []).filter((line) =>
			// sl, local and remote address, state, queues, timer, retransmits, user, timeout, inode
			held.has(line.trim().split(/\s+/)[9] ?? ''),
		),
	);
}

/** What is read may have ended meanwhile. */
function attempt<T>(read: () => T, otherwise: T): T {
	try {
		return read();
	} catch {
		return otherwise;
	}
}
