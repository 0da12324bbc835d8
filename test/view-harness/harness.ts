import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import path from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { pageHtml } from '../../src/host/shared/webview-html.js';
import type { HostToComparison } from '../../src/protocol/host-comparison.js';
import type { HostToWebview, WebviewToHost } from '../../src/protocol/host-webview.js';
import { pack } from '../../src/protocol/packing.js';
import type { Handle } from '../../src/view/ui/attributes.js';
import { launchBrowser } from '../workbench/browser.mjs';
import { root } from '../workbench/paths.mjs';
import { type HarnessState, STATES, type StateName } from './states.js';
import { THEMES, type ThemeName } from './themes.js';

/**
 * The built page in a real browser without VS Code: the same HTML under the same content security policy. The test
 * plays VS Code.
 */
export interface Harness {
	/** Address of the server, for pages that a test adds. */
	readonly origin: string;
	open(options: OpenOptions): Promise<HarnessPage>;
	newContext(options?: Parameters<Browser['newContext']>[0]): Promise<BrowserContext>;
	close(): Promise<void>;
}

export interface OpenOptions {
	/** Page to open. Default: the page of a model. */
	readonly view?: 'webview' | 'comparison';
	readonly theme?: ThemeName;
	readonly width?: number;
	readonly height?: number;
	/** State that an earlier page stored with setState. */
	readonly state?: unknown;
	readonly zoom?: number;
	readonly reducedMotion?: boolean;
}

export interface HarnessPage {
	readonly page: Page;
	/** Console errors, page errors and policy violations so far. */
	readonly problems: readonly string[];
	/** Messages that the page sent so far. */
	received(): Promise<readonly WebviewToHost[]>;
	/** The last message that is no mark of a time: the page sends marks when plots are drawn. */
	lastRequest(): Promise<WebviewToHost | undefined>;
	send(message: HostToWebview | HostToComparison): Promise<void>;
	/** Sends a state's messages, opens its layer and waits until its plots are drawn. */
	show(state: StateName): Promise<void>;
	setTheme(theme: ThemeName): Promise<void>;
	storedState(): Promise<unknown>;
	close(): Promise<void>;
}

const FILES: Readonly<Record<string, string>> = { '.js': 'text/javascript', '.css': 'text/css', '.html': 'text/html' };

export async function startHarness(): Promise<Harness> {
	const server = createServer((request, response) => {
		const url = new URL(request.url ?? '/', 'http://localhost');
		void serve(url.pathname)
			.then(({ type, body }) => response.writeHead(200, { 'content-type': `${type}; charset=utf-8` }).end(body))
			.catch(() => response.writeHead(404).end());
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const origin = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
	const browser = await launchBrowser();
	return {
		origin,
		open: (options) => openPage(browser, origin, options),
		newContext: (options) => browser.newContext(options),
		close: () => closeAll(browser, server),
	};
}

async function closeAll(browser: Browser, server: Server): Promise<void> {
	await browser.close();
	server.closeAllConnections();
	await new Promise((resolve) => server.close(resolve));
}

async function serve(pathname: string): Promise<{ type: string; body: string | Buffer }> {
	if (pathname === '/webview' || pathname === '/comparison') {
		return { type: 'text/html', body: await webviewPage(pathname.slice(1)) };
	}
	if (pathname === '/favicon.ico') {
		return { type: 'image/x-icon', body: '' };
	}
	if (pathname === '/blank') {
		return { type: 'text/html', body: '<!DOCTYPE html><html lang="en"><title>blank</title><body></body></html>' };
	}
	const [, folder, name] = /^\/(dist|media)\/([\w.-]+)$/.exec(pathname) ?? [];
	if (folder === undefined || name === undefined) {
		throw new Error(`nothing at ${pathname}`);
	}
	return {
		type: FILES[path.extname(name)] ?? 'application/octet-stream',
		body: await readFile(path.join(root, folder, name)),
	};
}

/** @param view names its script. */
async function webviewPage(view: string): Promise<string> {
	const read = (name: string) => readFile(path.join(root, name), 'utf8');
	const styles = ['theme.css', 'page.css', 'comparison.css', 'plotly.css'];
	return pageHtml({
		nonce: 'harness',
		script: await read(`dist/${view}.js`),
		styles: await Promise.all(styles.map((name) => read(`media/${name}`))),
		title: 'model.onnx',
	});
}

async function openPage(browser: Browser, origin: string, options: OpenOptions): Promise<HarnessPage> {
	const { view = 'webview', theme = 'dark', width = 1200, height = 900, zoom = 1, reducedMotion = false } = options;
	const context = await browser.newContext({
		viewport: { width: Math.round(width / zoom), height: Math.round(height / zoom) },
		deviceScaleFactor: zoom,
		reducedMotion: reducedMotion ? 'reduce' : 'no-preference',
	});
	const page = await context.newPage();
	const problems: string[] = [];
	page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
	page.on('pageerror', (error) => problems.push(String(error)));
	// Fetched outside the page, because the page's policy forbids requests.
	await page.exposeFunction('readPlotly', () => readFile(path.join(root, 'dist/plotly.min.js'), 'latin1'));
	await page.addInitScript(installHost, { state: options.state ?? null, theme: THEMES[theme] });
	await page.goto(`${origin}/${view}`);
	const send = (message: HostToWebview | HostToComparison): Promise<void> =>
		page.evaluate((packed) => window.postMessage(restoreArrays(packed), '*'), flattenArrays(pack(message)));
	const received = async () => (await page.evaluate(() => window.harness.received)) as WebviewToHost[];
	return {
		page,
		problems,
		received,
		lastRequest: async () => (await received()).findLast(({ type }) => type !== 'mark'),
		send,
		show: (name) => showState(page, send, STATES[name]),
		setTheme: (next) => page.evaluate((value) => window.harness.setTheme(value), THEMES[next]),
		storedState: () => page.evaluate(() => window.harness.state),
		close: () => context.close(),
	};
}

async function showState(
	page: Page,
	send: (message: HostToWebview) => Promise<void>,
	state: HarnessState,
): Promise<void> {
	for (const message of state.messages) {
		await send(message);
	}
	if (state.open !== undefined) {
		await send({ type: 'select', layer: state.open });
		await drawn(page);
	}
	if (state.form) {
		await page.locator(bnl('run-options')).click();
	}
	await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 50))));
}

/** Opens the page, runs `act` there, and expects no error. */
export async function withPage(
	harness: Harness,
	options: OpenOptions,
	body: (opened: HarnessPage) => Promise<void>,
): Promise<void> {
	const opened = await harness.open(options);
	try {
		await body(opened);
		assert.deepEqual(opened.problems, []);
	} finally {
		await opened.close();
	}
}

/** Returns a selector for a handle of the view. */
export const bnl = (handle: Handle, attributes = ''): string => `[data-bnl="${handle}"]${attributes}`;

/** Waits until every plot with data is drawn. */
export async function drawn(page: Page): Promise<void> {
	await page.waitForFunction(
		() => {
			const plots = [...document.querySelectorAll('[data-bnl="plot"]')];
			return plots.length > 0 && plots.every((plot) => plot.matches('[data-drawn="true"], .bnl-figure-empty'));
		},
		undefined,
		{ timeout: 30_000 },
	);
}

/** Runs in the page before its own scripts and provides the objects that VS Code provides. */
function installHost({ state, theme }: { state: unknown; theme: (typeof THEMES)[ThemeName] }): void {
	const harness = {
		received: [] as unknown[],
		state,
		setTheme(next: { classes: readonly string[]; variables: Readonly<Record<string, string>> }): void {
			const { style } = document.documentElement;
			style.cssText = '';
			for (const [name, value] of Object.entries(next.variables)) {
				style.setProperty(`--vscode-${name}`, value);
			}
			document.body.className = next.classes.join(' ');
		},
	};
	const sendPlotly = async () => {
		const script = Uint8Array.from(await window.readPlotly(), (character) => character.charCodeAt(0));
		window.postMessage({ body: { type: 'plotly', script }, numbers: new Float64Array() }, '*');
	};
	Object.assign(window, {
		harness,
		acquireVsCodeApi: () => ({
			postMessage: (message: { type: string }) => {
				harness.received.push(message);
				if (message.type === 'get-plotly') {
					void sendPlotly();
				}
			},
			getState: () => harness.state ?? undefined,
			setState: (next: unknown) => {
				harness.state = next;
			},
		}),
		restoreArrays: function restore(value: unknown): unknown {
			if (Array.isArray(value)) {
				return value.map(restore);
			}
			if (typeof value !== 'object' || value === null) {
				return value;
			}
			const base64 = (value as Record<string, unknown>).$float64;
			if (typeof base64 === 'string') {
				return new Float64Array(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer);
			}
			return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, restore(child)]));
		},
	});
	// The body does not exist yet when this runs, but the page's script needs the theme at its start.
	const observer = new MutationObserver(() => {
		if (document.body) {
			observer.disconnect();
			harness.setTheme(theme);
		}
	});
	observer.observe(document, { childList: true, subtree: true });
}

declare global {
	interface Window {
		/** Content of plotly.min.js, one character per byte. */
		readPlotly(): Promise<string>;
		harness: {
			received: unknown[];
			state: unknown;
			setTheme(theme: { classes: readonly string[]; variables: Readonly<Record<string, string>> }): void;
		};
	}
	function restoreArrays(value: unknown): unknown;
}

/** The browser driver's channel does not preserve typed arrays. */
function flattenArrays(value: unknown): unknown {
	if (value instanceof Float64Array) {
		return { $float64: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') };
	}
	if (Array.isArray(value)) {
		return value.map(flattenArrays);
	}
	return typeof value === 'object' && value !== null
		? Object.fromEntries(Object.entries(value).map(([key, child]) => [key, flattenArrays(child)]))
		: value;
}
