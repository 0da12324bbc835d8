import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { MergeError, mergeReports, missingStatistics, type NamedReport } from '../core/inspection/merge-reports.js';
import { parseReport, ReportError } from '../core/report/json.js';
import { visible } from '../core/text/names.js';
import { reasonOf } from '../platform/file-source.js';
import { parseOptions } from './arguments.js';
import { decodeText } from './decode-text.js';
import { reportStatus } from './exit.js';
import { type FailOn, parseFailOn } from './fail-on.js';
import { type OutputOptions, parseOutputOptions, writeOutput } from './output.js';
import { UsageError } from './usage.js';

/** Runs `batchnorm-lens merge`: prints several reports as a single one. Resolves to the exit code. */
export async function mergeCommand(argv: readonly string[]): Promise<number> {
	const { files, output, failOn } = parseMergeArguments(argv);
	const reports: NamedReport[] = [];
	for (const file of files) {
		reports.push({ file, report: await readReport(file) });
	}
	const merged = mergeReports(reports);
	await writeOutput(merged, output, { failOn, inputs: files });
	for (const sentence of missingStatistics(reports)) {
		process.stderr.write(`${visible(sentence)}\n`);
	}
	return reportStatus(merged, failOn);
}

interface MergeArguments {
	readonly files: readonly string[];
	readonly output: OutputOptions;
	readonly failOn: FailOn;
}

const OPTIONS = {
	json: { type: 'boolean' },
	format: { type: 'string' },
	output: { type: 'string', short: 'o' },
	'fail-on': { type: 'string' },
} as const;

/** @throws {UsageError} */
export function parseMergeArguments(argv: readonly string[]): MergeArguments {
	const { values, positionals } = parseOptions(argv, OPTIONS);
	if (positionals.length === 0) {
		throw new UsageError('merge needs the reports to merge, as inspect --json writes them.');
	}
	const files = positionals.map((file) => path.resolve(file));
	return { files, output: parseOutputOptions(values), failOn: parseFailOn(values['fail-on']) };
}

/** @throws {MergeError} one sentence that names the file. */
async function readReport(file: string): Promise<NamedReport['report']> {
	try {
		return parseReport(JSON.parse(decodeText(await readFile(file))));
	} catch (error) {
		if (error instanceof ReportError) {
			throw new MergeError(`${file} is not a report that can be merged: ${error.message}`);
		}
		if (error instanceof SyntaxError) {
			throw new MergeError(`${file} is not JSON: write it with inspect --json.`);
		}
		throw new MergeError(`${file} cannot be read: ${reasonOf(error)}.`);
	}
}
