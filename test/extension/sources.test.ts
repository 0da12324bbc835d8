import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'mocha';
import * as vscode from 'vscode';
import { encodeNpy } from '../../src/engine/child/tensors/npy.js';
import { closeAllEditors, Folder, openModel, smallModel, until } from './support.js';

const folder = new Folder();

/** In-memory file system that stands for those of remote repositories. */
class MemoryFiles implements vscode.FileSystemProvider {
	private readonly changes = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
	readonly onDidChangeFile = this.changes.event;
	private readonly files = new Map<string, { bytes: Uint8Array; mtime: number }>();

	put(uri: vscode.Uri, bytes: Uint8Array): void {
		this.files.set(uri.path, { bytes, mtime: Date.now() });
		this.changes.fire([{ type: vscode.FileChangeType.Changed, uri }]);
	}

	watch = () => new vscode.Disposable(() => {});

	stat(uri: vscode.Uri): vscode.FileStat {
		const { bytes, mtime } = this.find(uri);
		return { type: vscode.FileType.File, ctime: 0, mtime, size: bytes.length };
	}

	readFile(uri: vscode.Uri): Uint8Array {
		return this.find(uri).bytes;
	}

	private find(uri: vscode.Uri) {
		const file = this.files.get(uri.path);
		if (!file) {
			throw vscode.FileSystemError.FileNotFound(uri);
		}
		return file;
	}

	readDirectory = () => [];
	createDirectory = () => {};
	writeFile = () => {};
	delete = () => {};
	rename = () => {};
}

describe('sources of models and inputs', () => {
	before(() => folder.create());
	afterEach(async () => {
		await closeAllEditors();
		await vscode.workspace.getConfiguration('batchnormLens').update('runOnOpen', undefined, true);
		await vscode.workspace.getConfiguration('batchnormLens').update('health.sigmas', undefined, true);
	});
	after(() => folder.remove());

	it('a model on a virtual file system is read whole and run', async () => {
		const files = new MemoryFiles();
		const registration = vscode.workspace.registerFileSystemProvider('batchnorm-test', files, { isReadonly: true });
		try {
			const uri = vscode.Uri.parse('batchnorm-test:/models/m.onnx');
			files.put(uri, smallModel());
			const document = await openModel(uri);
			await until('verdicts', () => document.session.report?.run.status === 'ok');
			assert.equal(document.session.report?.layers[0]?.recompute.status, 'match');
			const missing = await openModel(vscode.Uri.parse('batchnorm-test:/models/missing.onnx'));
			assert.match(await until('a sentence', () => missing.session.problem), /missing\.onnx cannot be read: .+\.$/);
		} finally {
			registration.dispose();
		}
	});

	it('external data beside the model are read, and read again when they change', async () => {
		const gamma = (...values: number[]) => folder.write('gamma.bin', new Uint8Array(Float32Array.from(values).buffer));
		await gamma(1, 2);
		const document = await openModel(await folder.write('external.onnx', smallModel('bn', { location: 'gamma.bin' })));
		const shown = () => document.session.report?.layers[0]?.parameters?.gamma;
		await until('verdicts', () => document.session.report?.run.status === 'ok');
		assert.deepEqual(shown(), Float64Array.of(1, 2));
		await gamma(3, 4, 5);
		await until('the new values', () => shown()?.[0] === 3);
		await until('verdicts', () => document.session.report?.run.status === 'ok');
	});

	it('an input file is fed to the model and named on the page', async () => {
		const document = await openModel(await folder.write('fed.onnx', smallModel()));
		await until('verdicts', () => document.session.report?.run.status === 'ok');
		assert.deepEqual(document.session.model?.inputs, [{ name: 'x', dtype: 'float32', shape: ['N', 3, 8, 8] }]);
		const data = Float32Array.from({ length: 2 * 3 * 8 * 8 }, (_, index) => Math.cos(index));
		const npy = await folder.write('x.npy', encodeNpy({ type: 'float32', shape: [2, 3, 8, 8], data }));
		await document.plan({ files: [{ input: undefined, path: npy.fsPath }], choices: {} });
		await document.run();
		const run = document.session.report?.run;
		assert.equal(run?.status, 'ok', run?.reason);
		const [input] = run.inputs;
		assert.deepEqual(input?.shape, [2, 3, 8, 8]);
		assert.ok(input?.from.includes('x.npy'), input?.from);
		await document.plan({ files: [{ input: 'x', path: '/no/such/file.npy' }], choices: {} });
		await document.run();
		assert.equal(document.session.report?.run.status, 'failed');
		assert.match(document.session.report?.run.reason ?? '', /file\.npy/);
		assert.equal(document.session.report?.layers[0]?.recompute.status, 'skipped');
	});

	it('run options of a model reach the engine and are remembered when the model is opened again', async () => {
		const uri = await folder.write('remembered.onnx', smallModel());
		const first = await openModel(uri);
		await until('verdicts', () => first.session.report?.run.status === 'ok');
		await first.plan({ files: [], choices: { batch: 3, seed: 11, random: 'uniform', memoryBudget: 2 ** 20 } });
		await first.run();
		const fed = (document: typeof first) => document.session.report?.run.inputs[0];
		const expected = { name: 'x', shape: [3, 3, 8, 8], dtype: 'float32', from: 'random uniform, seed 11' };
		assert.deepEqual(fed(first), expected);
		await closeAllEditors();
		const second = await openModel(uri);
		assert.notEqual(second, first);
		await until('verdicts', () => second.session.report?.run.status === 'ok');
		assert.deepEqual(fed(second), expected);
		await second.plan({ files: [], choices: {} });
	});

	it('a model is not run on opening if the setting says so, but on request', async () => {
		await vscode.workspace.getConfiguration('batchnormLens').update('runOnOpen', false, true);
		const document = await openModel(await folder.write('asked.onnx', smallModel()));
		await until('the outcome', () => document.session.report?.run.status === 'skipped');
		assert.match(document.session.report?.run.reason ?? '', /runOnOpen is off/);
		await vscode.commands.executeCommand('batchnormLens.run');
		assert.equal(document.session.report?.run.status, 'ok');
	});

	it('a changed threshold updates the findings of an open model', async () => {
		const document = await openModel(await folder.write('threshold.onnx', smallModel()));
		const codes = () => document.session.report?.layers[0]?.findings.map(({ code }) => code) ?? [];
		await until('verdicts', () => document.session.report?.run.status === 'ok');
		assert.deepEqual(codes(), []);
		// beta 1 is within half a standard deviation (gamma 2) of the ReLU's threshold. With a limit below that, the ReLU
		// never acts.
		await vscode.workspace.getConfiguration('batchnormLens').update('health.sigmas', 0.25, true);
		await until('the finding', () => codes().includes('constant-channel'));
		await until('verdicts', () => document.session.report?.run.status === 'ok');
		assert.ok(codes().includes('constant-channel'));
	});
});
