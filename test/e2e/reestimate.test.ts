import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Locator } from 'playwright-core';
import { encodeNpy } from '../../src/engine/child/tensors/npy.js';
import { mobileNetV2 } from '../unit/support/networks.js';
import { at, scenario, text, type Workbench } from './support.js';

const fixture = (name: string) => readFileSync(path.resolve('test', 'fixtures', 'reestimation', name));

/** Enough images that collecting their statistics layer by layer takes several seconds. */
const SIZE = 96;
const images = () =>
	encodeNpy({
		type: 'float32',
		shape: [64, 3, SIZE, SIZE],
		data: new Float32Array(64 * 3 * SIZE * SIZE).map((_, i) => Math.cos(i * i)),
	});

const pick = ({ page }: Workbench, words: string): Locator =>
	page.locator('.quick-input-widget .monaco-list-row').filter({ hasText: words }).first();

/** Lists the explanations of the offered entries that do not fit into their line. */
function cutExplanations({ page }: Workbench): Promise<string[]> {
	const lines = page.locator('.quick-input-widget .monaco-list-row .quick-input-list-label-meta');
	return lines.evaluateAll((rows) =>
		rows.flatMap((row) => {
			const isCut = [row, ...row.querySelectorAll('*')].some(
				(part) => part.scrollWidth > part.clientWidth + 1 && part.clientWidth > 0,
			);
			return isCut ? [row.textContent ?? ''] : [];
		}),
	);
}

const isOffered = (input: unknown): boolean => (input as { value: string }).value.endsWith('.reestimated.onnx');

/** Starts the command and chooses the file of the data, the batches and the offered name. */
async function start(workbench: Workbench, { data, batches, shot }: { data: string; batches: string; shot: string }) {
	const { page } = workbench;
	await workbench.command('BatchNorm Lens: Re-estimate Statistics…');
	await pick(workbench, 'Files…').waitFor();
	assert.deepEqual(await cutExplanations(workbench), []);
	await workbench.screenshot(`re-estimation - data of ${shot}`);
	await pick(workbench, 'Files…').click();
	await pick(workbench, data).click();
	await pick(workbench, batches).waitFor();
	assert.deepEqual(await cutExplanations(workbench), []);
	await workbench.screenshot(`re-estimation - batches of ${shot}`);
	await pick(workbench, batches).click();
	const name = page.locator('.quick-input-widget input').first();
	// The dialog shows the folder first, and then adds the name.
	await page.waitForFunction(isOffered, await name.elementHandle());
	await workbench.screenshot(`re-estimation - target of ${shot}`);
	await name.press('Enter');
}

const notification = ({ page }: Workbench, words: string): Locator =>
	page.locator('.notification-list-item').filter({ hasText: words });

scenario('re-estimation', {
	files: () => ({
		'stale.onnx': fixture('mlp.stale.onnx'),
		'data.npy': fixture('mlp.calibration.npy'),
		'large.onnx': mobileNetV2(SIZE),
		'large.npy': images(),
	}),
	steps: {
		'data, batches and a name are chosen, and the changes are shown': async (workbench) => {
			await workbench.open('stale.onnx', at('run', '[data-status="ok"]'));
			await start(workbench, { data: 'data.npy', batches: 'Batches of 8', shot: 'a small model' });
			const done = notification(workbench, 'Layers with new statistics: 2.');
			await done.waitFor({ timeout: 30_000 });
			assert.match(await text(done), /48 samples of the data fit the new statistics of 2 layers/);
			await workbench.screenshot('re-estimation - result');
			await done.getByRole('button', { name: 'Show Changes' }).click();
			const lines = workbench.page.locator('.editor-instance .view-lines').filter({ hasText: 'statistics' });
			await lines.first().waitFor();
			assert.ok(readdirSync(workbench.folder).includes('stale.reestimated.onnx'));
		},
		'the written model opens': async (workbench) => {
			await workbench.row('stale.reestimated.onnx').waitFor();
			const frame = await workbench.open('stale.reestimated.onnx', at('run', '[data-status="ok"]'));
			assert.equal(await frame.locator(at('layer-row')).count(), 2);
		},
		'progress is shown, and canceling leaves no file': async (workbench) => {
			await workbench.open('large.onnx', at('run', '[data-status="ok"]'));
			const before = readdirSync(workbench.folder);
			await start(workbench, { data: 'large.npy', batches: 'Layer by layer', shot: 'a large model' });
			const progress = notification(workbench, 'Computing statistics of large.onnx');
			await progress.filter({ hasText: / of \d+/ }).waitFor({ timeout: 30_000 });
			await workbench.screenshot('re-estimation - progress');
			await progress.getByRole('button', { name: 'Cancel' }).click();
			await progress.waitFor({ state: 'detached' });
			assert.deepEqual(readdirSync(workbench.folder), before);
			assert.equal(await notification(workbench, 'Layers with new statistics').count(), 0);
		},
	},
});
