// Every check of the project, in order, from a bare clone on: npm test [-- --only unit,e2e]; --fuzz [ARGUMENT…] fuzzes alone and longer.
import { ensureDependencies } from './workbench/dependencies.mjs';

const TIME_LIMIT = 24 * 60_000;

/** Sums up what has been run; replaced when there is something. */
let summarize = () => ({ passed: 0, failed: 0 });

// What hangs must not hang the machine that waits for the answer. Servers and browsers end with this process.
setTimeout(() => finish(`The time limit of ${TIME_LIMIT / 60_000} minutes is reached.`), TIME_LIMIT).unref();

try {
	await ensureDependencies();
	// Only now can modules be loaded that import installed packages.
	const gates = await import('./gates.mjs');
	await gates.runGates(process.argv.slice(2), (results) => {
		summarize = () => gates.summarize(results);
	});
	finish();
} catch (error) {
	finish(error instanceof Error ? error.message : String(error));
}

/** @param {string} [problem] What kept the rest from being run. */
function finish(problem) {
	const { passed, failed } = summarize();
	const failures = failed + (problem === undefined ? 0 : 1);
	if (problem !== undefined) {
		console.error(problem);
	}
	process.stdout.write(`${passed} passed, ${failures} failed\n`, () =>
		process.exit(failures > 0 || passed === 0 ? 1 : 0),
	);
}
