import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { encodeComparison } from '../../src/core/report/comparison/json.js';
import { encodeReport, type JsonObject } from '../../src/core/report/json.js';
import { comparedLayer, sampleComparison, wrongEpsilon } from '../unit/support/sample-comparison.js';
import { bnl, type Harness, startHarness } from './harness.js';
import { mobilenet, report, trainedLayer } from './networks.js';
import { THEMES } from './themes.js';

let harness: Harness;
before(async () => {
	harness = await startHarness();
});
after(() => harness.close());

interface Notebook {
	readonly page: Page;
	/** Renders a payload into a new output. */
	render(id: string, payload: unknown): Promise<void>;
	dispose(id?: string): Promise<void>;
	/** Messages that the renderer sent to the extension so far. */
	sent(): Promise<readonly { readonly type: string; readonly id: string; readonly path: string }[]>;
	answer(message: unknown): Promise<void>;
	/** Selector within an output. Playwright looks into shadow roots. */
	within(id: string, selector: string): string;
}

/** The frame that VS Code gives to the outputs of a notebook, with the renderer in it. */
async function withNotebook(
	options: { readonly messaging: boolean },
	body: (notebook: Notebook) => Promise<void>,
): Promise<void> {
	const context = await harness.newContext({ viewport: { width: 900, height: 900 } });
	const page = await context.newPage();
	const problems: string[] = [];
	page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
	page.on('pageerror', (error) => problems.push(String(error)));
	try {
		await page.goto(`${harness.origin}/blank`);
		await page.evaluate(startRenderer, {
			script: `${harness.origin}/dist/notebook.js`,
			theme: THEMES.dark,
			...options,
		});
		await body({
			page,
			render: (id, payload) =>
				page.evaluate(([key, value]) => window.notebook.render(key as string, value), [id, payload]),
			dispose: (id) => page.evaluate((key) => window.notebook.dispose(key), id),
			sent: () => page.evaluate(() => window.notebook.sent as { type: string; id: string; path: string }[]),
			answer: (message) => page.evaluate((value) => window.notebook.answer(value), message),
			within: (id, selector) => `#output-${id} ${selector}`,
		});
		assert.deepEqual(problems, []);
	} finally {
		await context.close();
	}
}

/** Runs in the page and plays VS Code. */
async function startRenderer(options: {
	script: string;
	messaging: boolean;
	theme: { classes: readonly string[]; variables: Readonly<Record<string, string>> };
}): Promise<void> {
	for (const [name, value] of Object.entries(options.theme.variables)) {
		document.documentElement.style.setProperty(`--vscode-${name}`, value);
	}
	document.body.className = options.theme.classes.join(' ');
	// The document also holds the styles of other renderers.
	const foreign = document.createElement('style');
	foreign.textContent = 'table { border: 9px solid red } td { padding: 20px } button { display: none }';
	document.head.appendChild(foreign);
	const sent: unknown[] = [];
	const listeners: ((message: unknown) => void)[] = [];
	const { activate } = await import(options.script);
	const renderer = activate(
		options.messaging
			? {
					postMessage: (message: unknown) => sent.push(message),
					onDidReceiveMessage: (listener: (message: unknown) => void) => listeners.push(listener),
				}
			: {},
	);
	window.notebook = {
		sent,
		async render(id, payload) {
			const element = document.getElementById(`output-${id}`) ?? document.createElement('div');
			element.id = `output-${id}`;
			document.body.appendChild(element);
			const item = { id, mime: 'application/vnd.batchnorm-lens.v1+json', json: () => payload };
			const done = renderer.renderOutputItem(item, element, new AbortController().signal);
			if (!options.messaging) {
				await done;
			}
		},
		dispose: (id) => renderer.disposeOutputItem(id),
		answer(message) {
			for (const listener of listeners) {
				listener(message);
			}
		},
	};
}

declare global {
	interface Window {
		notebook: {
			sent: unknown[];
			render(id: string, payload: unknown): Promise<void>;
			dispose(id: string | undefined): void;
			answer(message: unknown): void;
		};
	}
}

const drawnIn = (page: Page, output: string): Promise<unknown> =>
	page.locator(`${output} ${bnl('plot', '[data-plot="gamma-beta"][data-drawn="true"]')}`).waitFor();

const PARAMETERS = {
	kind: 'parameters',
	layers: [
		{ name: 'bn1', gamma: [1, 0.5, 0], beta: [0, 1, 'NaN'], mean: [0, 0, 1], variance: [1, 2, 3], epsilon: 1e-5 },
		{ name: 'bn2', mean: [0], variance: [1], epsilon: 1e-3 },
	],
};

describe('a notebook output', () => {
	it('of kind report draws the page with its plots', () =>
		withNotebook({ messaging: false }, async ({ page, render, within }) => {
			await render('a', { kind: 'report', report: encodeReport(mobilenet()) as JsonObject });
			assert.equal(await page.locator(within('a', bnl('layer-row'))).count(), 52);
			await page.locator(within('a', bnl('layer-row', '[data-layer="2"]'))).click();
			await drawnIn(page, '#output-a');
			await page
				.locator(within('a', `${bnl('plot', '[data-plot="gamma-beta"]')} .nsewdrag`))
				.first()
				.click();
			assert.notEqual(await page.locator(within('a', bnl('channel-readout'))).getAttribute('data-channel'), null);
			const title = page.locator(within('a', `${bnl('plot')} .xtitle`)).first();
			assert.equal(await title.evaluate((text) => getComputedStyle(text).fill), 'rgb(157, 157, 157)');
		}));

	it('of kind parameters derives scale, shift and findings', () =>
		withNotebook({ messaging: false }, async ({ page, render, within }) => {
			await render('a', PARAMETERS);
			assert.equal(await page.locator(within('a', bnl('title'))).textContent(), 'Layer parameters');
			await page.locator(within('a', bnl('layer-row', '[data-layer="0"]'))).click();
			await drawnIn(page, '#output-a');
			assert.ok((await page.locator(within('a', bnl('badge', '[data-code="non-finite"]'))).count()) > 0);
			assert.equal(await page.locator(within('a', bnl('run-again'))).count(), 0);
			assert.equal(await page.locator(within('a', bnl('compare'))).count(), 0);
		}));

	it('of kind comparison draws the comparison', () =>
		withNotebook({ messaging: false }, async ({ page, render, within }) => {
			const comparison = encodeComparison(sampleComparison([comparedLayer(), wrongEpsilon()]));
			await render('a', { kind: 'comparison', comparison });
			assert.equal(await page.locator(within('a', bnl('layer-row'))).count(), 2);
			assert.ok((await page.locator(within('a', bnl('status', '[data-status="mismatch"]'))).count()) > 0);
		}));

	it('is isolated from the styles of other outputs', () =>
		withNotebook({ messaging: false }, async ({ page, render, within }) => {
			await render('a', PARAMETERS);
			const table = page.locator(within('a', bnl('layer-table')));
			assert.equal(await table.evaluate((element) => getComputedStyle(element).borderTopWidth), '0px');
			const buttons = page.locator(within('a', '.bnl-sort'));
			assert.equal(await buttons.first().isVisible(), true);
			assert.equal(await page.evaluate(() => document.querySelectorAll('head style:not([id])').length), 1);
		}));

	it('explains malformed data in one sentence', () =>
		withNotebook({ messaging: false }, async ({ page, render, within }) => {
			const broken: readonly unknown[] = [
				null,
				7,
				[],
				{},
				{ kind: 'nonsense' },
				{ kind: 'report', report: {} },
				{ kind: 'parameters', layers: [{}] },
			];
			for (const [i, payload] of broken.entries()) {
				await render(`b${i}`, payload);
				const sentence = await page.locator(within(`b${i}`, `${bnl('failure')} p`)).textContent();
				assert.match(sentence ?? '', /\S+ \S+ \S+/);
			}
		}));

	it('requests a model from the extension once per output and draws the answer', () =>
		withNotebook({ messaging: true }, async ({ page, render, sent, answer, within }) => {
			await render('a', { kind: 'model', path: 'models/net.onnx' });
			await render('b', { kind: 'model', path: 'other.onnx' });
			const [first, second] = await sent();
			assert.deepEqual([first?.type, first?.path, second?.path], ['inspect', 'models/net.onnx', 'other.onnx']);
			assert.notEqual(first?.id, second?.id);
			assert.equal(await page.getByText('Reading the model…').count(), 2);
			await answer({ type: 'report', id: 'somebody-else', report: 1 });
			await answer({ type: 'failure', id: second?.id, message: 'other.onnx does not exist.' });
			const one = report([trainedLayer({ name: 'bn', channels: 4, size: 2, seed: 1, run: true })]);
			await answer({ type: 'report', id: first?.id, report: encodeReport(one) });
			await page.locator(within('a', bnl('layer-row'))).waitFor();
			assert.equal(await page.locator(within('b', `${bnl('failure')} p`)).textContent(), 'other.onnx does not exist.');
		}));

	it('explains that the extension is missing', () =>
		withNotebook({ messaging: false }, async ({ page, render, within }) => {
			await render('a', { kind: 'model', path: 'net.onnx' });
			const sentence = await page.locator(within('a', `${bnl('failure')} p`)).textContent();
			assert.match(sentence ?? '', /^net\.onnx cannot be inspected here: the BatchNorm Lens extension/);
		}));

	it('is disposed completely, alone or with all other outputs', () =>
		withNotebook({ messaging: false }, async ({ page, render, dispose, within }) => {
			for (const id of ['a', 'b', 'c']) {
				await render(id, PARAMETERS);
			}
			await page.locator(within('a', bnl('layer-row', '[data-layer="0"]'))).click();
			await drawnIn(page, '#output-a');
			await dispose('a');
			assert.equal(await page.locator(within('a', bnl('page'))).count(), 0);
			assert.equal(await page.locator(within('b', bnl('page'))).count(), 1);
			await dispose(undefined);
			assert.equal(await page.locator(bnl('page')).count(), 0);
			await render('a', PARAMETERS);
			assert.equal(await page.locator(within('a', bnl('layer-row'))).count(), 2);
		}));

	it('shares one plotly among all outputs and restores a foreign global', () =>
		withNotebook({ messaging: false }, async ({ page, render, within }) => {
			let loads = 0;
			page.on('request', (request) => {
				loads += Number(request.url().endsWith('/plotly.min.js'));
			});
			await page.evaluate(() => Object.assign(window, { Plotly: 'somebody else’s' }));
			for (const id of ['a', 'b']) {
				await render(id, PARAMETERS);
				await page.locator(within(id, bnl('layer-row', '[data-layer="0"]'))).click();
				await drawnIn(page, `#output-${id}`);
			}
			assert.equal(loads, 1);
			assert.equal(await page.evaluate(() => (window as unknown as { Plotly: unknown }).Plotly), 'somebody else’s');
		}));

	it('follows the theme', () =>
		withNotebook({ messaging: false }, async ({ page, render, within }) => {
			await render('a', PARAMETERS);
			await page.evaluate((theme) => {
				for (const [name, value] of Object.entries(theme.variables)) {
					document.documentElement.style.setProperty(`--vscode-${name}`, value);
				}
				document.body.className = theme.classes.join(' ');
			}, THEMES['hc-light']);
			await page.locator(within('a', `${bnl('page', '[data-theme="hc-light"]')}`)).waitFor();
		}));
});
