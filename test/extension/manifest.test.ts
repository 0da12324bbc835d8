import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import * as vscode from 'vscode';
import { extension, manifest } from './support.js';

describe("the extension's manifest", () => {
	it('registers every command that it declares', async () => {
		await extension().activate();
		const registered = new Set(await vscode.commands.getCommands(true));
		const declared = manifest().contributes.commands.map(({ command }) => command);
		assert.deepEqual(
			declared.filter((command) => !registered.has(command)),
			[],
		);
	});

	it('offers only commands that it declares', () => {
		const declared = new Set(manifest().contributes.commands.map(({ command }) => command));
		for (const item of Object.values(manifest().contributes.menus).flat()) {
			assert.ok(declared.has(item.command), item.command);
		}
	});

	it('adds explorer menu items only to files of models', () => {
		const items = manifest().contributes.menus['explorer/context'] ?? [];
		assert.equal(items.length, 3);
		for (const { when } of items) {
			const pattern = /resourceExtname =~ \/(.*)\/i && !explorerResourceIsFolder$/.exec(when ?? '')?.[1];
			assert.ok(pattern, when);
			assert.match('.ONNX', new RegExp(pattern, 'i'));
			assert.doesNotMatch('.onnx.json', new RegExp(pattern, 'i'));
		}
	});

	it('gives the tab of a comparison a menu of its own', () => {
		const when = 'activeWebviewPanelId == batchnormLens.comparison';
		const items = manifest().contributes.menus['editor/title'] ?? [];
		assert.deepEqual(
			items.filter((item) => item.when === when).map(({ command }) => command.replace('batchnormLens.', '')),
			['compareAgain', 'exportComparison', 'swapModels', 'repair', 'showLog'],
		);
	});

	it('shows its editor actions in its own editors only', () => {
		for (const { when } of manifest().contributes.menus['editor/title'] ?? []) {
			assert.match(
				when ?? '',
				/^(activeCustomEditorId (== batchnormLens\.model\b|=~ \/\^batchnormLens)|activeWebviewPanelId == batchnormLens\.comparison$)/,
			);
		}
	});

	it('has a default for every setting', () => {
		for (const [name, { default: value }] of Object.entries(manifest().contributes.configuration.properties)) {
			assert.notEqual(value, undefined, name);
			assert.deepEqual(vscode.workspace.getConfiguration().get(name), value, name);
		}
	});
});
