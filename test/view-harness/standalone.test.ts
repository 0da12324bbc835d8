import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { comparisonToHtml, type PageParts, toHtml } from '../../src/core/report/export/html.js';
import { readPageParts } from '../../src/platform/page-parts.js';
import { HOSTILE_NAMES, hostileReport } from '../unit/support/hostile.js';
import { launchBrowser } from '../workbench/browser.mjs';
import { outDir, root } from '../workbench/paths.mjs';
import { comparisonOf } from './comparison-states.js';
import { bnl, drawn } from './harness.js';
import { mobilenet, report } from './networks.js';

let browser: Browser;
before(async () => {
	browser = await launchBrowser();
});
after(() => browser.close());

interface Opened {
	readonly page: Page;
	/** Requests of the page other than the file itself. */
	readonly requests: readonly string[];
}

/** Writes the page, opens it from disk, and expects no error and no request. */
async function withFile(
	name: string,
	render: (parts: PageParts) => string,
	body: (opened: Opened) => Promise<void>,
): Promise<void> {
	const folder = path.join(outDir, 'standalone');
	await mkdir(folder, { recursive: true });
	const file = path.join(folder, `${name}.html`);
	await writeFile(file, render(await readPageParts(path.join(root, 'dist'))));
	const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, acceptDownloads: true });
	const page = await context.newPage();
	const problems: string[] = [];
	const requests: string[] = [];
	page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
	page.on('pageerror', (error) => problems.push(String(error)));
	page.on('request', (request) => requests.push(request.url()));
	const address = pathToFileURL(file).href;
	try {
		await page.goto(address);
		await body({ page, requests });
		assert.deepEqual(problems, []);
		assert.deepEqual(
			requests.filter((url) => url !== address && !/^(?:blob|data):/.test(url)),
			[],
		);
	} finally {
		await context.close();
	}
}

describe('the exported page', () => {
	it('shows the report and its plots without a network request', () =>
		withFile(
			'mobilenet',
			(parts) => toHtml(mobilenet(), parts),
			async ({ page }) => {
				assert.equal(await page.locator(bnl('layer-row')).count(), 52);
				assert.equal(await page.locator(bnl('compare')).count(), 0);
				await page.locator(bnl('layer-row', '[data-layer="0"]')).click();
				await drawn(page);
				assert.ok((await page.locator(`${bnl('plot')} .bars path`).count()) > 10);
				// The exported page has no buttons that need VS Code.
				assert.equal(await page.locator(bnl('cancel')).isVisible(), false);
				await page.screenshot({ path: path.join(outDir, 'standalone', 'mobilenet.png') });
				const download = page.waitForEvent('download');
				await page.getByRole('button', { name: 'Save image' }).first().click();
				assert.match((await download).suggestedFilename(), /gamma-beta\.png$/);
			},
		));

	it('shows a comparison, with the wrong layer open', () =>
		withFile(
			'comparison',
			(parts) => comparisonToHtml(comparisonOf('oneWrong'), parts),
			async ({ page }) => {
				assert.equal(await page.locator(bnl('layer-row')).count(), 52);
				assert.equal(await page.locator(bnl('layer-row', '[data-status="mismatch"]')).count(), 1);
				await page.locator(bnl('detail', '[data-layer="10"]')).waitFor();
				await drawn(page);
				assert.equal(await page.locator(bnl('swap')).count(), 0);
				await page.screenshot({ path: path.join(outDir, 'standalone', 'comparison.png') });
			},
		));

	it('adds at most 3 MB to the report', async () => {
		const { length } = toHtml(report([]), await readPageParts(path.join(root, 'dist')));
		assert.ok(length < 3e6, `${length} characters`);
	});

	it('never executes a name', () =>
		withFile(
			'hostile',
			(parts) => toHtml(hostileReport(), parts),
			async ({ page }) => {
				const rows = page.locator(bnl('layer-row'));
				assert.equal(await rows.count(), HOSTILE_NAMES.length);
				await page.screenshot({ path: path.join(outDir, 'standalone', 'hostile.png') });
				// Selects the layer by state, not by a click, because the run's description covers most of the window here.
				await rows.nth(1).dispatchEvent('click');
				await page.locator(bnl('detail')).waitFor();
				await drawn(page);
				assert.equal(await page.evaluate(() => 'hacked' in window), false);
				assert.equal(await page.locator('img[src="x"], a[href*="evil"], b:text("bold")').count(), 0);
				assert.equal(await page.locator('script').count(), 3);
			},
		));
});
