import { readdirSync, writeFileSync } from 'node:fs';
import { findSourceMap } from 'node:module';
import path from 'node:path';
import Mocha from 'mocha';

/**
 * Entry that VS Code calls inside its extension host. Results go to a file, because neither workbench passes more than
 * an exit code to the runner.
 */
export async function run(): Promise<void> {
	// Reads the source maps of modules that are loaded from now on.
	process.setSourceMapsEnabled(true);
	const mocha = new Mocha({ ui: 'bdd', timeout: 60_000, reporter: Mocha.reporters.Base });
	const word = process.env.BATCHNORM_LENS_TESTS ?? '';
	const files = readdirSync(__dirname).filter((name) => name.endsWith('.test.cjs') && name.includes(word));
	for (const file of files.sort()) {
		mocha.addFile(path.join(__dirname, file));
	}
	const results: { title: string; error?: string }[] = [];
	await new Promise<void>((resolve) => {
		mocha
			.run(() => resolve())
			.on('pass', (test) => results.push({ title: test.fullTitle() }))
			.on('fail', (test, error) =>
				results.push({ title: test.fullTitle(), error: withSourceFiles(error.stack ?? error.message) }),
			);
	});
	writeFileSync(path.join(__dirname, 'results.json'), JSON.stringify(results));
}

/**
 * Replaces positions in bundles by positions in .ts files. Node does not do so here, because VS Code formats stacks
 * itself. Mocha makes paths relative to the working folder.
 */
function withSourceFiles(stack: string): string {
	return stack.replace(/([^\s():]+\.cjs):(\d+):(\d+)/g, (position, file: string, line: string, column: string) => {
		const entry = findSourceMap(path.resolve(file))?.findEntry(Number(line) - 1, Number(column) - 1);
		return entry && 'originalLine' in entry
			? `${entry.originalSource}:${entry.originalLine + 1}:${entry.originalColumn + 1}`
			: position;
	});
}
