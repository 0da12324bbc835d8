import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Browser, Frame, Locator, Page } from 'playwright-core';
import type { Handle } from '../../src/view/ui/attributes.js';
import { launchBrowser } from '../workbench/browser.mjs';
import { extensionsDir, installedFolder } from '../workbench/installed.mjs';
import { screenshotsDir } from '../workbench/paths.mjs';
import { provision } from '../workbench/provision.mjs';
import { type Server, startServer, workbenchUrl } from '../workbench/server.mjs';

/** File content by name; null makes a folder. */
export type Files = Readonly<Record<string, Uint8Array | string | null>>;

/** CSS for a stable handle of the view. */
export const at = (handle: Handle, attributes = ''): string => `[data-bnl="${handle}"]${attributes}`;

export async function text(locator: Locator): Promise<string> {
	return (await locator.textContent()) ?? '';
}

/** The tooltip of a row covers the rows below it. */
const UNDISTURBED = { 'workbench.hover.delay': 60_000 };
const READY_TIMEOUT = 60_000;
/** VS Code's own pages log errors, too. Only messages of our pages and our host count. */
const OURS = /vscode-resource|batchnorm-lens|\/fake\.html/;

/** Maximum length of a reported problem, in characters, because minified code is quoted at length. */
const LONGEST = 500;

/** A VS Code in a browser with the packaged extension installed and a folder of files open. */
export class Workbench {
	/** Console errors, uncaught exceptions and policy violations of our pages, each once. */
	readonly problems: string[] = [];

	private constructor(
		readonly page: Page,
		readonly folder: string,
		private readonly browser: Browser,
		private readonly server: Server,
	) {
		page.on('console', (message) => {
			const { url, lineNumber, columnNumber } = message.location();
			const text = message.text();
			const policy = text.includes('Content Security Policy') && !url.includes('/out/vs/');
			if (policy || (message.type() === 'error' && (OURS.test(url) || OURS.test(text)))) {
				this.report(`${text.slice(0, LONGEST)} (${path.basename(url)}:${lineNumber}:${columnNumber})`);
			}
		});
		page.on('pageerror', (error) => {
			if (OURS.test(error.stack ?? '')) {
				this.report((error.stack ?? error.message).slice(0, LONGEST));
			}
		});
	}

	private report(problem: string): void {
		if (!this.problems.includes(problem)) {
			this.problems.push(problem);
		}
	}

	/**
	 * @param settings of the user, over those of every test.
	 * @param damage what happened to the installed extension; is given the folder of a copy.
	 */
	static async start(
		files: Files,
		settings: Record<string, unknown> = {},
		damage?: (extension: string) => Promise<void>,
	): Promise<Workbench> {
		const scratch = await mkdtemp(path.join(tmpdir(), 'batchnorm-lens-e2e-'));
		const folder = path.join(scratch, 'models');
		await mkdir(folder);
		for (const [name, content] of Object.entries(files)) {
			const target = path.join(folder, name);
			await (content === null ? mkdir(target) : writeFile(target, content));
		}
		const server = await startServer({
			vscode: await provision(),
			dataDir: path.join(scratch, 'data'),
			extensionsDir: damage ? await damagedCopy(path.join(scratch, 'extensions'), damage) : extensionsDir,
			settings: { ...UNDISTURBED, ...settings },
		});
		const browser = await launchBrowser();
		const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
		const workbench = new Workbench(page, folder, browser, server);
		await workbench.load();
		return workbench;
	}

	/** Opens the address and waits until the extension is registered. A file opened earlier would appear as text. */
	async load(): Promise<void> {
		await this.page.goto(workbenchUrl(this.server, this.folder));
		const end = Date.now() + READY_TIMEOUT;
		while (!(await this.findCommand('BatchNorm Lens: Inspect Model').catch(() => false))) {
			if (Date.now() > end) {
				throw new Error(`The extension did not show up within ${READY_TIMEOUT / 1000} s; see ${this.server.log}.`);
			}
		}
		await this.page.keyboard.press('Escape');
	}

	async stop(): Promise<void> {
		await this.browser.close();
		await this.server.stop();
		await rm(path.dirname(this.folder), { recursive: true, force: true, maxRetries: 5 });
	}

	file(name: string): string {
		return path.join(this.folder, name);
	}

	row(name: string): Locator {
		return this.page
			.locator('.explorer-folders-view .monaco-list-row')
			.filter({ has: this.page.getByText(name, { exact: true }) });
	}

	/** Waits until this many rows of the explorer are selected. */
	async untilSelected(count: number): Promise<void> {
		const rows = this.page.locator('.explorer-folders-view .monaco-list-row.selected');
		await rows.nth(count - 1).waitFor();
		assert.equal(await rows.count(), count);
	}

	/** @returns when the button went down, in milliseconds of Date.now(). */
	async click(name: string): Promise<number> {
		await this.row(name).hover();
		const start = Date.now();
		await this.page.mouse.down();
		await this.page.mouse.up();
		return start;
	}

	/** Clicks on a file and waits until the page shows a final state. */
	async open(name: string, expected = at('layer-table')): Promise<Frame> {
		await this.click(name);
		return this.model(expected);
	}

	/** Returns the frame of our visible page that shows `expected`. */
	async model(expected = at('layer-table'), timeout = 15_000): Promise<Frame> {
		const end = Date.now() + timeout;
		while (Date.now() < end) {
			const frame = await firstThatShows(expected, this.page.frames());
			if (frame) {
				return frame;
			}
			await this.page.waitForTimeout(20);
		}
		throw new Error(`No page of ours shows ${expected} after ${timeout / 1000} s.`);
	}

	/** Returns the entries of a file's context menu. */
	async contextMenu(name: string): Promise<string[]> {
		await this.row(name).click({ button: 'right' });
		const entries = this.page.locator('.monaco-menu .action-label');
		await entries.first().waitFor();
		const texts = await entries.allInnerTexts();
		return texts.filter(Boolean);
	}

	/** A menu ignores clicks in its first 100 ms. */
	async chooseFromMenu(entry: string): Promise<void> {
		const item = this.page.locator('.monaco-menu .action-item').filter({ hasText: entry });
		const gone = () =>
			item.waitFor({ state: 'detached', timeout: 1000 }).then(
				() => true,
				() => false,
			);
		do {
			// On a busy machine the menu may close only after the last look.
			await item.click({ timeout: 5000 }).catch(() => undefined);
		} while (!(await gone()));
	}

	/** Runs a command by its title in the palette. */
	async command(title: string): Promise<void> {
		for (let attempt = 0; !(await this.findCommand(title).catch(() => false)); attempt++) {
			if (attempt === 5) {
				throw new Error(`The palette does not offer "${title}".`);
			}
		}
		await this.page.keyboard.press('Enter');
	}

	/** Opens the palette with `title` typed in. VS Code drops keys and closes the palette while it starts. */
	private async findCommand(title: string): Promise<boolean> {
		const { page } = this;
		const input = page.locator('.quick-input-widget input').first();
		// Presses Escape only for an open palette, because our page would close its layer.
		if (await input.isVisible()) {
			await page.keyboard.press('Escape');
		}
		await page.keyboard.press('F1');
		await input.fill(`>${title}`, { timeout: 2000 });
		const first = page.locator('.quick-input-widget .monaco-list-row').filter({ hasText: title });
		return first
			.first()
			.waitFor({ timeout: 2000 })
			.then(
				() => true,
				() => false,
			);
	}

	/**
	 * Returns the process ids of the engines that this VS Code's extension host started and that still run. Linux only.
	 */
	engines(): number[] {
		const scratch = path.dirname(this.folder);
		return readdirSync('/proc')
			.map(Number)
			.filter((pid) => Number.isInteger(pid) && isEngineOf(pid, scratch));
	}

	/** Waits until `count` engines run, and returns their process ids. */
	async untilEngines(count: number, timeout = 15_000): Promise<number[]> {
		for (const end = Date.now() + timeout; ; await this.page.waitForTimeout(20)) {
			const engines = this.engines();
			if (engines.length === count) {
				return engines;
			}
			if (Date.now() > end) {
				throw new Error(`${engines.length} engines after ${timeout / 1000} s, not ${count}.`);
			}
		}
	}

	/**
	 * Stops the engine that is being started, and returns a function that resumes it. Its run lasts until then or until
	 * it is killed, however long the page takes to show it.
	 */
	async haltEngine(): Promise<() => void> {
		const [pid] = await this.untilEngines(1);
		process.kill(pid, 'SIGSTOP');
		return () => process.kill(pid, 'SIGCONT');
	}

	/** Saves a screenshot in out/screenshots. */
	async screenshot(name: string): Promise<void> {
		await mkdir(screenshotsDir(), { recursive: true });
		await this.page.screenshot({ path: path.join(screenshotsDir(), `${name}.png`) });
	}
}

/** Returns the first frame in which an element that matches the selector is visible. */
async function firstThatShows(selector: string, frames: readonly Frame[]): Promise<Frame | undefined> {
	const looks = frames.map(async (frame) => {
		const shown = frame.locator(selector).first().isVisible();
		// A frame without a document answers only when it has one.
		assert.ok(await Promise.race([shown, setTimeout(1000, false)]));
		return frame;
	});
	return Promise.any(looks).catch(() => undefined);
}

/** True if the process is an engine below a server with its data in the folder. */
function isEngineOf(pid: number, scratch: string): boolean {
	try {
		const read = (name: string) => readFileSync(`/proc/${pid}/${name}`, 'utf8').split('\0');
		return (
			read('cmdline').some((word) => word.endsWith('engine/main.js')) &&
			read('environ').some((entry) => entry.includes(scratch))
		);
	} catch {
		// The process has ended meanwhile.
		return false;
	}
}

/** The installed extension in another folder, with something done to it there. */
async function damagedCopy(folder: string, damage: (extension: string) => Promise<void>): Promise<string> {
	await cp(extensionsDir, folder, { recursive: true });
	await damage(path.join(folder, path.basename(await installedFolder())));
	return folder;
}

export interface Scenario {
	readonly files: () => Files;
	readonly settings?: Record<string, unknown>;
	readonly damage?: (extension: string) => Promise<void>;
	readonly steps: Readonly<Record<string, (workbench: Workbench) => Promise<void>>>;
}

/**
 * Runs steps in order in one workbench. Each step is a test that ends with a screenshot; the last test expects no
 * error.
 */
export function scenario(name: string, { files, settings, damage, steps }: Scenario): void {
	let workbench: Workbench | undefined;
	before(async () => {
		workbench = await Workbench.start(files(), settings, damage);
	});
	after(() => workbench?.stop());
	for (const [step, run] of Object.entries(steps)) {
		test(`${name}: ${step}`, async () => {
			if (!workbench) {
				throw new Error('VS Code did not start.');
			}
			try {
				await run(workbench);
			} finally {
				await workbench.screenshot(`${name} - ${step}`.replace(/[^\w -]/g, '_'));
			}
		});
	}
	test(`${name}: no console error, no violation of the content security policy`, () => {
		assert.deepEqual(workbench?.problems, []);
	});
}
