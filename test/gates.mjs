import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { build } from '../esbuild.mjs';
import { runEndToEndTests } from './e2e/run.mjs';
import { runExtensionTests } from './extension/run.mjs';
import { runUnitTests } from './unit/run.mjs';
import { runViewTests } from './view-harness/run.mjs';
import { runPackageTests } from './vsix/run.mjs';
import { root, VERSION_VARIABLE } from './workbench/paths.mjs';
import { run } from './workbench/processes.mjs';

/** @typedef {import('./node-tests.mjs').Counts} Counts */

/**
 * A gate counts its own tests. It fails if it throws or runs no test. Its `needs` run first, even if only this gate is
 * selected.
 * @typedef {{ readonly run: (fuzzArguments: readonly string[]) => Promise<Counts>, readonly needs?: readonly string[] }} Gate
 */

/** @type {Readonly<Record<string, Gate>>} */
const GATES = {
	build: { run: () => build().then(() => ({ passed: 1, failed: 0 })) },
	types: { run: () => program('node_modules/typescript/bin/tsc', ['-b']) },
	lint: { run: () => program('node_modules/@biomejs/biome/bin/biome', ['check', '--error-on-warnings']) },
	unit: { run: () => runUnitTests(), needs: ['build'] },
	view: { run: () => runViewTests(), needs: ['build'] },
	fuzz: { run: fuzz, needs: ['build'] },
	package: { run: runPackageTests },
	extension: { run: runExtensionTests, needs: ['package'] },
	e2e: { run: () => runEndToEndTests(), needs: ['package'] },
	newest: { run: runInNewest, needs: ['package'] },
};

/** Result of a gate. `ready` is true if its products exist for other gates, even if its tests failed. */
/** @typedef {Counts & { readonly ready: boolean, readonly seconds: number }} Result */

/**
 * @param {readonly string[]} argv `--only NAME,NAME` or `--fuzz ARGUMENT…`
 * @param {(results: ReadonlyMap<string, Result>) => void} onGate Called after each gate with all results so far.
 */
export async function runGates(argv, onGate) {
	const fuzzing = argv[0] === '--fuzz';
	const fuzzArguments = fuzzing ? argv.slice(1) : ['--count', '500'];
	/** @type {Map<string, Result>} */
	const results = new Map();
	for (const name of chooseGates(fuzzing ? ['--only', 'fuzz'] : argv)) {
		console.log(`\n=== ${name}`);
		const start = performance.now();
		const missing = GATES[name].needs?.find((needed) => !results.get(needed)?.ready);
		const result = missing ? failure(`Not run: ${missing} failed.`) : await runGate(name, fuzzArguments);
		results.set(name, { ...result, seconds: (performance.now() - start) / 1000 });
		onGate(results);
	}
}

/**
 * Prints one line per gate.
 * @param {ReadonlyMap<string, Result>} results
 * @returns {Counts} The sum over all gates.
 */
export function summarize(results) {
	console.log('');
	const total = { passed: 0, failed: 0 };
	for (const [name, { passed, failed, seconds }] of results) {
		const mark = failed > 0 ? '✖' : '✔';
		console.log(`${mark} ${name.padEnd(10)}${passed} passed, ${failed} failed in ${seconds.toFixed(1)} s`);
		total.passed += passed;
		total.failed += failed;
	}
	return total;
}

/** @param {readonly string[]} argv */
function chooseGates(argv) {
	const names = Object.keys(GATES);
	if (argv.length === 0) {
		return names;
	}
	const asked = argv[0] === '--only' && argv.length === 2 ? argv[1].split(',') : [];
	if (asked.length === 0 || asked.some((name) => !names.includes(name))) {
		throw new Error(`Unknown arguments "${argv.join(' ')}": use --only with some of ${names.join(', ')}, or --fuzz.`);
	}
	return names.filter((name) => asked.includes(name) || asked.some((other) => GATES[other].needs?.includes(name)));
}

/**
 * @param {string} name
 * @param {readonly string[]} fuzzArguments
 */
async function runGate(name, fuzzArguments) {
	try {
		const counts = await GATES[name].run(fuzzArguments);
		return counts.passed + counts.failed > 0 ? { ...counts, ready: true } : failure('No test was run.');
	} catch (error) {
		return failure(error instanceof Error ? (error.stack ?? error.message) : String(error));
	}
}

/** @param {string} message */
function failure(message) {
	console.error(message);
	return { passed: 0, failed: 1, ready: false };
}

/**
 * @param {string} script
 * @param {readonly string[]} args
 * @returns {Promise<Counts>}
 */
async function program(script, args) {
	const { status } = await run(process.execPath, [path.join(root, script), ...args], {
		cwd: root,
		echo: true,
		timeout: 300_000,
	});
	return status === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

/** Runs the tests that depend most on VS Code in its newest version: editor, comparison, notebook renderer. */
async function runInNewest() {
	if (process.platform !== 'linux' || process.arch !== 'x64') {
		console.log('The newest VS Code is set up on Linux x64 only; what runs here was tested in the oldest.');
		return { passed: 1, failed: 0 };
	}
	process.env[VERSION_VARIABLE] = 'newest';
	try {
		return await runEndToEndTests(['e2e/inspect', 'e2e/compare', 'e2e/notebook']);
	} finally {
		delete process.env[VERSION_VARIABLE];
	}
}

/** @param {readonly string[]} args */
async function fuzz(args) {
	const { status, output } = await run(process.execPath, [path.join(root, 'test/fuzz/run.mjs'), ...args], {
		cwd: root,
		echo: true,
	});
	const [, passed, failed] = /(\d+) passed, (\d+) failed\s*$/.exec(output) ?? [];
	if (passed === undefined || (status !== 0 && failed === '0')) {
		return failure(`The fuzzer ended with exit code ${status} without saying what failed.`);
	}
	return { passed: Number(passed), failed: Number(failed) };
}
