// Tests the view alone in a real browser: node test/view-harness/run.mjs [WORD…]. The word `shots` takes pictures (see
// shots.ts).
import { spawnSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { buildTests } from '../../esbuild.mjs';
import { findTests, runNodeTests } from '../node-tests.mjs';
import { provisionBrowser } from '../workbench/browser.mjs';

/** @param {readonly string[]} [words] */
export async function runViewTests(words) {
	await provisionBrowser();
	const files = await buildTests(findTests('test/view-harness', words));
	return runNodeTests(files, { concurrency: 2, timeout: 600_000 });
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
	const [command, ...rest] = process.argv.slice(2);
	if (command === 'shots') {
		const [script] = await buildTests(['test/view-harness/shots.ts']);
		process.exitCode = spawnSync(process.execPath, [script, ...rest], { stdio: 'inherit' }).status ?? 1;
	} else {
		const { passed, failed } = await runViewTests(process.argv.slice(2));
		process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
	}
}
