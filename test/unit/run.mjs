// Bundles and runs the unit tests: node test/unit/run.mjs [WORD…] [--test-name-pattern=PATTERN]; a WORD picks files by path.
import { pathToFileURL } from 'node:url';
import { buildTests } from '../../esbuild.mjs';
import { findTests, runNodeTests } from '../node-tests.mjs';

/**
 * @param {readonly string[]} [words]
 * @param {string} [only]
 */
export async function runUnitTests(words, only) {
	const files = await buildTests(findTests('test/unit', words));
	return runNodeTests(files, { concurrency: 2, timeout: 180_000, only });
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
	const words = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
	const pattern = process.argv.find((argument) => argument.startsWith('--test-name-pattern='))?.split('=')[1];
	const { passed, failed } = await runUnitTests(words, pattern);
	process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
}
