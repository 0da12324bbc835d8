import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { HostToWebview } from '../../src/protocol/host-webview.js';
import { bnl, drawn, type Harness, startHarness, withPage } from './harness.js';
import { mobilenet, report } from './networks.js';
import { HOSTILE_NAMES, STATES, type StateName } from './states.js';
import { THEMES, type ThemeName } from './themes.js';

let harness: Harness;
before(async () => {
	harness = await startHarness();
});
after(() => harness.close());

describe('every state', () => {
	for (const state of Object.keys(STATES) as StateName[]) {
		it(`${state} is shown without an error and is never blank`, () =>
			withPage(harness, { width: 1200 }, async ({ page, show }) => {
				await show(state);
				assert.ok(((await page.locator(bnl('page')).textContent()) ?? '').trim().length > 10);
				const spills = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
				assert.ok(spills <= 0, `the page is ${spills} px wider than the window`);
			}));
	}
});

describe('themes and sizes', () => {
	for (const theme of Object.keys(THEMES) as ThemeName[]) {
		it(`${theme} resolves every color that plots use`, () =>
			withPage(harness, { theme }, async ({ page, show }) => {
				await show('layer');
				const bars = await page.locator(`${bnl('plot', '[data-plot="gamma-beta"]')} .bars path`).first();
				const fill = await bars.evaluate((path) => getComputedStyle(path).fill);
				// Default color of plotly, which it uses for colors that it cannot parse.
				assert.notEqual(fill, 'rgb(31, 119, 180)');
			}));
	}

	it('redraws in the colors of the new theme', () =>
		withPage(harness, { theme: 'dark' }, async ({ page, show, setTheme }) => {
			await show('layer');
			const label = page.locator(`${bnl('plot')} .xtitle`).first();
			const before = await label.evaluate((text) => getComputedStyle(text).fill);
			await setTheme('light');
			await page.waitForFunction(
				([was, selector]) => {
					const text = document.querySelector(selector ?? '');
					return text !== null && getComputedStyle(text).fill !== was;
				},
				[before, `${bnl('plot')} .xtitle`],
			);
			await drawn(page);
		}));

	it('fits 400 px, and 1200 px at 200 %', async () => {
		for (const options of [{ width: 400 }, { width: 1200, zoom: 2 }]) {
			await withPage(harness, options, async ({ page, show }) => {
				await show('mismatch');
				const spills = await page.evaluate(() => {
					const element = document.querySelector('[data-bnl="page"]');
					return element ? element.scrollWidth - element.clientWidth : 1;
				});
				assert.ok(spills <= 0, `${JSON.stringify(options)}: ${spills} px too wide`);
			});
		}
	});
});

describe('the page', () => {
	it('requests plotly only after the table and every verdict are shown, and leaves no globals behind', () =>
		withPage(harness, {}, async ({ page, show, received }) => {
			const marksAtRequest = async () => {
				const sent = (await received()).map((message) => (message.type === 'mark' ? message.name : message.type));
				return sent.flatMap((type, index) => (type === 'get-plotly' ? [sent.slice(0, index)] : []));
			};
			await show('structure');
			await page.waitForTimeout(300);
			assert.deepEqual(await marksAtRequest(), [], 'a run that is under way is not disturbed');
			await show('done');
			assert.equal(await page.locator(bnl('layer-row')).count(), 52);
			await page.locator(bnl('layer-row', '[data-layer="0"]')).click();
			await drawn(page);
			assert.deepEqual(await marksAtRequest(), [['ready', 'table', 'verdicts']]);
			assert.deepEqual(await page.evaluate(() => ['Plotly', 'moduleName'].filter((name) => name in window)), []);
		}));

	it('reports each milestone once', () =>
		withPage(harness, {}, async ({ page, show, received, send }) => {
			const marks = async () =>
				(await received()).flatMap((message) => (message.type === 'mark' ? [message.name] : []));
			await show('structure');
			assert.deepEqual(await marks(), ['table']);
			const done = mobilenet();
			const { layers, ...rest } = done;
			for (const [index, layer] of layers.entries()) {
				await send({ type: 'changes', changes: { layers: [{ index, fields: layer, removed: [] }] } });
			}
			await send({ type: 'changes', changes: { rest, layers: [] } });
			await send({ type: 'progress', progress: null });
			await page.waitForFunction(() => window.harness.received.length >= 3);
			assert.deepEqual(await marks(), ['table', 'verdicts']);
			assert.equal(await page.locator(`${bnl('layer-row')} ${bnl('verdict', '[data-status="match"]')}`).count(), 52);
			assert.equal(await page.locator(bnl('progress')).isVisible(), false);
		}));

	it('shows progress with a Cancel button', () =>
		withPage(harness, {}, async ({ page, show, received }) => {
			await show('structure');
			assert.match((await page.locator(bnl('progress')).textContent()) ?? '', /17 of 52/);
			await page.locator(bnl('cancel')).click();
			assert.deepEqual((await received()).at(-1), { type: 'cancel' });
		}));

	it("shows the run's inputs, the duration of each stage, and the parts of the model that did not run", () =>
		withPage(harness, {}, async ({ page, send }) => {
			const shown = mobilenet();
			const { runtime, inputs } = shown.run;
			const reason =
				'Node "Resize_12" is not implemented; what stands in front of the layers was run without the rest.';
			const milliseconds = { open: 10, create: 20, run: 30, verify: 40, compare: 50, total: 1600 };
			const run = { status: 'ok', reason, runtime, inputs, milliseconds } as const;
			await send({ type: 'report', report: { ...shown, run } });
			const line = page.locator(bnl('run', '[data-status="ok"]'));
			assert.match((await line.textContent()) ?? '', /in 1\.6 s\..*Resize_12.*without the rest\.$/);
			const explained = page.locator('.bnl-compared');
			assert.equal(await explained.isVisible(), false);
			await page.locator(bnl('compared')).click();
			assert.match(
				(await explained.textContent()) ?? '',
				/recomputed in float64.*opening 10 ms, loading 20 ms, running 30 ms, recomputing 40 ms, comparing with optimizations 50 ms\.$/,
			);
			assert.equal(await page.locator(bnl('compared')).getAttribute('aria-expanded'), 'true');
		}));

	it('keeps the last good page below a banner, and removes the banner after recovery', () =>
		withPage(harness, {}, async ({ page, show, send }) => {
			await show('banner');
			assert.match((await page.locator(bnl('banner')).textContent()) ?? '', /middle of a tensor/);
			assert.equal(await page.locator(bnl('layer-row')).count(), 52);
			await send({ type: 'recovered' });
			await page.locator(bnl('banner')).waitFor({ state: 'hidden' });
		}));

	it('explains in one sentence why the page is empty, and recovers', () =>
		withPage(harness, {}, async ({ page, show }) => {
			await show('failure');
			assert.equal(await page.locator(bnl('failure')).isVisible(), true);
			assert.equal(await page.locator(bnl('filter')).isVisible(), false);
			await show('done');
			assert.equal(await page.locator(bnl('failure')).isVisible(), false);
			assert.equal(await page.locator(bnl('layer-row')).count(), 52);
		}));

	it('explains a malformed message', async () => {
		const opened = await harness.open({});
		try {
			await opened.show('done');
			await opened.send({ type: 'report', report: { layers: 3 } } as unknown as HostToWebview);
			await opened.page.locator(bnl('banner')).waitFor();
			assert.ok((await opened.received()).some(({ type }) => type === 'error'));
		} finally {
			await opened.close();
		}
	});
});

describe('hostile names', () => {
	it('are shown as text everywhere and never executed', () =>
		withPage(harness, {}, async ({ page, show, send }) => {
			await show('hostile');
			for (const name of HOSTILE_NAMES) {
				await send({ type: 'select', layer: name });
				await drawn(page);
				await page
					.locator(`${bnl('plot', '[data-plot="gamma-beta"]')} .nsewdrag`)
					.first()
					.hover();
			}
			assert.equal(await page.evaluate(() => 'hacked' in window), false);
			// The link to the paper is ours.
			const added = page.locator(
				`${bnl('page')} :is(img, script, a:not([href="https://arxiv.org/abs/1502.03167"]), iframe)`,
			);
			assert.equal(await added.count(), 0);
			const text = (await page.locator(bnl('page')).textContent()) ?? '';
			// biome-ignore lint/suspicious/noControlCharactersInRegex: the test looks for exactly these characters.
			assert.doesNotMatch(text, /[\u202e\u2066\u001b\u0007]/);
		}));
});

describe('a layer without parameter values', () => {
	it('explains the missing values and draws no plot', () =>
		withPage(harness, {}, async ({ page, show }) => {
			await show('noParameters');
			assert.match(
				(await page.locator(bnl('detail')).textContent()) ?? '',
				/computed from an input at run time \(node Mul_7\)/,
			);
			assert.equal(await page.locator(`${bnl('plot')} .main-svg`).count(), 0);
		}));

	it('names the method of a per-activation layer', () =>
		withPage(harness, {}, async ({ page, show }) => {
			await show('skipped');
			assert.equal(await page.locator(bnl('axes')).getAttribute('data-method'), '2');
			assert.match(
				(await page.locator(bnl('axes')).textContent()) ?? '',
				/Each activation has statistics of its own: .* \(N\), m' = N =\s4 values each/,
			);
		}));
});

describe('a report that shrinks', () => {
	it('closes the detail of a removed layer', () =>
		withPage(harness, {}, async ({ page, show, send }) => {
			await show('layer');
			await send({ type: 'report', report: report(mobilenet().layers.slice(10)) });
			await page.locator(bnl('detail')).waitFor({ state: 'hidden' });
			assert.equal(await page.locator(bnl('layer-row')).count(), 42);
		}));
});
