/** Writing tasks on bad disks and beside each other: the target keeps its content, and no unfinished file stays. */
import assert from 'node:assert/strict';
import fs, { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import promises, { open } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { fold } from '../../../../../src/engine/child/fold.js';
import { repairFolds } from '../../../../../src/engine/child/repair-folds.js';
import { repairToInference } from '../../../../../src/engine/child/repair-to-inference.js';
import { loadRuntime } from '../../../../../src/engine/child/runtime/runtime.js';
import { createKernel } from '../../../../../src/kernel/index.js';
import { WriteError } from '../../../../../src/platform/write-error.js';
import { rawElements } from '../../../support/elements.js';
import { buildModel, type NodeSpec, type TensorSpec } from '../../../support/model-builder.js';

const root = mkdtempSync(path.join(tmpdir(), 'bnl-faults-'));
after(() => rmSync(root, { recursive: true }));

const ports = { runtime: loadRuntime, kernel: () => createKernel(), emit: () => {} };
let folder: string;
let output: string;
beforeEach(() => {
	folder = mkdtempSync(path.join(root, 'case-'));
	output = path.join(folder, 'written.onnx');
	writeModels(folder);
});

const WEIGHT = [1, 2, 3, -4];

/** Writes the original, a training export, and a deployed model with a wrong weight and a right one in external data. */
function writeModels(to: string): void {
	const weight: TensorSpec = { name: 'W', dims: [2, 2, 1, 1], external: { location: 'w.data' } };
	const parameters = ['g', 'b', 'm', 'v'].map((name): TensorSpec => ({ name, values: [2, 4] }));
	const conv: NodeSpec = { op: 'Conv', name: 'conv', inputs: ['x', 'W'], outputs: ['h'] };
	const last: NodeSpec = { op: 'Conv', name: 'last', inputs: ['y', 'W'], outputs: ['z'] };
	const bn = (outputs: readonly string[], mode: number): NodeSpec => ({
		op: 'BatchNormalization',
		name: 'bn',
		inputs: ['h', 'g', 'b', 'm', 'v'],
		outputs,
		attributes: { training_mode: { i: mode } },
	});
	const write = (name: string, nodes: readonly NodeSpec[], initializers: readonly TensorSpec[]) => {
		const graph = { nodes, initializers, inputs: [{ name: 'x', shape: [1, 2, 4, 4] }], outputs: ['z'] };
		writeFileSync(path.join(to, name), buildModel({ graph }));
	};
	writeFileSync(path.join(to, 'w.data'), rawElements('float32', WEIGHT));
	write('original.onnx', [conv, bn(['y'], 0), last], [weight, ...parameters]);
	write('training.onnx', [conv, bn(['y', 'mean', 'variance'], 1), last], [weight, ...parameters]);
	const wrong: TensorSpec = { name: 'V', dims: [2, 2, 1, 1], values: WEIGHT };
	write('deployed.onnx', [{ ...conv, inputs: ['x', 'V'], outputs: ['y'] }, last], [weight, wrong]);
}

/** The three tasks that write a model. @param key of the folder for unfinished files */
const TASKS = {
	fold: (target: string, key = '') => fold({ path: at('original.onnx') }, optionsOf(target, key), ports),
	'repair to inference': (target: string, key = '') =>
		repairToInference({ path: at('training.onnx') }, optionsOf(target, key), ports),
	'repair of folds': (target: string, key = '') =>
		repairFolds({ path: at('deployed.onnx') }, { path: at('original.onnx') }, optionsOf(target, key), ports),
};

const at = (name: string) => path.join(folder, name);
const optionsOf = (target: string, key: string) => ({
	output: target,
	temporary: `${target}${key}.part`,
	batch: 1,
	seed: 0,
});

const systemError = (code: string) => Object.assign(new Error(`${code}: no`), { code, syscall: 'write' });

/** Replaces a function of node:fs/promises that fails with a code while a task runs. */
async function failing<T>(name: 'mkdir' | 'chmod' | 'access', code: string, task: () => Promise<T>): Promise<T> {
	const real = promises[name];
	Object.assign(promises, { [name]: () => Promise.reject(systemError(code)) });
	syncBuiltinESMExports();
	try {
		return await task();
	} finally {
		Object.assign(promises, { [name]: real });
		syncBuiltinESMExports();
	}
}

/** Lets each write, or the sync at the end, fail with a code while a task runs. */
async function failingHandle<T>(name: 'writeFile' | 'sync', code: string, task: () => Promise<T>): Promise<T> {
	const handle = await open(at('w.data'));
	const prototype = Object.getPrototypeOf(handle);
	await handle.close();
	const real = prototype[name];
	prototype[name] = () => Promise.reject(systemError(code));
	try {
		return await task();
	} finally {
		prototype[name] = real;
	}
}

type Fault = (task: () => Promise<unknown>) => Promise<unknown>;

const FAULTS: Readonly<Record<string, readonly [Fault, RegExp]>> = {
	'a full disk while it writes': [(task) => failingHandle('writeFile', 'ENOSPC', task), /the disk is full/],
	'a full disk at the sync': [(task) => failingHandle('sync', 'ENOSPC', task), /the disk is full/],
	'a quota at the end': [(task) => failing('chmod', 'EDQUOT', task), /the disk quota is used up/],
	'a read-only disk': [(task) => failing('mkdir', 'EROFS', task), /writing it is not permitted/],
	'a read-only target': [(task) => failing('access', 'EACCES', task), /writing it is not permitted/],
};

for (const [name, task] of Object.entries(TASKS)) {
	for (const [fault, [fail, reason]] of Object.entries(FAULTS)) {
		test(`${name}: ${fault} loses nothing`, async () => {
			writeFileSync(output, 'former content');
			const before = readdirSync(folder);
			const error = await fail(() => task(output)).catch((reasonOf: unknown) => reasonOf);
			assert.ok(error instanceof WriteError, String(error));
			assert.match(error.message, reason);
			assert.ok(error.message.includes(output), error.message);
			assert.match(error.message, /^[^\n]*\.$/);
			assert.equal(readFileSync(output, 'utf8'), 'former content');
			assert.deepEqual(readdirSync(folder), before);
		});
	}

	test(`${name}: a target that the task reads is refused under any name`, async () => {
		const links = ['training.onnx', 'original.onnx', 'deployed.onnx', 'w.data'].map((file) => {
			fs.linkSync(at(file), at(`link-${file}`));
			return [at(file), at(`link-${file}`)];
		});
		const read = { fold: 'original', 'repair to inference': 'training', 'repair of folds': 'original|deployed' }[name];
		for (const target of links.flat().filter((file) => new RegExp(`${read}|w\\.data`).test(file))) {
			const before = readFileSync(target);
			await assert.rejects(task(target), WriteError);
			assert.deepEqual(readFileSync(target), before);
		}
		assert.equal(readdirSync(folder).filter((file) => file.endsWith('.part')).length, 0);
	});

	test(`${name}: two runs at once write one whole file`, async () => {
		const other = mkdtempSync(path.join(root, 'other-'));
		for (const target of [output, path.join(other, 'written.onnx')]) {
			const alone = await task(target);
			const expected = readFileSync(target);
			rmSync(target);
			const results = await Promise.all([task(target, '-1'), task(target, '-2')]);
			assert.deepEqual(
				results.map(({ written }) => written),
				[alone.written, alone.written],
			);
			assert.deepEqual(readFileSync(target), expected);
		}
		assert.deepEqual(readdirSync(other).sort(), ['written.onnx', 'written.onnx.data']);
	});
}
