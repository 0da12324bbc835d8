import path from 'node:path';
import { MergeError, mergeReports, missingStatistics } from '../../core/inspection/merge-reports.js';
import { mergeStatistics } from '../../core/inspection/merge-statistics.js';
import { isObject } from '../../core/report/decode.js';
import { parseReport } from '../../core/report/json.js';
import { encodeStatistics, parseStatistics, STATISTICS_FORMAT } from '../../core/report/statistics.js';
import { visible } from '../../core/text/names.js';
import { sameFiles } from '../../platform/replace-file.js';
import { parseOptions } from '../arguments.js';
import { reportStatus } from '../exit.js';
import { type FailOn, parseFailOn } from '../fail-on.js';
import { parseDocument, readDocument } from '../json-file.js';
import { type OutputOptions, parseOutputOptions, writeOutput, writeText } from '../output.js';
import { renderStatistics } from '../render/reestimation.js';
import { UsageError } from '../usage.js';

/**
 * Runs `batchnorm-lens merge`: merges several reports, or statistics, and prints the result. Resolves to the exit code.
 */
export async function mergeCommand(argv: readonly string[]): Promise<number> {
	const { files, output, failOn } = parseMergeArguments(argv);
	await refuseRepeatedFiles(files);
	const documents: Document[] = [];
	for (const file of files) {
		documents.push({ file, value: await readDocument(file) });
	}
	if (documents.some(isStatistics)) {
		const other = documents.find((document) => !isStatistics(document));
		if (other) {
			throw new MergeError(
				`${other.file} has no statistics as ${documents.find(isStatistics)?.file} has: merge one kind.`,
			);
		}
		await mergeStatisticsFiles(documents, output, files);
		return 0;
	}
	const reports = documents.map(({ file, value }) => ({
		file,
		report: parseDocument(file, parseReport, value, 'a report that can be merged'),
	}));
	const merged = mergeReports(reports);
	await writeOutput(merged, output, { failOn, inputs: files });
	for (const sentence of missingStatistics(reports)) {
		process.stderr.write(`${visible(sentence)}\n`);
	}
	return reportStatus(merged, failOn);
}

/** @throws {MergeError} if two names are of one file, whose part of the data would count twice */
async function refuseRepeatedFiles(files: readonly string[]): Promise<void> {
	const [repeated] = await sameFiles(files);
	if (repeated) {
		const [file, other] = repeated;
		throw new MergeError(
			`${file} is given twice${other === file ? '' : `, also as ${other}`}, so that its part of the data would count twice: give each file once.`,
		);
	}
}

interface Document {
	readonly file: string;
	readonly value: unknown;
}

const isStatistics = ({ value }: Document): boolean => isObject(value) && value.format === STATISTICS_FORMAT;

/** @throws {MergeError | UsageError | WriteError} */
async function mergeStatisticsFiles(
	documents: readonly Document[],
	{ format, file }: OutputOptions,
	inputs: readonly string[],
): Promise<void> {
	if (format !== 'text' && format !== 'json') {
		throw new UsageError(`Merged statistics are written as text or json, not as ${format}.`);
	}
	const merged = mergeStatistics(
		documents.map((document) => ({
			file: document.file,
			statistics: parseDocument(
				document.file,
				parseStatistics,
				document.value,
				'a file of statistics that can be merged',
			),
		})),
	);
	const isJson = format === 'json' || file !== undefined;
	await writeText(isJson ? `${JSON.stringify(encodeStatistics(merged))}\n` : renderStatistics(merged), file, inputs);
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
		throw new UsageError(
			'merge needs the files to merge, as inspect --json or reestimate --statistics-only writes them.',
		);
	}
	const files = positionals.map((file) => path.resolve(file));
	return { files, output: parseOutputOptions(values), failOn: parseFailOn(values['fail-on']) };
}
