import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';
import type { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';
import { PLOT_KINDS } from '../../src/view/ui/attributes.js';
import { bnl, drawn, type Harness, startHarness, withPage } from './harness.js';
import type { StateName } from './states.js';
import { THEMES, type ThemeName } from './themes.js';

let harness: Harness;
let axe: string;
before(async () => {
	harness = await startHarness();
	axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
});
after(() => harness.close());

/** Returns serious and critical violations, one line each. */
async function complaints(page: Page): Promise<string[]> {
	await page.evaluate(axe);
	const { violations, passes } = await page.evaluate(() =>
		(window as unknown as { axe: { run(options: object): Promise<AxeResults> } }).axe.run({
			resultTypes: ['violations'],
		}),
	);
	assert.ok(passes.length > 5, 'axe had something to look at');
	return violations
		.filter(({ impact }) => impact === 'serious' || impact === 'critical')
		.map(
			({ id, nodes }) =>
				`${id}: ${nodes
					.map(({ html, failureSummary }) => `${html} ${failureSummary}`)
					.slice(0, 3)
					.join(' | ')}`,
		);
}

describe('axe finds no serious violation', () => {
	for (const theme of Object.keys(THEMES) as ThemeName[]) {
		it(`in ${theme}`, () =>
			withPage(harness, { theme }, async ({ page, show }) => {
				for (const state of ['done', 'mismatch', 'form', 'structure'] satisfies StateName[]) {
					await show(state);
					assert.deepEqual(await complaints(page), [], state);
				}
			}));
	}

	for (const state of [
		'failure',
		'empty',
		'skipped',
		'noParameters',
		'wide',
		'untrusted',
		'hostileForm',
	] satisfies StateName[]) {
		it(`in the state ${state}`, () =>
			withPage(harness, { theme: 'light' }, async ({ page, show }) => {
				await show(state);
				assert.deepEqual(await complaints(page), []);
			}));
	}
});

describe('a screen reader', () => {
	it('hears a sentence with numbers for every plot', () =>
		withPage(harness, {}, async ({ page, show }) => {
			await show('layer');
			const images = page.locator(`${bnl('plot')} [role="img"]`);
			const labels = await images.evaluateAll((elements) =>
				elements.map((element) => element.getAttribute('aria-label')),
			);
			assert.equal(labels.length, PLOT_KINDS.length);
			for (const label of labels) {
				assert.match(label ?? '', /^[A-Z].*: .*\d/);
			}
		}));

	it('hears the stages, the selected layer and the answer', () =>
		withPage(harness, {}, async ({ page, show }) => {
			const live = page.locator(bnl('live'));
			await show('structure');
			assert.equal(await live.textContent(), 'Recomputing the layers');
			await show('done');
			await page.waitForFunction(() =>
				/52 BatchNorm layers/.test(document.querySelector('[data-bnl="live"]')?.textContent ?? ''),
			);
			await page.locator(bnl('layer-row', '[data-layer="0"]')).click();
			assert.match((await live.textContent()) ?? '', /^Layer .*features\.0/);
		}));
});

describe('the keyboard alone', () => {
	it('reaches every control, with a visible focus', () =>
		withPage(harness, {}, async ({ page, show }) => {
			await show('layer');
			await drawn(page);
			const reached = new Set<string>();
			for (let i = 0; i < 60; i++) {
				await page.keyboard.press('Tab');
				const found = await page.evaluate(() => {
					const element = document.activeElement;
					if (!element || element === document.body) {
						return null;
					}
					const { outlineStyle, outlineWidth } = getComputedStyle(element);
					return {
						name: element.getAttribute('data-bnl') ?? element.className ?? element.tagName,
						visible: outlineStyle !== 'none' && outlineWidth !== '0px',
					};
				});
				if (found === null) {
					break;
				}
				assert.ok(found.visible, `${found.name} shows no focus`);
				reached.add(found.name);
			}
			for (const handle of ['run-again', 'heatmap-metric', 'filter', 'layer-row', 'close', 'channel-row']) {
				assert.ok(reached.has(handle), `${handle} is not reached`);
			}
		}));
});
