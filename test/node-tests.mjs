import { readdirSync } from 'node:fs';
import path from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

// node:test starts the process of each file with the options of this one. Stacks then name the .ts files.
if (!process.execArgv.includes('--enable-source-maps')) {
	process.execArgv.push('--enable-source-maps');
}

/** @typedef {{ readonly passed: number, readonly failed: number }} Counts */

/**
 * Returns the test files below `folder` whose path contains one of `words`, or all for no word. Paths are relative to
 * the project and sorted.
 * @param {string} folder
 * @param {readonly string[]} [words]
 */
export function findTests(folder, words = []) {
	return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
		.map((file) => `${folder}/${file.split(path.sep).join('/')}`)
		.filter((file) => file.endsWith('.test.ts'))
		.filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
		.sort();
}

/**
 * Runs bundled test files under node:test, one process per file, and prints the results. A file that crashes, hangs or
 * has no test counts as one failure.
 * @param {readonly string[]} files Absolute paths.
 * @param {{ concurrency: number, timeout: number, only?: string }} options `timeout`: milliseconds for one file; `only`: a pattern for test names.
 * @returns {Promise<Counts>}
 */
export async function runNodeTests(files, { concurrency, timeout, only }) {
	const counts = { passed: 0, failed: 0 };
	const testNamePatterns = only === undefined ? undefined : [only];
	const stream = run({ files: [...files], concurrency, timeout, testNamePatterns });
	stream.on('test:fail', ({ details, todo }) => {
		if (details.type !== 'suite' && todo === undefined) {
			counts.failed++;
		}
	});
	stream.on('test:pass', ({ details, name, file, skip, todo }) => {
		if (details.type === 'suite' || skip !== undefined || todo !== undefined) {
			return;
		}
		if (file !== undefined && path.resolve(name) === file) {
			console.error(`${file} holds no test`);
			counts.failed++;
		} else {
			counts.passed++;
		}
	});
	const report = stream.compose(new spec());
	for await (const text of report) {
		process.stdout.write(text);
	}
	return counts;
}
