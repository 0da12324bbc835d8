import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ComparisonToHost } from '../../src/protocol/host-comparison.js';
import { comparedLayer, sampleComparison } from '../unit/support/sample-comparison.js';
import { COMPARISON_STATES, type ComparisonStateName } from './comparison-states.js';
import { bnl, type Harness, type HarnessPage, type OpenOptions, startHarness, withPage } from './harness.js';
import { THEMES, type ThemeName } from './themes.js';

let harness: Harness;
before(async () => {
	harness = await startHarness();
});
after(() => harness.close());

/** Opens the comparison page in a state, waits for its plots, and expects no error. */
function withState(
	state: ComparisonStateName,
	options: OpenOptions,
	body: (opened: HarnessPage) => Promise<void>,
): Promise<void> {
	return withPage(harness, { width: 1200, ...options, view: 'comparison' }, async (opened) => {
		for (const message of COMPARISON_STATES[state]) {
			await opened.send(message);
		}
		await drawn(opened);
		await body(opened);
	});
}

/** Plots of a hidden detail are not drawn. */
async function drawn({ page }: HarnessPage): Promise<void> {
	await page.waitForFunction(() => {
		const plots = [...document.querySelectorAll<HTMLElement>('[data-bnl="plot"]')];
		const isDone = (plot: HTMLElement) =>
			plot.offsetParent === null || plot.matches('[data-drawn="true"], .bnl-figure-empty');
		return document.querySelector('[data-bnl="page"]') !== null && plots.every(isDone);
	});
}

const received = async ({ received: all }: HarnessPage) => (await all()) as readonly unknown[] as ComparisonToHost[];

describe('the page of a comparison', () => {
	for (const state of Object.keys(COMPARISON_STATES) as ComparisonStateName[]) {
		it(`${state} is shown without an error, is never blank, and fits the window`, async () => {
			for (const width of [1200, 400]) {
				await withState(state, { width }, async ({ page }) => {
					assert.ok(((await page.locator(bnl('page')).innerText()) ?? '').trim().length > 10);
					const spills = await page.evaluate(() => {
						const element = document.querySelector('[data-bnl="page"]');
						return element ? element.scrollWidth - element.clientWidth : 1;
					});
					assert.ok(spills <= 0, `${width}: ${spills} px too wide`);
				});
			}
		});
	}

	for (const theme of Object.keys(THEMES) as ThemeName[]) {
		it(`${theme} resolves the colors of marks`, () =>
			withState('oneWrong', { theme }, async ({ page }) => {
				const mark = page.locator(`${bnl('plot', '[data-plot="weights"]')} .points path`).first();
				const fill = await mark.evaluate((path) => getComputedStyle(path).fill);
				// Default color of plotly, which it uses for colors that it cannot parse.
				assert.notEqual(fill, 'rgb(31, 119, 180)');
			}));
	}

	it('lists the wrong layer first, and a point of the network leads to its layer', () =>
		withState('oneWrong', {}, async (opened) => {
			const { page, storedState } = opened;
			assert.equal(await page.locator(bnl('layer-row')).first().getAttribute('data-status'), 'mismatch');
			const picture = bnl('plot', '[data-plot="parting"]');
			assert.equal(await page.locator(`${picture} .points path`).count(), 52);
			// Plotly takes the pointer on an area above the points.
			const box = await page.locator(`${picture} .points path`).nth(3).boundingBox();
			assert.ok(box);
			await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
			await page.locator(bnl('detail', '[data-layer="3"]')).waitFor();
			await page.getByRole('button', { name: 'Hide' }).click();
			await page.locator(picture).waitFor({ state: 'hidden' });
			assert.equal(((await storedState()) as { parting: boolean }).parting, false);
			await page.getByRole('button', { name: 'Show the agreement' }).click();
			await drawn(opened);
			assert.equal(await page.locator(`${picture} .points path`).count(), 52);
		}));

	it('opens the first wrong layer with its evidence and advice', () =>
		withState('oneWrong', {}, async ({ page }) => {
			assert.equal(await page.locator(bnl('detail')).getAttribute('data-layer'), '10');
			assert.match(
				await page.locator(bnl('answer')).innerText(),
				/^51 of 52 folded layers are right, .*different epsilon/,
			);
			assert.match(await page.locator(bnl('evidence')).innerText(), /1e-3, the default of Keras/);
			assert.equal(await page.locator(`${bnl('advice')} [data-cause="wrong-epsilon"]`).count(), 1);
			assert.equal(await page.locator(bnl('outputs')).getAttribute('data-status'), 'mismatch');
			assert.equal(await page.locator(bnl('status', '[data-status="mismatch"]')).count(), 1);
		}));

	it('warns of outputs that quantization distorts, with place, source and advice', () =>
		withState('distorted', {}, async ({ page }) => {
			const answer = page.locator(bnl('answer'));
			assert.match(await answer.innerText(), /^All 52 folded layers are right, but quantization distorts the outputs/);
			assert.equal(await answer.getAttribute('data-severity'), 'warning');
			const lines = await page.locator(`${bnl('noise')} > li`).allInnerTexts();
			assert.match(lines[0] ?? '', /lost at layer 31, .*from 28 dB to 3 dB\. .*quantizing the activations/);
			assert.match(lines[1] ?? '', /^What to do: Compare on real data first/);
			const words = await page.locator(`${bnl('plot', '[data-plot="parting"]')} .annotation-text`).allTextContents();
			assert.deepEqual(words.sort(), ['10 %', '100 %', 'error 1 %', 'largest drop', 'warning below']);
			const row = page.locator(bnl('layer-row')).first();
			assert.match(await row.innerText(), /within ½ step/);
			assert.equal(await page.locator('.bnl-col-confidence').first().isVisible(), false);
		}));

	it('gives sound int8 outputs no warning, and the size of their error', () =>
		withState('quantized', {}, async ({ page }) => {
			const answer = page.locator(bnl('answer'));
			assert.match(await answer.innerText(), /; quantization moves the outputs by 11 % of their size\.$/);
			assert.equal(await answer.getAttribute('data-severity'), 'good');
			assert.equal(await page.locator(bnl('noise')).isVisible(), false);
		}));

	it('keeps the word of the status column where only signs fit', () =>
		withState('everyStatus', { width: 900 }, async ({ page }) => {
			assert.match(await page.locator('th.bnl-col-status').innerText(), /^Status/);
		}));

	it('shows no detail if all layers are right, and the detail of a selected layer', () =>
		withState('right', {}, async (opened) => {
			const { page } = opened;
			assert.equal(await page.locator(bnl('detail')).isVisible(), false);
			await page.locator(bnl('layer-row', '[data-layer="3"]')).click();
			await drawn(opened);
			assert.equal(
				await page
					.locator(`${bnl('plot')} .main-svg`)
					.first()
					.isVisible(),
				true,
			);
			await page.keyboard.press('Escape');
			assert.equal(await page.locator(bnl('detail')).isVisible(), false);
			assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('data-layer')), '3');
		}));

	it('can be used with the keyboard alone', () =>
		withState('right', {}, async ({ page }) => {
			await page.locator(bnl('filter')).focus();
			await page.keyboard.press('ArrowDown');
			await page.keyboard.press('ArrowDown');
			await page.keyboard.press('Enter');
			assert.equal(await page.locator(bnl('detail')).getAttribute('data-layer'), '1');
		}));

	it('filters wrong channels, and marks a channel in the table and the readout', () =>
		withState('everyStatus', {}, async ({ page }) => {
			await page.locator(bnl('only-wrong')).check();
			assert.equal(await page.locator(bnl('channel-row')).count(), 7);
			await page.locator(bnl('channel-chip', '[data-channel="9"]')).click();
			assert.equal(await page.locator(bnl('channel-readout')).getAttribute('data-channel'), '9');
			assert.equal(await page.locator(bnl('channel-row', '[aria-selected="true"]')).getAttribute('data-channel'), '9');
			const pressed = page.locator(bnl('channel-chip', '[aria-pressed="true"]'));
			assert.equal(await pressed.getAttribute('data-channel'), '9');
		}));

	it('asks the host to swap, to compare again, to repair, and to cancel', async () => {
		await withState('oneWrong', {}, async (opened) => {
			await opened.page.locator(bnl('swap')).click();
			await opened.page.locator(bnl('run-again')).click();
			await opened.page.locator(bnl('repair')).click();
			assert.equal((await received(opened)).at(-1)?.type, 'repair');
			await opened.page.locator(bnl('repair-layer')).click();
			assert.equal(
				(await received(opened)).filter(({ type }) => type === 'repair').length,
				2,
				'beside the advice, too',
			);
			const asked = (await received(opened)).filter(({ type }) => type === 'compare');
			assert.deepEqual(asked, [
				{ type: 'compare', order: 'swapped' },
				{ type: 'compare', order: 'same' },
			]);
			await opened.send({ type: 'progress', progress: { stage: 'running', done: 0, total: 1 } });
			await opened.page.locator(bnl('cancel')).click();
			assert.equal((await received(opened)).at(-1)?.type, 'cancel');
		});
	});

	it('names the first wrong channels and counts the rest', async () => {
		await withState('everyStatus', {}, async ({ page }) => {
			assert.match(await page.locator(bnl('detail')).innerText(), /Wrong channels:\s*2\n9\n/);
		});
		const everyChannel = { unexplained: Array.from({ length: 48 }, (_, channel) => channel) };
		const foreign = comparedLayer(
			{ name: 'bn', channels: 48 },
			{ status: 'mismatch', cause: 'unknown', causes: ['unknown'], details: everyChannel, maxUlp: 2.6e10 },
		);
		await withPage(harness, { width: 1200, view: 'comparison' }, async (opened) => {
			await opened.send({ type: 'comparison', comparison: sampleComparison([foreign]) });
			await drawn(opened);
			assert.doesNotMatch(await opened.page.locator(bnl('detail')).innerText(), /Wrong channels|ULP/);
		});
	});

	it("keeps the user's choices, also a closed detail", async () => {
		let state: unknown;
		await withState('oneWrong', {}, async ({ page, storedState }) => {
			await page.locator(bnl('close')).click();
			await page.locator(bnl('filter')).fill('features.3');
			state = await storedState();
		});
		await withState('oneWrong', { state }, async ({ page }) => {
			assert.equal(await page.locator(bnl('detail')).isVisible(), false);
			assert.equal(await page.locator(bnl('layer-row')).count(), 3);
		});
	});

	it('stores the paths of both models for the next window', () =>
		withState('oneWrong', {}, async ({ page, send, storedState }) => {
			const pair = { original: 'file:///a.onnx', deployed: 'file:///b.onnx' };
			await send({ type: 'pair', pair });
			await page.locator(bnl('close')).click();
			const { layer, ...rest } = (await storedState()) as Record<string, unknown>;
			assert.deepEqual([layer, rest.pair], [null, pair]);
		}));

	it('shows a failure after a comparison as a banner until the next comparison', () =>
		withState('right', {}, async (opened) => {
			await opened.send({ type: 'failure', message: 'b.onnx is gone.' });
			assert.match(await opened.page.locator(bnl('banner')).innerText(), /b\.onnx is gone.*last comparison/);
			for (const message of COMPARISON_STATES.oneWrong) {
				await opened.send(message);
			}
			await drawn(opened);
			assert.equal(await opened.page.locator(bnl('banner')).isVisible(), false);
		}));

	it('shows hostile names as text', () =>
		withState('hostile', {}, async ({ page }) => {
			assert.equal(await page.evaluate(() => 'hacked' in window), false);
			assert.equal(await page.locator('img, a, script:not([nonce])').count(), 0);
		}));
});
