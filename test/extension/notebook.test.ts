import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'mocha';
import * as vscode from 'vscode';
import { parseReport } from '../../src/core/report/json.js';
import { EngineClient } from '../../src/engine/client.js';
import { NotebookInspector } from '../../src/host/notebook/notebook.js';
import type { HostToNotebook } from '../../src/protocol/host-notebook.js';
import { extension, Folder, smallModel, until } from './support.js';

const folder = new Folder();
const open: vscode.Disposable[] = [];

/** A notebook in the folder, its inspector, and a fake renderer. */
async function openNotebook() {
	const log = vscode.window.createOutputChannel('BatchNorm Lens (test)', { log: true });
	const entry = vscode.Uri.joinPath(extension().extensionUri, 'dist', 'engine', 'main.js').fsPath;
	const engine = new EngineClient({ entry });
	let inspections = 0;
	const inspect = engine.inspect.bind(engine);
	engine.inspect = (...args) => {
		inspections += 1;
		return inspect(...args);
	};
	const messages = new vscode.EventEmitter<{ editor: vscode.NotebookEditor; message: unknown }>();
	const answers: HostToNotebook[] = [];
	const inspector = new NotebookInspector(
		{ engine, log },
		{
			onDidReceiveMessage: messages.event,
			postMessage: async (message) => answers.push(message) > 0,
		},
	);
	open.push(inspector, engine, messages, log);
	const uri = await folder.write('notebook.ipynb', '{"cells":[],"metadata":{},"nbformat":4,"nbformat_minor":5}');
	const editor = await vscode.window.showNotebookDocument(await vscode.workspace.openNotebookDocument(uri));
	const ask = async (id: string, path: string): Promise<HostToNotebook> => {
		messages.fire({ editor, message: { type: 'inspect', id, path } });
		return until(`an answer to ${id}`, () => answers.find((answer) => answer.id === id));
	};
	const send = (message: unknown) => messages.fire({ editor, message });
	return { ask, send, answers, inspections: () => inspections };
}

describe('models that a notebook output names', () => {
	before(() => folder.create());
	afterEach(() => vscode.Disposable.from(...open.splice(0)).dispose());
	after(() => folder.remove());

	it('are found beside the notebook, inspected once, and answered with a report', async () => {
		const uri = await folder.write('beside.onnx', smallModel());
		const { ask, inspections } = await openNotebook();
		for (const [id, path] of Object.entries({ relative: 'beside.onnx', absolute: uri.fsPath })) {
			const answer = await ask(id, path);
			assert.equal(answer.type, 'report', JSON.stringify(answer));
			const report = parseReport(JSON.parse(JSON.stringify(answer.type === 'report' && answer.report)));
			assert.equal(report.layers[0]?.recompute.status, 'match');
		}
		assert.equal(inspections(), 1);
		await folder.write('beside.onnx', smallModel('a longer name'));
		await ask('changed', 'beside.onnx');
		assert.equal(inspections(), 2);
	});

	it('that cannot be read or may not be opened are answered with an error sentence', async () => {
		await folder.write('text.onnx', 'not a model, but long enough to be looked at');
		const { ask } = await openNotebook();
		for (const path of ['missing.onnx', 'text.onnx', '//server/share/m.onnx', '/etc/passwd']) {
			const answer = await ask(path, path);
			assert.ok(answer.type === 'failure', path);
			assert.match(answer.message, /^[^\n]+\.$/);
			assert.ok(answer.message.includes(path.replace(/^.*\//, '')), answer.message);
		}
	});

	it('ignores a message outside the protocol', async () => {
		const { ask, send, answers } = await openNotebook();
		send({ type: 'inspect', id: 7, path: 'm.onnx' });
		send(null);
		await ask('last', 'missing.onnx');
		assert.deepEqual(
			answers.map(({ id }) => id),
			['last'],
		);
	});
});
