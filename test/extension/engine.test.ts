import assert from 'node:assert/strict';
import path from 'node:path';
import { after, afterEach, before, describe, it } from 'mocha';
import * as vscode from 'vscode';
import { EngineClient } from '../../src/engine/client.js';
import { ModelDocument } from '../../src/host/model/model-document.js';
import { prepareEngine } from '../../src/host/model/prepare-engine.js';
import { RunMemory } from '../../src/host/model/run-memory.js';
import { extension, Folder, smallModel, until } from './support.js';

const folder = new Folder();
const open: vscode.Disposable[] = [];

/** Returns a document of the extension's own class, on a fake engine that acts as the file's name says. */
async function openOnFakeEngine(behavior: string): Promise<ModelDocument> {
	const entry = path.resolve(__dirname, '../../../test/unit/support/fake-engine.cjs');
	const engine = new EngineClient({ entry });
	const log = vscode.window.createOutputChannel('BatchNorm Lens (test)', { log: true });
	const memory = new RunMemory({ get: () => undefined, update: async () => {} });
	const document = new ModelDocument(await folder.write(`${behavior}.onnx`, smallModel()), { engine, log, memory });
	open.push(document, engine, log);
	await document.open();
	return document;
}

describe('the engine in the extension host', () => {
	before(() => folder.create());
	afterEach(() => vscode.Disposable.from(...open.splice(0)).dispose());
	after(() => folder.remove());

	it('runs a model with its own settings', async () => {
		const { engine } = await extension().activate();
		const { fsPath } = await folder.write('plain.onnx', smallModel());
		const report = await engine.inspect({ path: fsPath }, { run: true, inputs: [], batch: 3, seed: 7 });
		assert.equal(report.run.status, 'ok');
		assert.deepEqual(report.run.inputs[0]?.shape, [3, 3, 8, 8]);
		assert.equal(report.layers[0]?.batch?.count, 3 * 6 * 6);
	});

	it('that crashes keeps the structure on the page, explains the crash, and answers the next request', async () => {
		const document = await openOnFakeEngine('signal SIGSEGV');
		await until('the outcome', () => document.session.report?.run.status === 'failed');
		assert.match(document.session.report?.run.reason ?? '', /The engine stopped.*memory.*SIGSEGV/);
		assert.equal(document.session.problem, undefined);
		assert.equal(document.session.report?.layers.length, 1);
		const { engine } = await extension().activate();
		const report = await engine.inspect({ path: document.uri.fsPath }, { run: true, inputs: [], batch: 1, seed: 0 });
		assert.equal(report.layers[0]?.recompute.status, 'match');
	});

	it('is prepared some time after the activation, unless a model opens first', async () => {
		let prepared = 0;
		const engine = { prepare: () => prepared++ };
		const opened = new vscode.EventEmitter<ModelDocument>();
		open.push(opened, prepareEngine(engine, { onDidOpen: opened.event }, 0));
		await until('the engine', () => prepared === 1);
		const document = await openOnFakeEngine('answer');
		open.push(prepareEngine(engine, { onDidOpen: opened.event }, 0));
		opened.fire(document);
		await new Promise((resolve) => setTimeout(resolve, 20));
		assert.equal(prepared, 1);
	});

	it('that is busy can be canceled and started again', async () => {
		const document = await openOnFakeEngine('hang');
		await until('the run', () => document.session.snapshot().some(({ type }) => type === 'progress'));
		const before = Date.now();
		document.session.cancel();
		assert.equal(document.session.report?.run.status, 'skipped');
		assert.equal(document.session.report?.layers[0]?.recompute.status, 'skipped');
		assert.ok(Date.now() - before < 200);
		void document.run();
		assert.equal(document.session.running, true);
	});

	it('that is busy stops when its model is closed', async () => {
		const document = await openOnFakeEngine('hang');
		await until('the run', () => document.session.running);
		document.dispose();
		assert.equal(document.session.running, false);
	});
});
