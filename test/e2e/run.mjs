// After `npm test -- --only package`, some of these alone: node test/e2e/run.mjs [WORD…]; a WORD picks files by path.
// BATCHNORM_LENS_VSCODE=newest runs them in the newest VS Code instead of the oldest that is supported.
import { rm } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { buildTests } from '../../esbuild.mjs';
import { findTests, runNodeTests } from '../node-tests.mjs';
import { screenshotsDir } from '../workbench/paths.mjs';
import { provision } from '../workbench/provision.mjs';

/**
 * Drives the installed extension in a real VS Code in a real browser; screenshots are left in out/screenshots.
 * @param {readonly string[]} [words]
 */
export async function runEndToEndTests(words) {
	await rm(screenshotsDir(), { recursive: true, force: true });
	await provision();
	// Runs files one after the other, because each starts a VS Code and a browser, and some measure time.
	return runNodeTests(await buildTests(findTests('test/e2e', words)), { concurrency: 1, timeout: 300_000 });
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
	const { passed, failed } = await runEndToEndTests(process.argv.slice(2));
	process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
}
