import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import type { LayerReport } from '../../src/core/report/types.js';
import { parsePageMessage } from '../../src/host/shared/page-message.js';
import { bnl, drawn, type Harness, startHarness, withPage } from './harness.js';
import { report, trainedLayer, withFinding } from './networks.js';
import { THEMES, type ThemeName } from './themes.js';

let harness: Harness;
before(async () => {
	harness = await startHarness();
});
after(() => harness.close());

/** Returns the `data-layer` of the focused row, or null. */
const focusedLayer = (page: Page): Promise<string | null> =>
	page.evaluate(() => document.activeElement?.getAttribute('data-layer') ?? null);

const visibleNames = (page: Page): Promise<string[]> => page.locator(`${bnl('layer-row')} .bnl-name`).allTextContents();

describe('drift', () => {
	it('names the first drifting layer, frames it in the overview, and links to it', () =>
		withPage(harness, {}, async ({ page, show }) => {
			await show('done');
			const first = page.locator(bnl('first-drift'));
			assert.match((await first.textContent()) ?? '', /^First that does not fit the data: layer 34, .*features\.12/);
			const frame = page.locator('.bnl-heatmap-first');
			assert.equal(await frame.isVisible(), false, 'other colors have other extremes');
			await page.locator(bnl('heatmap-metric')).selectOption('spread');
			assert.equal(await frame.isVisible(), true);
			const [column, whole] = [await frame.boundingBox(), await page.locator('.bnl-heatmap-canvas').boundingBox()];
			assert.ok(column && whole && Math.abs((column.x - whole.x) / whole.width - 33 / 52) < 0.01);
			await first.click();
			assert.equal(await page.locator(bnl('detail')).getAttribute('data-layer'), '33');
			await drawn(page);
			assert.equal(await page.locator(bnl('plot', '[data-plot="drift"]')).isVisible(), true);
		}));

	it('is not mentioned if all layers fit or drift was not judged', () =>
		withPage(harness, {}, async ({ page, show }) => {
			await show('one');
			assert.equal(await page.locator(bnl('first-drift')).isVisible(), false);
		}));
});

describe('a layer in training mode', () => {
	const base = trainedLayer({ name: 'bn', channels: 8, size: 4, seed: 3, run: true });
	const training: LayerReport = {
		...withFinding(base, 'training-mode', 'warning', [], 'The layer is in training mode.'),
		mode: 'training',
	};
	const { parameters, batch } = training;
	assert.ok(parameters && batch);
	const moved = {
		...batch,
		mean: parameters.mean.map((value, c) => value + 3 * Math.sqrt(parameters.variance[c] ?? 1)),
	};

	it('offers an inference model, and first new statistics where the stored ones do not fit the data', () =>
		withPage(harness, {}, async ({ page, send, lastRequest }) => {
			for (const [layer, types] of [
				[training, ['inference']],
				[{ ...training, batch: moved }, ['inference', 'reestimate']],
			] as const) {
				await send({ type: 'report', report: report([layer]) });
				await send({ type: 'select', layer: 'bn' });
				const finding = page.locator(bnl('finding'));
				for (const type of types) {
					await finding.locator(bnl(type)).click();
					assert.equal((await lastRequest())?.type, type);
				}
				const words = (await finding.textContent()) ?? '';
				const drift =
					/In inference the running statistics count\. The running statistics of .* do not fit the data \(32 images\)/;
				assert.deepEqual(
					[drift.test(words), await finding.getByRole('button').count()],
					[types.length === 2, types.length],
				);
			}
		}));
});

describe('the layer table', () => {
	it('sorts by a column in both directions', () =>
		withPage(harness, {}, async ({ page, show }) => {
			await show('done');
			const header = page.getByRole('columnheader', { name: 'Channels' });
			await header.getByRole('button').click();
			assert.equal(await header.getAttribute('aria-sort'), 'ascending');
			assert.equal(await page.locator(bnl('layer-row')).first().getAttribute('data-layer'), '2');
			await header.getByRole('button').click();
			assert.equal(await header.getAttribute('aria-sort'), 'descending');
			assert.equal(await page.locator(bnl('layer-row')).first().getAttribute('data-layer'), '51');
			assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Channels', 'focus stays');
		}));

	it('filters by name, source and finding, and explains an empty result', () =>
		withPage(harness, {}, async ({ page, show }) => {
			await show('done');
			await page.locator(bnl('filter')).fill('features.1 conv.3 BatchNorm');
			assert.deepEqual(
				await visibleNames(page),
				['10', '11', '12', '13', '14', '15', '16', '17'].map((block) => `features.${block}/conv/conv.3`),
			);
			assert.equal(await page.locator(bnl('filter-count')).textContent(), '8 of 52 layers');
			await page.locator(bnl('filter')).fill('dead');
			assert.equal(await page.locator(bnl('layer-row')).count(), 1);
			await page.locator(bnl('filter')).fill('nothing like this');
			assert.equal(await page.getByText('No layer matches the filter.').isVisible(), true);
		}));

	it('is navigated by keyboard from the filter to a channel', () =>
		withPage(harness, {}, async ({ page, show }) => {
			await show('done');
			await page.locator(bnl('filter')).focus();
			await page.keyboard.press('ArrowDown');
			assert.equal(await focusedLayer(page), '0');
			await page.keyboard.press('ArrowDown');
			await page.keyboard.press('ArrowDown');
			assert.equal(await focusedLayer(page), '2');
			await page.keyboard.press('Enter');
			await drawn(page);
			assert.equal(await focusedLayer(page), '2', 'focus stays in the table');
			await page.keyboard.press('End');
			assert.equal(await focusedLayer(page), '51');
			await page.keyboard.press('Home');
			assert.equal(await focusedLayer(page), '0');
			await page.locator(bnl('channel-row', '[data-channel="0"]')).focus();
			await page.keyboard.press('ArrowDown');
			await page.keyboard.press('Enter');
			assert.equal(await page.locator(bnl('channel-readout')).getAttribute('data-channel'), '1');
			await page.keyboard.press('Escape');
			assert.equal(await page.locator(bnl('detail')).isVisible(), false);
			assert.equal(await focusedLayer(page), '2', 'focus returns to the row');
		}));

	it('renders only the visible rows of a thousand layers', () =>
		withPage(harness, {}, async ({ page, show }) => {
			await show('many');
			assert.ok((await page.locator(bnl('layer-row')).count()) < 100);
			assert.equal(await page.locator(bnl('layer-table')).getAttribute('aria-rowcount'), '1001');
			await page.locator(bnl('layer-row')).first().focus();
			await page.keyboard.press('End');
			assert.equal(await focusedLayer(page), '999');
			await page.keyboard.press('PageUp');
			assert.ok(Number(await focusedLayer(page)) < 990);
		}));

	it('scrolls a thousand layers at the cost of the newly visible rows', () =>
		withPage(harness, {}, async ({ page, show }) => {
			await show('many');
			const { scroll, plain } = await page.evaluate(measureScrolling);
			console.log(
				`scrolling 1,000 layers: ${scroll.toFixed(1)} ms a step, a plain table of 15 rows ${plain.toFixed(1)} ms`,
			);
			// Compares two times of one run on one machine, because absolute times vary.
			assert.ok(scroll < 20 * plain, `${scroll} ms against ${plain} ms`);
		}));
});

/**
 * Runs in the page: returns median times of a step of 15 rows, and of building and laying out as many rows of plain
 * text, in ms.
 */
async function measureScrolling(): Promise<{ scroll: number; plain: number }> {
	const scroller = document.querySelector<HTMLElement>('.bnl-grid-scroller');
	const aside = document.body.appendChild(document.createElement('div'));
	const times = { scroll: [] as number[], plain: [] as number[] };
	const time = (list: number[], work: () => void): void => {
		const start = performance.now();
		work();
		document.body.getBoundingClientRect();
		list.push(performance.now() - start);
	};
	for (let i = 0; scroller && i < 50; i++) {
		time(times.scroll, () => {
			scroller.scrollTop += 15 * 26;
			scroller.dispatchEvent(new Event('scroll'));
		});
		time(times.plain, () => {
			const row = `<tr>${'<td>0.123 … 4.56</td>'.repeat(11)}</tr>`;
			aside.innerHTML = `<table>${row.repeat(15)}</table>`;
		});
		await new Promise((resolve) => requestAnimationFrame(resolve));
	}
	aside.remove();
	const median = (list: number[]): number => list.sort((x, y) => x - y)[25] ?? 0;
	return { scroll: median(times.scroll), plain: median(times.plain) };
}

describe('a channel', () => {
	it('selected in a plot is marked in every plot, the table and the readout', () =>
		withPage(harness, { height: 2600 }, async ({ page, show }) => {
			await show('layer');
			const marks = () => page.locator(`${bnl('plot')} .shapelayer path`).count();
			const before = await marks();
			const minus = await page.evaluate(() =>
				[/-\d/, /\u2212/].map((sign) => sign.test(document.body.textContent ?? '')),
			);
			assert.deepEqual(minus, [true, false], 'axes and text write one minus sign');
			const plot = page.locator(`${bnl('plot', '[data-plot="gamma-beta"]')} .nsewdrag`).first();
			await plot.hover();
			await page
				.locator(`${bnl('plot')} .hoverlayer .hovertext`)
				.first()
				.waitFor();
			const place = await plot.boundingBox();
			await plot.click();
			await page.waitForFunction(() => document.querySelector('[data-bnl="channel-readout"][data-channel]') !== null);
			assert.deepEqual(await plot.boundingBox(), place, 'nothing moves under the pointer');
			const channel = await page.locator(bnl('channel-readout')).getAttribute('data-channel');
			const row = page.locator(bnl('channel-row', `[data-channel="${channel}"]`));
			assert.equal(await row.getAttribute('aria-selected'), 'true');
			// One line in each of the five plots over channels, and a ring in both panels of the scatter plot.
			await page.waitForFunction(
				(wanted) => document.querySelectorAll('[data-bnl="plot"] .shapelayer path').length === wanted,
				before + 7,
			);
			await page.getByRole('button', { name: 'Clear selection' }).click();
			await page.waitForFunction(
				(wanted) => document.querySelectorAll('[data-bnl="plot"] .shapelayer path').length === wanted,
				before,
			);
		}));

	it('and its neighbors fill every plot over channels when one is zoomed, until the zoom is reset', () =>
		withPage(harness, { height: 2600 }, async ({ page, show }) => {
			await show('layer');
			const ranges = () =>
				page.evaluate(() =>
					[...document.querySelectorAll('[data-bnl="plot"] .js-plotly-plot')].map((plot) =>
						(
							plot as unknown as { readonly _fullLayout: { readonly xaxis: { readonly range: readonly number[] } } }
						)._fullLayout.xaxis.range.map((end) => Math.round(end)),
					),
				);
			const before = await ranges();
			const plot = page.locator(`${bnl('plot', '[data-plot="affine"]')} .nsewdrag`).first();
			const box = await plot.boundingBox();
			assert.ok(box);
			await page.mouse.move(box.x + box.width / 4, box.y + 20);
			await page.mouse.down();
			await page.mouse.move(box.x + box.width / 2, box.y + 20, { steps: 4 });
			await page.mouse.up();
			const resets = page.getByRole('button', { name: /^Reset zoom/ });
			await page.waitForFunction(
				() =>
					[...document.querySelectorAll('.bnl-figure-tools > :first-child')].filter(
						(reset) => !reset.matches('[hidden]'),
					).length === 5,
			);
			const zoomed = await ranges();
			const changed = zoomed.filter((range, i) => String(range) !== String(before[i]));
			assert.deepEqual([changed.length, new Set(changed.map(String)).size], [5, 1], 'the scatter plot stays');
			await resets.last().click();
			await page.waitForFunction(() =>
				[...document.querySelectorAll('.bnl-figure-tools > :first-child')].every((reset) => reset.matches('[hidden]')),
			);
			assert.deepEqual(await ranges(), before);
		}));

	it('of a finding is reached by its chip', () =>
		withPage(harness, {}, async ({ page, show }) => {
			await show('mismatch');
			await page.locator(bnl('channel-chip', '[data-channel="9"]')).click();
			const readout = page.locator(bnl('channel-readout', '[data-channel="9"]'));
			assert.match((await readout.textContent()) ?? '', /channel 9[\s\S]*NaN/);
			await page.getByLabel('Only flagged channels').check();
			assert.deepEqual(
				await page
					.locator(bnl('channel-row'))
					.evaluateAll((rows) => rows.map((row) => row.getAttribute('data-channel'))),
				['5', '6', '9'],
			);
		}));

	it('is shown by its chips wherever it was selected, and deselected by a second press', () =>
		withPage(harness, {}, async ({ page, show, setTheme }) => {
			await show('mismatch');
			const pressed = () =>
				page
					.locator(bnl('channel-chip', '[aria-pressed="true"]'))
					.evaluateAll((chips) => chips.map((chip) => chip.getAttribute('data-channel')));
			assert.deepEqual(await pressed(), []);
			await page.locator(bnl('channel-row', '[data-channel="6"]')).click();
			assert.deepEqual(await pressed(), ['6']);
			const chip = page.locator(bnl('channel-chip', '[data-channel="5"]'));
			await chip.press('Enter');
			assert.deepEqual(await pressed(), ['5']);
			assert.equal(await page.locator(bnl('channel-readout')).getAttribute('data-channel'), '5');
			const other = page.locator(bnl('channel-chip', '[data-channel="9"]'));
			const border = (of: typeof chip) => of.evaluate((element) => getComputedStyle(element).borderColor);
			for (const theme of Object.keys(THEMES) as ThemeName[]) {
				await setTheme(theme);
				assert.notEqual(await border(chip), await border(other), theme);
			}
			await chip.press('Space');
			assert.deepEqual(await pressed(), []);
			assert.equal(await page.locator(bnl('channel-row', '[aria-selected="true"]')).count(), 0);
		}));

	it('out of ten thousand is found in the table', () =>
		withPage(harness, {}, async ({ page, show }) => {
			await show('wide');
			assert.ok((await page.locator(bnl('channel-row')).count()) < 100);
			await page.locator(bnl('channel-row')).first().focus();
			await page.keyboard.press('End');
			assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('data-channel')), '9999');
		}));
});

describe('the overview', () => {
	it('opens the layer and channel below the pointer', () =>
		withPage(harness, {}, async ({ page, show }) => {
			await show('done');
			const canvas = page.locator('.bnl-heatmap-canvas');
			const box = await canvas.boundingBox();
			assert.ok(box);
			await canvas.click({ position: { x: box.width * (10.5 / 52), y: box.height / 2 } });
			await page.locator(bnl('detail', '[data-layer="10"]')).waitFor();
			const channel = Number(await page.locator(bnl('channel-readout')).getAttribute('data-channel'));
			// The pointer rests on whole pixels, and a pixel of the 84 is almost 2 channels high.
			assert.ok(Math.abs(channel - 72) <= 2, `channel ${channel} of 144 lies in the middle`);
		}));

	it('shows another quantity, and explains a missing one', () =>
		withPage(harness, {}, async ({ page, show }) => {
			await show('structure');
			assert.equal(await page.locator(bnl('heatmap')).getAttribute('data-drawn'), 'true');
			await page.locator(bnl('heatmap-metric')).selectOption('error');
			assert.equal(await page.locator(bnl('heatmap')).getAttribute('data-drawn'), 'false');
			assert.equal(await page.getByText('Nothing to show for this choice yet.').isVisible(), true);
		}));
});

describe('the button for a comparison', () => {
	it('is reached by one key press on a page of layers', () =>
		withPage(harness, {}, async ({ page, show, lastRequest }) => {
			await show('done');
			await page.getByRole('button', { name: 'Compare with…' }).press('Enter');
			assert.deepEqual(await lastRequest(), { type: 'compare' });
		}));

	it('is offered on a page without layers', () =>
		withPage(harness, {}, async ({ page, show, lastRequest }) => {
			await show('empty');
			await page.getByRole('button', { name: 'Compare with the checkpoint or original model…' }).press('Enter');
			assert.deepEqual(await lastRequest(), { type: 'compare' });
			assert.equal(await page.locator(bnl('run-again')).isVisible(), false);
			assert.equal(await page.locator(bnl('run-options')).isVisible(), false);
		}));
});

describe('the view state', () => {
	it('is restored after the page was disposed', async () => {
		let stored: unknown;
		await withPage(harness, {}, async ({ page, show, storedState }) => {
			await show('done');
			await page.locator(bnl('filter')).fill('conv.0');
			await page.getByRole('columnheader', { name: 'Channels' }).getByRole('button').click();
			await page.locator(bnl('layer-row', '[data-layer="1"]')).click();
			await drawn(page);
			await page.locator(bnl('channel-row', '[data-channel="4"]')).click();
			stored = await storedState();
		});
		await withPage(harness, { state: stored }, async ({ page, show }) => {
			await show('done');
			await drawn(page);
			assert.equal(await page.locator(bnl('filter')).inputValue(), 'conv.0');
			assert.equal(await page.locator(bnl('detail')).getAttribute('data-layer'), '1');
			assert.equal(await page.locator(bnl('channel-readout')).getAttribute('data-channel'), '4');
			assert.equal(await page.locator(bnl('layer-row')).first().getAttribute('data-layer'), '1');
		});
	});

	it('is replaced by the default if it is malformed', () =>
		withPage(harness, { state: { layer: 7, sort: 'x', scroll: null, metric: 'toString' } }, async ({ page, show }) => {
			await show('done');
			assert.equal(await page.locator(bnl('layer-row')).count(), 52);
		}));
});

describe('images', () => {
	it('are handed to the host as PNG and SVG', () =>
		withPage(harness, {}, async ({ page, show, received }) => {
			await show('layer');
			await page.getByRole('button', { name: /Save image.*Gamma/ }).click();
			await page.waitForFunction(() =>
				window.harness.received.some((message) => (message as { type: string }).type === 'save-image'),
			);
			const saved = (await received()).find((message) => message.type === 'save-image');
			assert.ok(saved?.type === 'save-image');
			assert.match(saved.name, /gamma-beta$/);
			assert.ok(parsePageMessage({ ...saved, png: Uint8Array.from(Object.values(saved.png)) }));
		}));
});
