/** Another extension claims .onnx files with priority default, as viewers of networks do. */
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createVSIX } from '@vscode/vsce';
import { smallModel } from '../unit/support/small-model.js';
import { provision } from '../workbench/provision.mjs';
import { installExtension } from '../workbench/server.mjs';
import { scenario, type Workbench } from './support.js';

const MANIFEST = {
	name: 'stub-viewer',
	displayName: 'Stub Viewer',
	publisher: 'stub',
	version: '1.0.0',
	license: 'MIT',
	engines: { vscode: '^1.100.0' },
	main: './main.js',
	contributes: {
		customEditors: [
			{
				viewType: 'stub.viewer',
				displayName: 'Stub Viewer',
				selector: [{ filenamePattern: '*.onnx' }],
				priority: 'default',
			},
		],
	},
};
const MAIN = `
const vscode = require('vscode');
exports.activate = (context) => context.subscriptions.push(vscode.window.registerCustomEditorProvider('stub.viewer', {
	openCustomDocument: (uri) => ({ uri, dispose() {} }),
	resolveCustomEditor: (_, panel) => { panel.webview.html = '<p id="stub-viewer">A stub.</p>'; },
}));
`;
const STUB_PAGE = '#stub-viewer';

/** Installs the stub beside our extension. @param extension folder of our extension */
async function installStub(extension: string): Promise<void> {
	const extensionsDir = path.dirname(extension);
	const source = path.join(extensionsDir, '..', 'stub');
	await mkdir(source, { recursive: true });
	await writeFile(path.join(source, 'package.json'), JSON.stringify(MANIFEST));
	await writeFile(path.join(source, 'main.js'), MAIN);
	await writeFile(path.join(source, 'README.md'), '# Stub\n\nA viewer for a test.\n');
	const vsix = path.join(source, 'stub.vsix');
	await createVSIX({
		cwd: source,
		packagePath: vsix,
		dependencies: false,
		allowMissingRepository: true,
		skipLicense: true,
	});
	await installExtension({ vscode: await provision(), vsix, dataDir: path.join(source, 'data'), extensionsDir });
}

const notification = (workbench: Workbench) =>
	workbench.page.locator('.notification-toast').filter({ hasText: 'also opens .onnx files' });

async function userSettings({ folder }: Workbench): Promise<Record<string, unknown>> {
	return JSON.parse(await readFile(path.join(folder, '..', 'data', 'data', 'User', 'settings.json'), 'utf8'));
}

scenario('beside another editor', {
	files: () => ({ 'first.onnx': smallModel(), 'second.onnx': smallModel() }),
	damage: installStub,
	steps: {
		'the context menu opens ours, and offers to make it the default': async (workbench) => {
			await workbench.contextMenu('first.onnx');
			await workbench.chooseFromMenu('Inspect Model');
			await workbench.model();
			const question = notification(workbench);
			await question.getByText('Stub Viewer also opens .onnx files').waitFor();
			assert.equal((await userSettings(workbench))['workbench.editorAssociations'], undefined);
			await question.getByText('Always Open With BatchNorm Lens', { exact: true }).click();
			await question.waitFor({ state: 'detached' });
		},
		'the other editor stays usable, and ours opens over it': async (workbench) => {
			await workbench.command('View: Reopen Editor With...');
			const choice = workbench.page.locator('.quick-input-widget .monaco-list-row').filter({ hasText: 'Stub Viewer' });
			await choice.first().click();
			await workbench.model(STUB_PAGE);
			await workbench.command('Open With BatchNorm Lens');
			await workbench.model();
		},
		'the choice is remembered, and the question does not come again': async (workbench) => {
			await workbench.command('View: Close All Editors');
			await workbench.open('second.onnx');
			await workbench.contextMenu('first.onnx');
			await workbench.chooseFromMenu('Inspect Model');
			await workbench.model();
			assert.equal(await notification(workbench).count(), 0);
			const { 'workbench.editorAssociations': associations } = await userSettings(workbench);
			assert.deepEqual(associations, { '*.onnx': 'batchnormLens.model' });
		},
	},
});
