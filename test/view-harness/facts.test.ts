import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { bnl, drawn, type Harness, startHarness, withPage } from './harness.js';
import { report, trainedLayer } from './networks.js';

let harness: Harness;
before(async () => {
	harness = await startHarness();
});
after(() => harness.close());

describe('the facts below the headline', () => {
	it('count the findings, limit the table when pressed, and agree with the choice in the toolbar', () =>
		withPage(harness, {}, async ({ page, show, storedState }) => {
			await show('done');
			const rows = page.locator(bnl('layer-row'));
			const all = await rows.count();
			const chip = page.locator(bnl('fact')).first();
			assert.match((await chip.textContent()) ?? '', /^\d[\d,]* of [\d,]+ (?:channels|layers) /);
			await chip.click();
			assert.equal(await chip.getAttribute('aria-pressed'), 'true');
			const some = await rows.count();
			assert.ok(some > 0 && some < all, `${some} of ${all} rows`);
			const code = (await chip.getAttribute('data-code')) ?? '';
			assert.equal(await page.locator(`${bnl('layer-row')}:has([data-code="${code}"])`).count(), some);
			const choice = page.locator(bnl('finding-filter'));
			assert.equal(await choice.inputValue(), await chip.getAttribute('data-kind'));
			assert.equal(((await storedState()) as { finding: string }).finding, await choice.inputValue());
			await choice.selectOption('');
			assert.equal(await rows.count(), all);
			assert.equal(await chip.getAttribute('aria-pressed'), 'false');
		}));

	it('say that no layer matches where the table was', () =>
		withPage(harness, {}, async ({ page, show }) => {
			await show('done');
			await page.locator(bnl('filter')).fill('no such layer');
			const none = page.locator('.bnl-none');
			await none.waitFor();
			const [box, filter] = [await none.boundingBox(), await page.locator(bnl('filter')).boundingBox()];
			assert.ok(box && filter && box.y - filter.y < 80, 'directly below the filter');
		}));
});

describe('the detail', () => {
	for (const width of [900, 1400]) {
		it(`shows the first plot without scrolling in a window of ${width} by 900`, () =>
			withPage(harness, { width, height: 900 }, async ({ page, show }) => {
				await show('layer');
				await drawn(page);
				const box = await page
					.locator(`${bnl('plot')} .bnl-plot-stage`)
					.first()
					.boundingBox();
				assert.ok(box && box.y + box.height / 2 < 900, `half of the plot is above the edge: it begins at ${box?.y}`);
			}));
	}

	it('says nothing about the statistics that a run used for a normalization written by hand', () =>
		withPage(harness, {}, async ({ page, send }) => {
			const { normalization, ...layer } = trainedLayer({ name: 'ln', channels: 8, size: 4, seed: 3, run: true });
			const message = 'A normalization written by hand: it normalizes over C.';
			const findings = [{ code: 'hand-built', severity: 'info', channels: [], message }] as const;
			await send({ type: 'report', report: report([{ ...layer, kind: 'handbuilt', findings }]) });
			await send({ type: 'select', layer: 'ln' });
			await drawn(page);
			const text = (await page.locator(bnl('axes')).innerText()).trim();
			assert.equal(text, message);
		}));

	it('leads from the axes in a few words to their explanation', () =>
		withPage(harness, { width: 1400 }, async ({ page, show }) => {
			await show('layer');
			await drawn(page);
			assert.match(
				(await page.locator('.bnl-lead').textContent()) ?? '',
				/^One mean and one variance a channel, over N, H, W/,
			);
			await page.locator(bnl('explain-axes')).click();
			const box = await page.locator(bnl('axes')).boundingBox();
			assert.ok(box && box.y < 900 && box.y > 0, `the explanation is in view: it begins at ${box?.y}`);
		}));

	it('moves nothing when a channel is chosen', () =>
		withPage(harness, {}, async ({ page, show }) => {
			await show('mismatch');
			const plots = page.locator('.bnl-plots');
			const before = (await plots.boundingBox())?.y;
			await page.locator(bnl('channel-chip')).first().click();
			await page.locator(`${bnl('channel-readout')}[data-channel]`).waitFor();
			assert.equal((await plots.boundingBox())?.y, before);
		}));
});

describe('the overview', () => {
	it('numbers its columns from 1', () =>
		withPage(harness, {}, async ({ page, show }) => {
			await show('done');
			const numbers = await page.locator('.bnl-heatmap-ticks > span').allTextContents();
			assert.equal(numbers[0], '1');
			assert.deepEqual(
				numbers.map(Number),
				[...numbers.map(Number)].sort((a, b) => a - b),
			);
			assert.ok(numbers.length > 10 && numbers.length <= 26, String(numbers.length));
		}));
});

describe('a printed page', () => {
	it('has every row and the whole detail, and no buttons', () =>
		withPage(harness, {}, async ({ page, show }) => {
			await show('layer');
			await drawn(page);
			const parts = () => {
				const count = (selector: string) => document.querySelectorAll(selector).length;
				return [count('[data-bnl="channel-row"]'), count('details:not([open])'), count('.main-svg[viewBox]')];
			};
			const before = await page.evaluate(parts);
			await page.evaluate((source) => {
				const parts = new Function(`return (${source})()`);
				window.addEventListener('beforeprint', () => Object.assign(window, { printed: parts() }));
			}, String(parts));
			await page.pdf();
			const [rows, closed, scaled] = await page.evaluate(() => (window as unknown as { printed: number[] }).printed);
			const channels = Number(await page.locator(bnl('channel-table')).getAttribute('aria-rowcount')) - 1;
			assert.ok(before[0] < channels, 'a table on the screen has the visible rows only');
			assert.deepEqual([rows, closed, scaled > 0], [channels, 0, true]);
			assert.deepEqual(await page.evaluate(parts), before, 'the page is as it was');
			await page.emulateMedia({ media: 'print' });
			const cut = await page.evaluate(
				() =>
					[...document.querySelectorAll<HTMLElement>('.bnl, .bnl-detail, .bnl-layers .bnl-grid-scroller')].filter(
						(element) => element.scrollHeight > element.clientHeight + 2,
					).length,
			);
			assert.equal(cut, 0);
			assert.equal(await page.locator(bnl('compare')).isVisible(), false);
		}));
});
