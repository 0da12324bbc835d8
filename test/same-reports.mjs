// Compares the reports of two builds: node test/same-reports.mjs OLD/dist/cli.js NEW/dist/cli.js MODEL-OR-FOLDER… [-- ARGUMENT…]
import { execFile } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Fields whose values differ between two runs of one build: durations in ms, and memory. */
const VARYING = new Set(['milliseconds']);
/** Fields that hold sentences for people. A difference in one of these counts as reworded, not as different. */
const SENTENCES = new Set([
	'message',
	'reason',
	'reasons',
	'evidence',
	'advice',
	'remarks',
	'note',
	'notes',
	'summary',
]);
/** Suffixes of a deployed model's name that make a pair with NAME.onnx or NAME.orig.onnx. */
const DEPLOYED = ['.folded.onnx', '.dep.onnx', '.kept.onnx', '.wrong.onnx', '_simplified.onnx'];

/** Longest time for one report, in ms: a model may loop for ever. */
const TIME_LIMIT = 60_000;

/** @typedef {{ readonly where: string, readonly before: unknown, readonly after: unknown, readonly isSentence: boolean }} Difference */

/**
 * Returns the places where two JSON values differ, apart from varying fields.
 * @param {unknown} before
 * @param {unknown} after
 * @param {string} [where] Path of the values in their document.
 * @param {boolean} [isSentence] True if the values lie below a field of sentences.
 * @returns {Difference[]}
 */
function findDifferences(before, after, where = '', isSentence = false) {
	if (!isObject(before) || !isObject(after) || Array.isArray(before) !== Array.isArray(after)) {
		return Object.is(before, after) ? [] : [{ where, before, after, isSentence }];
	}
	return [...new Set([...Object.keys(before), ...Object.keys(after)])]
		.filter((key) => !VARYING.has(key))
		.flatMap((key) => findDifferences(before[key], after[key], `${where}/${key}`, isSentence || SENTENCES.has(key)));
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
function isObject(value) {
	return typeof value === 'object' && value !== null;
}

/**
 * Runs one command of a build. An error is part of the result: the exit status and the line on standard error count, too.
 * @param {string} cli
 * @param {readonly string[]} args
 */
async function runCommand(cli, args) {
	const { stdout, stderr, code } = await execute(process.execPath, [cli, ...args, '--json'], {
		maxBuffer: 2 ** 30,
		timeout: TIME_LIMIT,
	}).then(
		(output) => ({ ...output, code: 0 }),
		(error) => ({ stdout: String(error.stdout), stderr: String(error.stderr), code: error.code }),
	);
	return { code, reason: stderr, report: stdout === '' ? null : parse(stdout) };
}

/**
 * Parses a document. A command that was ended at the time limit may leave half of one, which is returned as text.
 * @param {string} text
 */
function parse(text) {
	try {
		return JSON.parse(text);
	} catch {
		return text;
	}
}

/** @param {readonly string[]} operands Files and folders. */
function findModels(operands) {
	return operands
		.flatMap((operand) =>
			statSync(operand).isDirectory()
				? readdirSync(operand, { recursive: true, encoding: 'utf8' })
						.map((file) => path.join(operand, file))
						.sort()
				: [operand],
		)
		.filter((file) => file.endsWith('.onnx'));
}

/** @param {readonly string[]} models */
function findPairs(models) {
	return models.flatMap((deployed) => {
		const suffix = DEPLOYED.find((ending) => deployed.endsWith(ending));
		const stem = suffix && deployed.slice(0, -suffix.length);
		const originals = ['.onnx', '.orig.onnx', '_without_postprocessing.onnx'].map((ending) => `${stem}${ending}`);
		return originals.filter((original) => models.includes(original)).map((original) => [original, deployed]);
	});
}

const separator = process.argv.indexOf('--');
const operands = process.argv.slice(2, separator < 0 ? undefined : separator);
const extra = separator < 0 ? [] : process.argv.slice(separator + 1);
const [before, after, ...folders] = operands;
if (!before || !after || folders.length === 0) {
	throw new Error('Usage: node test/same-reports.mjs OLD/dist/cli.js NEW/dist/cli.js MODEL-OR-FOLDER… [-- ARGUMENT…]');
}
const models = findModels(folders);
const commands = [
	...models.map((model) => ['inspect', model, ...extra]),
	...findPairs(models).map((pair) => ['compare', ...pair]),
];
let different = 0;
/** @type {Map<string, string>} New sentence by old sentence. */
const reworded = new Map();
/** Paths of fields that only the new build writes, which the contract allows. @type {Set<string>} */
const added = new Set();
for (const command of commands) {
	const [old, current] = await Promise.all([runCommand(before, command), runCommand(after, command)]);
	const differences = findDifferences(old, current);
	for (const { before: was, after: is } of differences.filter(
		({ isSentence, before: was }) => isSentence && was !== undefined,
	)) {
		reworded.set(String(was), String(is));
	}
	const isAdded = (/** @type {Difference} */ { before: was }) => was === undefined;
	for (const { where } of differences.filter(isAdded)) {
		added.add(where.replace(/\/\d+/g, '/*'));
	}
	const real = differences.filter((difference) => !difference.isSentence && !isAdded(difference));
	different += real.length > 0 ? 1 : 0;
	for (const { where, before: was, after: is } of real.slice(0, 10)) {
		console.log(`${command.join(' ')}: ${where}: ${JSON.stringify(was)} -> ${JSON.stringify(is)}`);
	}
}
for (const where of added) {
	console.log(`added: ${where}`);
}
for (const [was, is] of reworded) {
	console.log(`reworded: ${was.trim()}\n       to: ${is.trim()}`);
}
console.log(`${commands.length} reports, ${different} different, ${reworded.size} sentences reworded`);
process.exitCode = different > 0 ? 1 : 0;
