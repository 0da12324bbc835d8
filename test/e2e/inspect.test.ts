import assert from 'node:assert/strict';
import type { Frame } from 'playwright-core';
import { PLOT_KINDS } from '../../src/view/ui/attributes.js';
import { mobileNetV2 } from '../unit/support/networks.js';
import { at, scenario, text, type Workbench } from './support.js';

const ENTRY = 'Inspect Model…';

const verdicts = (frame: Frame, status: string) =>
	frame.locator(`${at('layer-row')} ${at('verdict', `[data-status="${status}"]`)}`);

/** Plots of batch statistics, which need files as input: random input has no meaning for them. */
const OF_FILES: readonly string[] = ['batch', 'drift'];
const OF_PARAMETERS = PLOT_KINDS.filter((kind) => !OF_FILES.includes(kind));

async function drawn(frame: Frame): Promise<void> {
	for (const kind of OF_PARAMETERS) {
		await frame.locator(at('plot', `[data-plot="${kind}"][data-drawn="true"]`)).waitFor();
	}
	for (const kind of OF_FILES) {
		await frame.locator(at('plot', `[data-plot="${kind}"].bnl-figure-empty`)).waitFor();
	}
}

async function openLayer(workbench: Workbench, index: number): Promise<Frame> {
	const frame = await workbench.model();
	await frame.locator(at('layer-row', `[data-layer="${index}"]`)).click();
	await drawn(frame);
	return frame;
}

/** VS Code's channel to a page silently drops messages above its limits. A report of 52 layers has 300 arrays. */
async function assertEveryNumberArrived(frame: Frame): Promise<void> {
	for (const row of await frame.locator(at('layer-row')).allTextContents()) {
		assert.ok(!row.includes('NaN'), row);
	}
}

/** Color of the first title that plotly drew. */
const plotColour = (frame: Frame) =>
	frame
		.locator(`${at('plot')} .xtitle, ${at('plot')} .ytitle`)
		.first()
		.evaluate((element) => getComputedStyle(element).fill);

scenario('inspect', {
	files: () => ({ 'mobilenet_v2.onnx': mobileNetV2(), 'notes.txt': 'Not a model.\n' }),
	steps: {
		'the context menu offers it for .onnx files only': async (workbench) => {
			assert.ok(!(await workbench.contextMenu('notes.txt')).includes(ENTRY));
			await workbench.page.keyboard.press('Escape');
			assert.ok((await workbench.contextMenu('mobilenet_v2.onnx')).includes(ENTRY));
		},
		'the menu entry opens the page with all 52 layers': async (workbench) => {
			await workbench.chooseFromMenu(ENTRY);
			const frame = await workbench.model();
			assert.equal(await frame.locator(at('layer-row')).count(), 52);
			assert.equal(await text(frame.locator(at('title'))), 'mobilenet_v2.onnx');
		},
		'every layer recomputes as the runtime computed it': async (workbench) => {
			const frame = await workbench.model(at('run', '[data-status="ok"]'));
			assert.equal(await verdicts(frame, 'match').count(), 52);
		},
		'choosing a layer draws its plots': async (workbench) => {
			const frame = await openLayer(workbench, 3);
			assert.equal((await frame.locator(`${at('plot')} .main-svg`).count()) >= OF_PARAMETERS.length, true);
			assert.ok((await frame.locator(at('channel-row')).count()) > 0);
			await frame.locator(at('plot')).first().scrollIntoViewIfNeeded();
		},
		'hovering a bar names its channel and numbers': async (workbench) => {
			const frame = await workbench.model();
			const plot = frame.locator(at('plot', '[data-plot="gamma-beta"]'));
			await plot.locator('.nsewdrag').first().hover();
			await plot.locator('.hoverlayer .hovertext').first().waitFor();
			assert.match(await text(plot.locator('.hoverlayer')), /channel \d+/i);
		},
		'a change of theme redraws the plots': async (workbench) => {
			const frame = await workbench.model();
			const before = await plotColour(frame);
			await workbench.command('Preferences: Toggle between Light/Dark Themes');
			await frame.waitForFunction((color) => {
				const title = document.querySelector('.xtitle, .ytitle');
				return title !== null && getComputedStyle(title).fill !== color;
			}, before);
			await drawn(frame);
		},
		'hidden and shown again, the page keeps its state': async (workbench) => {
			const frame = await openLayer(workbench, 7);
			await frame.locator(at('filter')).fill('block');
			const rows = await frame.locator(at('layer-row')).count();
			await workbench.row('notes.txt').dblclick();
			await frame.waitForLoadState('domcontentloaded').catch(() => {});
			await workbench.page.locator('.tab').filter({ hasText: 'mobilenet_v2.onnx' }).click();
			const shown = await workbench.model(at('detail', '[data-layer="7"]'));
			assert.notEqual(shown, frame, 'the page was not hidden');
			await drawn(shown);
			assert.equal(await shown.locator(at('filter')).inputValue(), 'block');
			assert.equal(await shown.locator(at('layer-row')).count(), rows);
			assert.equal(await verdicts(shown, 'match').count(), rows);
			await shown.locator(at('filter')).fill('');
			await assertEveryNumberArrived(shown);
		},
	},
});

scenario('without a run', {
	files: () => ({ 'mobilenet_v2.onnx': mobileNetV2() }),
	settings: { 'batchnormLens.runOnOpen': false },
	steps: {
		'the structure of all 52 layers comes with its numbers': async (workbench) => {
			const frame = await workbench.open('mobilenet_v2.onnx', at('run', '[data-status="skipped"]'));
			assert.equal(await frame.locator(at('layer-row')).count(), 52);
			await assertEveryNumberArrived(frame);
		},
	},
});

scenario('a long run', {
	files: () => ({ 'mobilenet_v2.onnx': mobileNetV2() }),
	settings: { 'batchnormLens.batch': 16 },
	steps: {
		'cancel ends it and says so': async (workbench) => {
			await workbench.click('mobilenet_v2.onnx');
			await workbench.haltEngine();
			const frame = await workbench.model(at('cancel'));
			await frame.locator(at('cancel')).click();
			const run = frame.locator(at('run', '[data-status="skipped"]'));
			await run.waitFor();
			assert.match(await text(run), /cancelled/);
			assert.equal(await frame.locator(at('layer-row')).count(), 52);
		},
		'the next run works': async (workbench) => {
			const frame = await workbench.model();
			await frame.locator(at('run-again')).click();
			await frame.locator(at('run', '[data-status="ok"]')).waitFor({ timeout: 60_000 });
			assert.equal(await verdicts(frame, 'match').count(), 52);
		},
	},
});
