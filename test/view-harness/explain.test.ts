import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { LayerReport } from '../../src/core/report/types.js';
import { outDir } from '../workbench/paths.mjs';
import { bnl, drawn, type Harness, startHarness, withPage } from './harness.js';
import { judged, report, trainedLayer } from './networks.js';
import { THEMES, type ThemeName } from './themes.js';

const CHANNELS = 24;
const SIZE = 28;

let harness: Harness;
before(async () => {
	harness = await startHarness();
	await mkdir(path.join(outDir, 'view-screenshots'), { recursive: true });
});
after(() => harness.close());

function layer(overrides: Partial<LayerReport> = {}): LayerReport {
	return { ...trainedLayer({ name: 'bn', channels: CHANNELS, size: SIZE, seed: 3, run: true }), ...overrides };
}

/** Reads the cards of the three methods as a person does: texts and marks. */
async function explain(shown: LayerReport, { theme = 'dark' as ThemeName, width = 1200 } = {}) {
	let result = {
		verdict: '',
		text: '',
		cards: [] as string[][],
		fitting: [] as (string | undefined)[],
		links: [] as string[],
		fills: [] as string[],
		spills: 0,
	};
	await withPage(harness, { theme, width, height: 1400 }, async ({ page, send }) => {
		await send({ type: 'report', report: report([shown]) });
		await send({ type: 'select', layer: shown.name });
		await drawn(page);
		const axes = page.locator(bnl('axes'));
		await axes.screenshot({ path: path.join(outDir, 'view-screenshots', `explain-${theme}-${width}.png`) });
		result = await axes.evaluate((element) => ({
			verdict: element.dataset.verdict ?? '',
			text: element.textContent ?? '',
			cards: [...element.querySelectorAll<HTMLElement>('[data-own]')].map((card) => [
				card.dataset.method ?? '',
				card.dataset.own ?? '',
				String(card.querySelectorAll('.bnl-cell-on').length),
				card.querySelector('svg > title')?.textContent ?? '',
			]),
			fitting: [...element.querySelectorAll<HTMLElement>('[data-fits="true"]')].map(({ dataset }) => dataset.method),
			links: [...element.querySelectorAll('a')].map(({ href }) => href),
			fills: ['.bnl-cell-on', '.bnl-cell:not(.bnl-cell-on)'].map(
				(cell) => getComputedStyle(element.querySelector(cell) as Element).fill,
			),
			spills: Math.max(
				...[...element.querySelectorAll('*')].map((child) => child.getBoundingClientRect().right - window.innerWidth),
			),
		}));
	});
	return result;
}

describe("the explanation of a layer's normalization", () => {
	for (const theme of Object.keys(THEMES) as ThemeName[]) {
		it(`${theme}: shows pictures, sizes, residuals and the verdict`, async () => {
			const { verdict, text, cards, fitting, links, fills } = await explain(layer(), { theme });
			assert.equal(verdict, 'running');
			// Each of a cube's three faces has 16 cells.
			assert.deepEqual(
				cards.map(([method, own, cells]) => [method, own, cells]),
				[
					['location', 'false', '24'],
					['activation', 'false', '5'],
					['channel', 'true', '8'],
				],
			);
			assert.match(cards[2]?.[3] ?? '', /^3 per channel; Blue: one channel, all images and positions; over N, H, W/);
			assert.deepEqual(fitting, ['running']);
			assert.deepEqual(links, ['https://arxiv.org/abs/1502.03167']);
			assert.notEqual(fills[0], fills[1]);
			assert.match(text, /over N, C: m'\s=\s768/);
			assert.match(text, /m' = N × H × W = 32 × 28 × 28 =\s25,088 values each/);
			assert.match(text, /18,816 means and variances/);
			assert.match(text, /the running statistics that the model stores, in place of the batch’s\./);
		});
	}

	it('names batch statistics, no statistics, and an undecided layer', async () => {
		const { fitting, text } = await explain(
			layer({ mode: 'training', normalization: judged('channel', CHANNELS, SIZE) }),
		);
		assert.deepEqual(fitting, ['channel']);
		assert.match(text, /used: those of the batch per channel \(3\)/);
		const none = await explain(layer({ normalization: judged('none', CHANNELS, SIZE) }));
		assert.deepEqual([none.verdict, none.fitting], ['none', []]);
		const reason = 'There is only one value a channel: nothing varies in it.';
		const untold = await explain(
			layer({ normalization: { verdict: 'cannot-tell', reason, methods: [], values: CHANNELS } }),
		);
		assert.match(untold.text, /this layer’s data cannot show them\. There is only one value/);
	});

	it('draws the axes of the layer: a sheet for rank 2, as many cells as a small axis has values', async () => {
		const cells = async (inputShape: readonly number[]) =>
			(await explain(layer({ inputShape }))).cards.map(([, , marked]) => Number(marked));
		assert.deepEqual(await cells([64, CHANNELS]), [16, 4, 4]);
		assert.deepEqual(await cells([1, CHANNELS, 9]), [4 + 4 + 1, 1 + 1, 4 + 1]);
	});

	it('shows formulas and modes on request, and keeps them open for the next layer', () =>
		withPage(harness, {}, async ({ page, send }) => {
			const next = { ...layer(), name: 'next' };
			await send({ type: 'report', report: report([layer(), next]) });
			await send({ type: 'select', layer: 'bn' });
			const formulas = page.locator('.bnl-formulas');
			assert.equal(await formulas.isVisible(), false);
			await page.locator(`${bnl('axes')} summary`, { hasText: 'Formulas' }).click();
			assert.match(
				(await formulas.textContent()) ?? '',
				/^meanμc = 1\/m' · Σn=1…N Σh=1…H Σw=1…W xn,c,h,w.*variance.*output/,
			);
			await send({ type: 'select', layer: 'next' });
			assert.equal(await formulas.isVisible(), true);
		}));

	it('fits a narrow editor', async () => {
		const { spills } = await explain(layer(), { width: 400 });
		assert.ok(spills <= 0, `${spills} px too wide`);
	});
});
