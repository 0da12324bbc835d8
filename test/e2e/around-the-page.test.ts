import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { unhealthyNetwork } from '../unit/support/networks.js';
import { smallModel } from '../unit/support/small-model.js';
import { at, scenario, text, type Workbench } from './support.js';

const TREE = '.split-view-view:has(> .pane > .pane-header[aria-label^="BatchNorm Layers"])';
const LONG = 20_000;

/** Waits until the page shows the layer at `index`. */
async function shows(workbench: Workbench, index: number): Promise<void> {
	const frame = await workbench.model(at('layer-row', `[data-layer="${index}"][aria-selected="true"]`), LONG);
	await frame.locator(at('detail')).waitFor();
}

/** Accepts the value that a quick pick or the simple file dialog proposes. */
async function accept(workbench: Workbench, entry: string): Promise<void> {
	const { page } = workbench;
	await page.locator('.quick-input-widget .monaco-list-row').filter({ hasText: entry }).first().click();
}

/** The file dialog proposes a name beside the model. */
async function acceptFile(workbench: Workbench, name: string): Promise<void> {
	const input = workbench.page.locator('.quick-input-widget input').first();
	await workbench.page.waitForFunction(
		(expected) => document.querySelector<HTMLInputElement>('.quick-input-widget input')?.value.endsWith(expected),
		name,
	);
	await input.press('Enter');
	for (let attempt = 0; !existsSync(workbench.file(name)); attempt++) {
		assert.ok(attempt < 100, `${name} was not written`);
		await workbench.page.waitForTimeout(100);
	}
}

scenario('around the page', {
	files: () => ({ 'unhealthy.onnx': unhealthyNetwork(), 'small.onnx': smallModel() }),
	steps: {
		'there is no tree of layers before a model is open': async ({ page }) => {
			assert.equal(await page.locator(TREE).count(), 0);
		},
		'the tree lists the layers of the model, and a click leads to one': async (workbench) => {
			await workbench.open('unhealthy.onnx', at('run', '[data-status="ok"]'));
			const tree = workbench.page.locator(TREE);
			// VS Code collapses explorer views of extensions at first.
			await tree.locator('.pane-header').click();
			await tree.locator('.monaco-list-row').first().waitFor();
			assert.match(await text(tree), /unhealthy\.onnx/);
			await tree.locator('.monaco-list-row').nth(3).click();
			await shows(workbench, 3);
		},
		'a layer chosen on the page is selected in the tree, and the page keeps the focus': async (workbench) => {
			const frame = await workbench.model(at('layer-row', '[data-layer="3"][aria-selected="true"]'), LONG);
			await frame.locator(at('layer-row', '[data-layer="1"]')).click();
			const tree = workbench.page.locator(TREE);
			await tree.locator('.monaco-list-row[aria-selected="true"][data-index="1"]').waitFor();
			await workbench.page.keyboard.press('ArrowDown');
			await workbench.page.keyboard.press('Enter');
			await tree.locator('.monaco-list-row[aria-selected="true"][data-index="2"]').waitFor();
			await tree.locator('.monaco-list-row').nth(4).click();
			await shows(workbench, 4);
		},
		'a row of Problems says what is wrong, and its code leads to the layer': async (workbench) => {
			await workbench.command('Problems: Focus on Problems View');
			const row = workbench.page.locator('.markers-panel .monaco-list-row').filter({ hasText: 'dead-channel' }).first();
			await row.waitFor();
			const name = /^(\S+): /.exec(await text(row.locator('.marker-message, .details').first()))?.[1] ?? '';
			await row.locator('a').filter({ hasText: 'dead-channel' }).click();
			const frame = await workbench.model(at('layer-row', '[aria-selected="true"]'), LONG);
			assert.notEqual(name, '');
			// The previous layer is still shown while the message is under way.
			await frame.locator(at('detail')).locator('h2').filter({ hasText: name }).waitFor();
		},
		'the report is there to read': async (workbench) => {
			await workbench.command('View: Toggle Panel Visibility');
			await workbench.command('BatchNorm Lens: Show Report as Text');
			await workbench.page.locator('.tab.active').filter({ hasText: 'unhealthy.onnx.md' }).waitFor();
			await workbench.page.locator('.view-lines').filter({ hasText: 'BatchNorm report' }).waitFor();
		},
		'the export is written where the dialog says': async (workbench) => {
			await workbench.command('BatchNorm Lens: Export Report');
			await accept(workbench, 'Web page');
			await acceptFile(workbench, 'unhealthy.report.html');
			assert.match(readFileSync(workbench.file('unhealthy.report.html'), 'utf8'), /^<!DOCTYPE html>/);
		},
		'the report as a notebook is drawn by the renderer': async (workbench) => {
			await workbench.command('BatchNorm Lens: Save Report as Notebook');
			await acceptFile(workbench, 'unhealthy.report.ipynb');
			await workbench.page.locator('.tab.active').filter({ hasText: 'unhealthy.report.ipynb' }).waitFor();
			await workbench.model(at('layer-table'), LONG);
		},
		'a cell is inserted for what is chosen': async (workbench) => {
			await workbench.command('BatchNorm Lens: Insert BatchNorm Lens Cell');
			await accept(workbench, 'PyTorch module');
			await workbench.page.locator('.view-lines').filter({ hasText: 'def batchnorm_lens' }).first().waitFor();
		},
		'the walkthrough has a picture of each step': async (workbench) => {
			await workbench.command('Welcome: Open Walkthrough');
			await accept(workbench, 'BatchNorm Lens');
			await workbench.page.locator('.getting-started-step').nth(5).waitFor();
			assert.equal(await workbench.page.locator('.getting-started-step').count(), 6);
			await workbench.model('h2:has-text("Click an")', LONG);
		},
	},
});
