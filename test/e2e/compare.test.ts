import assert from 'node:assert/strict';
import type { Frame } from 'playwright-core';
import { COMPARISON_PLOTS } from '../../src/view/ui/attributes.js';
import { checkpointBytes } from '../unit/support/checkpoints.js';
import { foldedModel } from '../unit/support/folded.js';
import { mobileNetV2 } from '../unit/support/networks.js';
import { at, scenario, text, type Workbench } from './support.js';

const original = mobileNetV2(64);
const [right, wrong] = await Promise.all([foldedModel(original), foldedModel(original, { 10: 0.1 })]);
const exported = await foldedModel(checkpointBytes('conv1d.kept.onnx'));

/** Selects two files, the second with the keyboard's help, and chooses the menu entry. */
async function compare(workbench: Workbench, first: string, second: string): Promise<Frame> {
	await workbench.open(first);
	await workbench.row(second).click({ modifiers: ['ControlOrMeta'] });
	assert.ok((await workbench.contextMenu(second)).includes('Compare BatchNorm With…'));
	await workbench.chooseFromMenu('Compare BatchNorm With…');
	return workbench.model(at('outputs', '[data-status="match"], [data-bnl="outputs"][data-status="mismatch"]'), 60_000);
}

/** Chooses an offered file once the list stays the same, because rows move while the workspace is searched. */
async function pick({ page }: Workbench, name: string): Promise<void> {
	const offered = page.locator('.quick-input-widget .monaco-list-row');
	const row = offered.filter({ hasText: name }).first();
	await row.waitFor();
	for (let before = ''; ; ) {
		const now = (await offered.allInnerTexts()).join('\n');
		if (now === before) {
			break;
		}
		before = now;
		await page.waitForTimeout(500);
	}
	await row.click();
}

const rows = (frame: Frame, status: string) => frame.locator(at('layer-row', `[data-status="${status}"]`));

scenario('compare', {
	files: () => ({
		'original.onnx': original,
		'right.onnx': right,
		'wrong.onnx': wrong,
		'notes.txt': 'Not a model.\n',
		'net.pth': checkpointBytes('conv1d.pth'),
		'net.onnx': exported,
	}),
	steps: {
		'two selected files open a page on which every layer is right': async (workbench) => {
			const frame = await compare(workbench, 'original.onnx', 'right.onnx');
			assert.equal(await rows(frame, 'match').count(), 52);
			assert.match(await text(frame.locator(at('answer'))), /All 52 folded layers are right; the outputs .* agree/);
		},
		'choosing a layer draws found minus expected': async (workbench) => {
			const frame = await workbench.model(at('outputs'));
			await frame.locator(at('layer-row', '[data-layer="3"]')).click();
			for (const kind of COMPARISON_PLOTS) {
				// A plot that would show nothing says so instead.
				const plot = at('plot', `[data-plot="${kind}"]`);
				await frame.locator(`${plot}[data-drawn="true"], ${plot}.bnl-figure-empty`).waitFor({ state: 'attached' });
			}
			assert.ok((await frame.locator(at('channel-row')).count()) > 0);
			await workbench.command('View: Close Editor');
		},
		'a wrong fold is found, explained, and where the outputs part': async (workbench) => {
			const frame = await compare(workbench, 'original.onnx', 'wrong.onnx');
			assert.deepEqual([await rows(frame, 'match').count(), await rows(frame, 'mismatch').count()], [51, 1]);
			const detail = frame.locator(at('detail', '[data-layer="10"]'));
			await detail.waitFor();
			assert.match(await text(detail.locator(at('evidence'))), /epsilon 0\.1/);
			assert.equal(await detail.locator(`${at('advice')} [data-cause="wrong-epsilon"]`).count(), 1);
			assert.match(await text(frame.locator(at('outputs'))), /The first difference is at /);
			await frame.locator(at('plot', '[data-plot="weights"][data-drawn="true"]')).waitFor();
		},
		'the tab of a comparison has a menu of its own': async (workbench) => {
			const actions = workbench.page.locator('.editor-group-container.active .editor-actions .action-label');
			const names = await actions.evaluateAll((all) => all.map((one) => one.getAttribute('aria-label') ?? ''));
			for (const name of ['Compare Again', 'Export Comparison…']) {
				assert.ok(
					names.some((label) => label.startsWith(name)),
					`${name} is not among ${names}`,
				);
			}
			assert.ok(!names.some((label) => label.startsWith('Run and Check Again')), String(names));
		},
		'the roles can be exchanged, which is said': async (workbench) => {
			const frame = await workbench.model(at('swap'));
			await frame.locator(at('swap')).click();
			await frame.locator(at('note')).first().waitFor({ timeout: 60_000 });
			assert.match(await text(frame.locator(at('note')).first()), /was named first/);
		},
		'a page without layers leads to the original': async (workbench) => {
			await workbench.open('right.onnx', at('empty'));
			const page = await workbench.model(at('empty'));
			await page.getByRole('button', { name: 'Compare with the checkpoint or original model…' }).click();
			await pick(workbench, 'original.onnx');
			const frame = await workbench.model(at('outputs', '[data-status="match"]'), 60_000);
			assert.equal(await rows(frame, 'match').count(), 52);
			assert.match(await text(frame.locator(at('title'))), /^original\.onnx → right\.onnx$/);
		},
		'from a folded export to the verdict against its checkpoint, in three clicks': async (workbench) => {
			await workbench.open('net.onnx', at('empty'));
			const page = await workbench.model(at('empty'));
			await page.getByRole('button', { name: 'Compare with the checkpoint or original model…' }).click();
			await pick(workbench, 'net.pth');
			const frame = await workbench.model(at('outputs', '[data-status="skipped"]'), 60_000);
			assert.equal(await rows(frame, 'match').count(), 2);
			assert.match(await text(frame.locator(at('title'))), /^net\.pth → net\.onnx$/);
		},
		'a right-click on a checkpoint shows its layers': async (workbench) => {
			assert.ok((await workbench.contextMenu('net.pth')).includes('Inspect Model…'));
			await workbench.chooseFromMenu('Inspect Model…');
			// The page of the comparison before has no line about a run.
			const frame = await workbench.model(at('run', '[data-status="skipped"]'));
			assert.equal(await frame.locator(at('layer-row')).count(), 2);
			assert.match(await text(frame.locator(at('answer'))), /PyTorch checkpoint/);
		},
	},
});
