import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import Mocha from 'mocha';

/**
 * Entry that VS Code calls inside its extension host. Results go to a file, because neither workbench passes more than
 * an exit code to the runner.
 */
export async function run(): Promise<void> {
	// Stacks then name the .ts files. Takes effect for modules that are loaded from now on.
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
			.on('fail', (test, error) => results.push({ title: test.fullTitle(), error: error.stack ?? error.message }));
	});
	writeFileSync(path.join(__dirname, 'results.json'), JSON.stringify(results));
}
