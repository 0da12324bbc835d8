// After `npm test -- --only package`, some of these alone: node test/e2e/run.mjs [WORD…]; a WORD picks files by path.
// BATCHNORM_LENS_VSCODE=newest runs them in the newest VS Code instead of the oldest that is supported.
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildTests } from '../../esbuild.mjs';
import { findTests, runNodeTests } from '../node-tests.mjs';
import { screenshotsDir } from '../workbench/paths.mjs';
import { provision } from '../workbench/provision.mjs';

/** Maximum number of failed files that are run again. More of them mean a broken product, not a busy machine. */
const MAX_SECOND_RUNS = 2;

/**
 * Drives the installed extension in a real VS Code in a real browser; screenshots are left in out/screenshots.
 * A file that fails is run once more, because two processors shared with other programs delay a real browser; the output
 * names a file that only then passes as unsteady.
 * @param {readonly string[]} [words]
 */
export async function runEndToEndTests(words) {
	await rm(screenshotsDir(), { recursive: true, force: true });
	await provision();
	const total = { passed: 0, failed: 0 };
	let secondRuns = 0;
	// Runs files one after the other, because each starts a VS Code and a browser, and some measure time.
	for (const file of await buildTests(findTests('test/e2e', words))) {
		let counts = await runFile(file);
		if (counts.failed > 0 && secondRuns < MAX_SECOND_RUNS) {
			secondRuns++;
			console.log(`Second run of ${path.basename(file)}:`);
			counts = await runFile(file);
			console.log(
				counts.failed > 0 ? 'It failed again.' : `Unsteady: ${path.basename(file)} passed in its second run.`,
			);
		}
		total.passed += counts.passed;
		total.failed += counts.failed;
	}
	return total;
}

/** @param {string} file Absolute path of a bundled test file. */
function runFile(file) {
	return runNodeTests([file], { concurrency: 1, timeout: 300_000 });
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
	const { passed, failed } = await runEndToEndTests(process.argv.slice(2));
	process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
}
