// Runs every check of the project in order, from a bare clone: npm test [-- --only unit,e2e]; --fuzz [ARGUMENT…] runs
// only the fuzzer.
import { ensureDependencies } from './workbench/dependencies.mjs';

const TIME_LIMIT = 24 * 60_000;

/** Sums up the gates that have run. Replaced after the first gate. */
let summarize = () => ({ passed: 0, failed: 0 });

// Ends a run that hangs. Servers and browsers end with this process.
setTimeout(() => finish(`The time limit of ${TIME_LIMIT / 60_000} minutes is reached.`), TIME_LIMIT).unref();

try {
	await ensureDependencies();
	// Imported here, because its modules need installed packages.
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
