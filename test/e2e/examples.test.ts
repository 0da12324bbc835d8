/** Follows the tour that the README of the example workspace describes. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Handle } from '../../src/view/ui/attributes.js';
import { writeExamples } from '../workbench/examples/workspace.js';
import { installedFolder } from '../workbench/installed.mjs';
import { at, scenario, text } from './support.js';

const command = path.join(await installedFolder(), 'dist', 'cli.js');

async function examples(): Promise<Record<string, Buffer>> {
	const folder = mkdtempSync(path.join(tmpdir(), 'batchnorm-lens-e2e-'));
	try {
		await writeExamples(folder, command);
		const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
		return Object.fromEntries(files.map(({ name }) => [name, readFileSync(path.join(folder, name))]));
	} finally {
		rmSync(folder, { recursive: true });
	}
}

const files = await examples();

scenario('the example workspace', {
	files: () => files,
	settings: { 'workbench.startupEditor': 'readme' },
	steps: {
		'begins with its README': async (workbench) => {
			const end = Date.now() + 15_000;
			const shown = async () => {
				const texts = workbench.page.frames().map((frame) =>
					frame
						.locator('body')
						.innerText({ timeout: 500 })
						.catch(() => ''),
				);
				return (await Promise.all(texts)).some((page) => page.includes('Five minutes with BatchNorm Lens'));
			};
			while (!(await shown())) {
				assert.ok(Date.now() < end, 'no page shows the README');
			}
		},
		'which layer was folded wrongly, and why': async (workbench) => {
			await workbench.contextMenu('mobilenet_v2.onnx');
			await workbench.chooseFromMenu('Compare BatchNorm With…');
			await workbench.page
				.locator('.quick-input-widget .monaco-list-row', { hasText: 'mobilenet_v2.deployed.onnx' })
				.click();
			const frame = await workbench.model(at('layer-row', '[data-status="mismatch"]'), 60_000);
			assert.match(await text(frame.locator(at('evidence')).first()), /gamma/i);
		},
		'which channels are always 0': async (workbench) => {
			const frame = await workbench.open('unhealthy.onnx', at('run', '[data-status="ok"]'));
			await frame
				.locator(`${at('layer-row')}:has(${at('badge', '[data-code="dead-channel"]')})`)
				.first()
				.click();
			const finding = frame.locator(`${at('detail')} ${at('finding', '[data-code="dead-channel"]')}`);
			assert.match(await text(finding.first()), /Channels 4, 5 and 6 are always 0/);
		},
		'over which axes the model normalizes': async (workbench) => {
			const frame = await workbench.open('mobilenet_v2.onnx', at('run', '[data-status="ok"]'));
			await frame.locator(at('layer-row', '[data-layer="3"]')).click();
			await frame.locator(at('axes')).scrollIntoViewIfNeeded();
			assert.match(await text(frame.locator(at('axes'))), /batch/i);
		},
		'is the runtime right': async (workbench) => {
			const frame = await workbench.open('wrong-fusion.onnx', at('run', '[data-status="ok"]'));
			await frame.locator(at('layer-row')).click();
			assert.match(await text(frame.locator(at('detail'))), /MatMul_BatchNormalization_Fusion/);
		},
		'the keyboard alone leads from the explorer to the numbers of a channel': async (workbench) => {
			const { page } = workbench;
			const press = (key: string, times = 1) =>
				Array.from({ length: times }).reduce<Promise<void>>(
					(all) => all.then(() => page.keyboard.press(key)),
					Promise.resolve(),
				);
			await workbench.command('View: Close All Editors');
			await page.keyboard.press('ControlOrMeta+Shift+E');
			await press('End');
			for (
				let row = 0;
				(await page.locator('.explorer-folders-view .monaco-list-row.focused').innerText()) !== 'unhealthy.onnx';
				row++
			) {
				assert.ok(row < 20, 'the arrow keys do not reach the model');
				await press('ArrowUp');
			}
			await press('Enter');
			const frame = await workbench.model(at('run', '[data-status="ok"]'));
			const focused = (handle: Handle) =>
				frame.evaluate((name) => document.activeElement?.closest(`[data-bnl="${name}"]`) !== null, handle);
			const tabTo = async (handle: Handle) => {
				for (let stop = 0; !(await focused(handle)); stop++) {
					assert.ok(stop < 60, `Tab does not reach ${handle}`);
					await press('Tab');
				}
			};
			await tabTo('layer-row');
			await press('ArrowDown');
			await press('Enter');
			await frame.locator(at('detail', '[data-layer="1"]')).waitFor();
			await tabTo('channel-row');
			await press('ArrowDown', 3);
			await press('Enter');
			await frame.locator(at('channel-readout', '[data-channel="3"]')).waitFor();
			assert.match(await text(frame.locator(at('channel-readout'))), /3/);
		},
		'every output of the notebook is drawn': async (workbench) => {
			const frame = await workbench.open('notebook.ipynb', at('layer-row'));
			// Outputs in order: the saved report, the model after its inspection, the comparison, and bare parameters.
			for (const [expected, count] of [
				[at('run', '[data-status="ok"]'), 2],
				[at('outputs', '[data-status="mismatch"]'), 1],
				[at('page'), 4],
			] as const) {
				await frame
					.locator(expected)
					.nth(count - 1)
					.waitFor({ state: 'attached', timeout: 20_000 });
				assert.equal(await frame.locator(expected).count(), count);
			}
		},
	},
});
