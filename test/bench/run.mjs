// Measures on this machine: npm run --silent bench -- [--json] [PART…]. A PART is open, kernel, check, compare, run,
// reestimate or growth.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureDependencies } from '../workbench/dependencies.mjs';
import { root } from '../workbench/paths.mjs';

/**
 * Each part is a function bench<Name> in the file of its name, and resolves to plain numbers by name.
 * @type {Record<string, string>}
 */
const PARTS = {
	open: 'open',
	kernel: 'kernel',
	check: 'check',
	compare: 'compare',
	run: 'run-memory',
	reestimate: 'reestimate',
	growth: 'growth',
};

const words = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
await ensureDependencies();
const { build, buildTests } = await import('../../esbuild.mjs');
await build();

/** @type {Record<string, unknown>} */
const results = {};
for (const part of Object.keys(PARTS).filter((name) => words.length === 0 || words.includes(name))) {
	const source = `test/bench/${PARTS[part]}.ts`;
	if (!existsSync(path.join(root, source))) {
		console.error(`${source} is not there, skipped`);
		continue;
	}
	console.error(`Measuring ${part} …`);
	const [bundle] = await buildTests([source]);
	const module = await import(pathToFileURL(bundle).href);
	results[part] = await module[`bench${part[0].toUpperCase()}${part.slice(1)}`]();
}
console.log(process.argv.includes('--json') ? JSON.stringify(results, null, '\t') : table(results));

/**
 * Prints one line per number, named by its path.
 * @param {Record<string, unknown>} values
 */
function table(values) {
	const rows = flatten(values, '');
	const width = Math.max(0, ...rows.map(([name]) => name.length));
	return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}

/**
 * @param {Record<string, unknown>} values
 * @param {string} prefix
 * @returns {[string, string][]}
 */
function flatten(values, prefix) {
	return Object.entries(values).flatMap(([name, value]) =>
		typeof value === 'object' && value !== null
			? flatten({ ...value }, `${prefix}${name}.`)
			: [[prefix + name, typeof value === 'number' ? String(Number(value.toPrecision(4))) : String(value)]],
	);
}
