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
	let result = { verdict: '', text: '', cards: [] as string[][], fills: [] as string[], spills: 0 };
	await withPage(harness, { theme, width, height: 1400 }, async ({ page, send }) => {
		await send({ type: 'report', report: report([shown]) });
		await send({ type: 'select', layer: shown.name });
		await drawn(page);
		const axes = page.locator(bnl('axes'));
		await axes.screenshot({ path: path.join(outDir, 'view-screenshots', `explain-${theme}-${width}.png`) });
		result = await axes.evaluate((element) => ({
			verdict: element.dataset.verdict ?? '',
			text: element.textContent ?? '',
			cards: [...element.querySelectorAll<HTMLElement>('[data-fits]')].map((card) => [
				card.dataset.method ?? '',
				card.dataset.fits ?? '',
				String(card.querySelectorAll('.bnl-cell-on').length),
			]),
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
			const { verdict, text, cards, fills } = await explain(layer(), { theme });
			assert.equal(verdict, 'running');
			// Each of a cube's three faces has 16 cells.
			assert.deepEqual(cards, [
				['location', 'false', '24'],
				['activation', 'false', '5'],
				['channel', 'false', '8'],
				['running', 'true', '4'],
			]);
			assert.notEqual(fills[0], fills[1]);
			assert.match(text, /m' = 32 × 24 =\s768/);
			assert.match(text, /m' = 32 × 28 × 28 =\s25,088/);
			assert.match(text, /18,816 statistics/);
			assert.match(text, /made with the stored running statistics: off by 7\.2e-8\s+σ/);
		});
	}

	it('names batch statistics, no statistics, and an undecided layer', async () => {
		const { cards, text } = await explain(
			layer({ mode: 'training', normalization: judged('channel', CHANNELS, SIZE) }),
		);
		assert.deepEqual(
			cards.filter(([, fits]) => fits === 'true').map(([method]) => method),
			['channel'],
		);
		assert.match(text, /made with statistics of the batch per channel \(3\)/);
		const none = await explain(layer({ normalization: judged('none', CHANNELS, SIZE) }));
		assert.deepEqual([none.verdict, none.cards.some(([, fits]) => fits === 'true')], ['none', false]);
		const reason = 'There is only one value a channel: nothing varies in it.';
		const untold = await explain(
			layer({ normalization: { verdict: 'cannot-tell', reason, methods: [], values: CHANNELS } }),
		);
		assert.match(untold.text, /cannot tell which of them made its output\. There is only one value/);
	});

	it('fits a narrow editor', async () => {
		const { spills } = await explain(layer(), { width: 400 });
		assert.ok(spills <= 0, `${spills} px too wide`);
	});
});
