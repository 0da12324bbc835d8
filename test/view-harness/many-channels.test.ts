import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import type { HostToWebview } from '../../src/protocol/host-webview.js';
import { pack } from '../../src/protocol/packing.js';
import { bnl, drawn, type Harness, startHarness, withPage } from './harness.js';
import { report, trainedLayer } from './networks.js';

let harness: Harness;
before(async () => {
	harness = await startHarness();
});
after(() => harness.close());

/** Channels of the layer that is sent, and copies of them in the page, because the browser's pipe takes 100 MB a message. */
const [SENT, COPIES] = [1000, 1000];

/** Sends a message with each array repeated. */
async function sendRepeated(page: Page, message: HostToWebview): Promise<void> {
	const { body, numbers } = pack(message);
	await page.evaluate(
		({ body, numbers, copies }) => {
			const repeated = new Float64Array(numbers.length * copies);
			const stretch = (value: unknown): unknown => {
				if (typeof value !== 'object' || value === null) {
					return value;
				}
				if ('$array' in value) {
					const [start = 0, end = 0] = value.$array as number[];
					for (let copy = 0; copy < copies; copy++) {
						repeated.set(numbers.slice(start, end), start * copies + copy * (end - start));
					}
					return { $array: [start * copies, end * copies] };
				}
				return Array.isArray(value)
					? value.map(stretch)
					: Object.fromEntries(Object.entries(value).map(([key, child]) => [key, stretch(child)]));
			};
			window.postMessage({ body: stretch(body), numbers: repeated }, '*');
		},
		{ body, numbers: Array.from(numbers), copies: COPIES },
	);
}

/** Largest numbers of elements of the page and of letters of a path. A million points have 19 million letters. */
const [MAX_ELEMENTS, MAX_PATH] = [10_000, 300_000];

describe('a layer of a million channels', () => {
	it('opens and is drawn by the extremes of groups of channels', () =>
		withPage(harness, {}, async ({ page, send }) => {
			const layer = trainedLayer({ name: 'wide', channels: SENT, size: 8, seed: 1, run: true });
			await sendRepeated(page, { type: 'report', report: report([layer]) });
			await page.locator(bnl('layer-row')).waitFor();
			await send({ type: 'select', layer: 'wide' });
			await drawn(page);
			const { elements, longest, notes } = await page.evaluate(() => ({
				elements: document.querySelectorAll('*').length,
				longest: Math.max(...[...document.querySelectorAll('path')].map((each) => each.getAttribute('d')?.length ?? 0)),
				notes: [...document.querySelectorAll('[data-bnl="plot"]')].map((plot) => plot.textContent ?? ''),
			}));
			assert.ok(elements < MAX_ELEMENTS, `${elements} elements`);
			assert.ok(longest > 1000 && longest < MAX_PATH, `a path of ${longest} letters`);
			assert.ok(
				notes.some((text) => /largest value of every 245 channels/.test(text)),
				notes.join('\n'),
			);
		}));
});
