import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { buildTests } from '../../esbuild.mjs';
import { findTests } from '../node-tests.mjs';
import { launchBrowser } from '../workbench/browser.mjs';
import { installedFolder } from '../workbench/installed.mjs';
import { outDir } from '../workbench/paths.mjs';
import { provision } from '../workbench/provision.mjs';
import { remoteUri, startServer, workbenchUrl } from '../workbench/server.mjs';

const TIMEOUT = 300_000;
const bundles = path.join(outDir, 'test', 'extension');
const resultsFile = path.join(bundles, 'results.json');

/**
 * Runs the suite twice, because a window stays trusted or restricted for life. `word` selects files by path.
 * @typedef {{ readonly name: string, readonly word: string, readonly settings: Record<string, unknown> }} Window
 * @type {readonly Window[]}
 */
const WINDOWS = [
	{ name: 'trusted', word: '', settings: {} },
	{
		name: 'restricted',
		word: 'restricted',
		settings: { 'security.workspace.trust.enabled': true, 'security.workspace.trust.startupPrompt': 'never' },
	},
];

/** Bundles the suite. Returns the script for VS Code to run, which writes its results to a file. */
export async function buildExtensionTests() {
	await rm(bundles, { recursive: true, force: true });
	const files = ['test/extension/index.ts', ...findTests('test/extension')];
	const [index] = await buildTests(files, { format: 'cjs', external: ['vscode'] });
	return index;
}

/** Prints the results that the suite wrote, and counts them. */
export async function readResults() {
	/** @type {{ title: string, error?: string }[]} */
	const results = JSON.parse(await readFile(resultsFile, 'utf8'));
	for (const { title, error } of results) {
		console.log(error ? `✖ ${title}\n${error}` : `✔ ${title}`);
	}
	const failed = results.filter(({ error }) => error).length;
	return { passed: results.length - failed, failed };
}

/** Runs the suite inside the extension host of VS Code. */
export async function runExtensionTests() {
	const tests = await buildExtensionTests();
	const total = { passed: 0, failed: 0 };
	for (const window of WINDOWS) {
		await rm(resultsFile, { force: true });
		await runInWindow(tests, window);
		const { passed, failed } = await readResults();
		total.passed += passed;
		// A window in which no test ran was not in the requested mode.
		total.failed += passed + failed > 0 ? failed : 1;
	}
	return total;
}

/**
 * Runs the suite on the files that VS Code's installer unpacked from the VSIX. They are the extension under test,
 * because only that one exposes its test interface.
 * @param {string} tests
 * @param {Window} window
 */
async function runInWindow(tests, { name, word, settings }) {
	const scratch = path.join(outDir, 'vscode', `tests-${name}`);
	await rm(scratch, { recursive: true, force: true });
	const folder = path.join(scratch, 'workspace');
	await mkdir(folder, { recursive: true });
	const browser = await launchBrowser();
	try {
		const server = await startServer({
			vscode: await provision(),
			dataDir: path.join(scratch, 'data'),
			extensionsDir: path.join(scratch, 'extensions'),
			settings,
			env: { BATCHNORM_LENS_TESTS: word },
		});
		const page = await browser.newPage();
		const ended = new Promise((resolve) => page.exposeFunction('codeAutomationExit', resolve));
		const timer = new Promise((_, reject) => setTimeout(reject, TIMEOUT, new Error('The suite did not end.')).unref());
		await page.exposeFunction('codeAutomationLog', () => {});
		await page.goto(
			workbenchUrl(server, folder, [
				['extensionDevelopmentPath', remoteUri(server, await installedFolder())],
				['extensionTestsPath', remoteUri(server, tests)],
			]),
		);
		await Promise.race([ended, timer]);
		await server.stop();
	} finally {
		await browser.close();
	}
}
