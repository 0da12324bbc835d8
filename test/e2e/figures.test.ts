/** Measures and prints the cost of the page in a real workbench: table and plots after the click, in ms, and memory. */
import assert from 'node:assert/strict';
import type { CDPSession, Frame, Page } from 'playwright-core';
import { mobileNetV2 } from '../unit/support/networks.js';
import { smallModel } from '../unit/support/small-model.js';
import { at, scenario, type Workbench } from './support.js';

const MEGABYTE = 2 ** 20;
/** Memory of the page's JavaScript with plots drawn, in bytes. */
const MEMORY_LIMIT = 150 * MEGABYTE;
/** Models opened and closed again, after an equal number that fills caches. */
const OPENED = 20;
const WARM_UP = 10;
/**
 * Memory that the workbench itself keeps after opening as many tabs (history, logs, compiled code). A leak of our page
 * exceeds it.
 */
const LEAK_LIMIT = 8 * MEGABYTE;
/** Limits for medians on two idle cores: twice the target, so that a noisy machine does not fail the test. */
const FIRST_PLOT_LIMIT = 200;
const LAST_PLOT_LIMIT = 800;

interface Usage {
	/** Memory of JavaScript objects in the workbench and all its pages, in bytes. */
	readonly heap: number;
	readonly documents: number;
	readonly listeners: number;
}

/** Memory in use after garbage collection, in bytes. */
async function usage(session: CDPSession): Promise<Usage> {
	await session.send('HeapProfiler.collectGarbage');
	const { metrics } = await session.send('Performance.getMetrics');
	const metric = (name: string) => metrics.find((one) => one.name === name)?.value ?? Number.NaN;
	return { heap: metric('JSHeapUsedSize'), documents: metric('Documents'), listeners: metric('JSEventListeners') };
}

async function measure(page: Page): Promise<CDPSession> {
	const session = await page.context().newCDPSession(page);
	await session.send('Performance.enable');
	return session;
}

/** Time from choosing a layer to its first and its last plot, in ms. */
function switchTo(frame: Frame, layer: number): Promise<{ first: number; last: number }> {
	return frame.evaluate(async (index) => {
		const row = document.querySelector<HTMLElement>(`[data-bnl="layer-row"][data-layer="${index}"]`);
		// Plots of batch statistics only name their missing data, because the input is random.
		const selector = '[data-bnl="detail"] [data-bnl="plot"]:not(.bnl-figure-empty)';
		const plots = () => [...document.querySelectorAll<HTMLElement>(selector)];
		const start = performance.now();
		row?.click();
		let first = 0;
		for (;;) {
			const drawn = plots().filter(({ dataset }) => dataset.drawn === 'true').length;
			if (drawn > 0 && first === 0) {
				first = performance.now() - start;
			}
			if (drawn > 0 && drawn === plots().length) {
				return { first, last: performance.now() - start };
			}
			if (performance.now() - start > 10_000) {
				throw new Error(`${drawn} of ${plots().length} plots are drawn after ten seconds.`);
			}
			await new Promise((resolve) => setTimeout(resolve, 2));
		}
	}, layer);
}

function median(values: readonly number[]): number {
	return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

const small = Object.fromEntries(
	Array.from({ length: 10 }, (_, index) => [`model${index}.onnx`, smallModel(`bn${index}`)]),
);

async function openAndLeave(workbench: Workbench, count: number): Promise<void> {
	for (let index = 0; index < count; index++) {
		const layer = `[data-bnl="layer-row"]:has-text("bn${index % 10}")`;
		// A single click opens a preview tab, so each model replaces the last.
		await workbench.open(`model${index % 10}.onnx`, layer);
	}
	await workbench.command('View: Close All Editors');
	await workbench.page.locator('.editor-group-container.empty').waitFor();
}

scenario('figures', {
	files: () => ({ 'mobilenet_v2.onnx': mobileNetV2(), ...small }),
	steps: {
		'the page of 52 layers': async (workbench) => {
			const session = await measure(workbench.page);
			const before = await usage(session);
			const start = await workbench.click('mobilenet_v2.onnx');
			const frame = await workbench.model(at('heatmap', '[data-drawn="true"]'));
			const overview = Date.now() - start;
			await workbench.model(at('run', '[data-status="ok"]'), 30_000);
			// The first plot waits for plotly to load.
			await switchTo(frame, 0);
			const times: { first: number; last: number }[] = [];
			for (let layer = 1; layer < 12; layer++) {
				times.push(await switchTo(frame, layer));
			}
			const first = median(times.map((time) => time.first));
			const last = median(times.map((time) => time.last));
			const memory = (await usage(session)).heap - before.heap;
			console.log(
				`Overview ${overview} ms after the click; choosing a layer: first plot after ${first.toFixed()} ms, last after ${last.toFixed()} ms; the page takes ${(memory / MEGABYTE).toFixed(1)} MB`,
			);
			assert.ok(memory < MEMORY_LIMIT, `${memory} bytes`);
			assert.ok(overview < 2000 * 2, `${overview} ms`);
			assert.ok(first < FIRST_PLOT_LIMIT, `${first} ms to the first plot`);
			assert.ok(last < LAST_PLOT_LIMIT, `${last} ms to the last plot`);
		},
		'opening and closing many models leaves nothing behind': async (workbench) => {
			await openAndLeave(workbench, WARM_UP);
			const session = await measure(workbench.page);
			const before = await usage(session);
			await openAndLeave(workbench, OPENED);
			const after = await usage(session);
			const grown = after.heap - before.heap;
			console.log(
				`After ${OPENED} models: ${(grown / MEGABYTE).toFixed(1)} MB more, documents ${before.documents} → ${after.documents}, listeners ${before.listeners} → ${after.listeners}`,
			);
			assert.ok(grown < LEAK_LIMIT, `${grown} bytes`);
			// A document leaked per tab would give 20 or 40.
			assert.ok(after.documents - before.documents < 5, `documents: ${before.documents} → ${after.documents}`);
		},
	},
});
