import path from 'node:path';
import { encodeReestimation, type ReestimationResult } from '../../core/report/reestimation.js';
import {
	encodeStatistics,
	parseStatistics,
	STATISTICS_MODES,
	type StatisticsMode,
	type StatisticsReport,
} from '../../core/report/statistics.js';
import { visible } from '../../core/text/names.js';
import { identities, refuseInput } from '../../platform/replace-file.js';
import type { ReestimateOptions } from '../../protocol/host-engine.js';
import { onlyModel, parseOptions, wholeNumber } from '../arguments.js';
import { EXIT_FAILED } from '../exit.js';
import { parseDocument, readDocument } from '../json-file.js';
import { requireFolder, withShortPaths, writeText } from '../output.js';
import { renderReestimation, renderStatistics } from '../render/reestimation.js';
import {
	joinNormalization,
	parseInput,
	parseRunOptions,
	parseTimeout,
	TIMEOUT_OPTION,
	type TimeLimit,
} from '../run-options.js';
import { UsageError } from '../usage.js';
import { withEngine } from '../with-engine.js';

/** `batchnorm-lens reestimate`: computes or writes population statistics; resolves to the exit code. */
export async function reestimateCommand(argv: readonly string[]): Promise<number> {
	const { model, json, statisticsOnly, statisticsFile, output, options, limit } = parseReestimateArguments(argv);
	if (output !== undefined) {
		await requireFolder(output);
	}
	if (output !== undefined && statisticsFile !== undefined) {
		await refuseInput(output, await identities([statisticsFile]));
	}
	const statistics = statisticsFile === undefined ? undefined : await readStatistics(statisticsFile);
	const choices = {
		...options,
		...(statistics && { statistics }),
		...(!statisticsOnly && output !== undefined && { output }),
	};
	const isJson = json || (statisticsOnly && output !== undefined);
	const found = await withEngine((engine, hooks) => engine.reestimate({ path: model }, choices, hooks), limit);
	const data = options.inputs.map(({ path: file }) => file);
	const files = [model, ...data, ...(output === undefined ? [] : [output])];
	const result = withShortPaths(found, files, { json: isJson });
	if (statisticsOnly) {
		const text = isJson
			? `${JSON.stringify(encodeStatistics(result.statistics))}\n`
			: renderStatistics(result.statistics);
		await writeText(text, output, [model, ...data]);
		for (const note of result.notes) {
			process.stderr.write(`${visible(note)}\n`);
		}
		return result.kept.length > 0 ? reportKept(result) : 0;
	}
	process.stdout.write(json ? `${JSON.stringify(encodeReestimation(result))}\n` : renderReestimation(result));
	return statusOf(result);
}

function reportKept({ kept }: ReestimationResult): number {
	for (const { name, reason } of kept) {
		process.stderr.write(`${visible(`${name} was not re-estimated: ${reason}.`)}\n`);
	}
	return 1;
}

/** Returns 1 for a layer that was kept or does not fit its data, and 2 if no run could verify the written file. */
function statusOf({ written, kept, check }: ReestimationResult): number {
	if (check.status === 'skipped') {
		process.stderr.write(`${visible(`${written?.path} was written, but no run could verify it: ${check.reason}`)}\n`);
		return EXIT_FAILED;
	}
	return kept.length > 0 || check.status === 'mismatch' ? 1 : 0;
}

/** @throws {MergeError} one sentence that names the file. */
async function readStatistics(file: string): Promise<StatisticsReport> {
	return parseDocument(file, parseStatistics, await readDocument(file), 'a file of statistics');
}

interface ReestimateArguments {
	readonly model: string;
	readonly json: boolean;
	readonly statisticsOnly: boolean;
	/** File with statistics to write. */
	readonly statisticsFile: string | undefined;
	/** The model to write, or with `statisticsOnly` the file for the statistics. */
	readonly output: string | undefined;
	readonly limit: TimeLimit;
	readonly options: Omit<ReestimateOptions, 'output' | 'temporary' | 'statistics'>;
}

const OPTIONS = {
	json: { type: 'boolean' },
	input: { type: 'string', multiple: true },
	batch: { type: 'string' },
	mode: { type: 'string' },
	'statistics-only': { type: 'boolean' },
	statistics: { type: 'string' },
	output: { type: 'string', short: 'o' },
	dim: { type: 'string', multiple: true },
	normalize: { type: 'string' },
	colors: { type: 'string' },
	'memory-budget': { type: 'string' },
	...TIMEOUT_OPTION,
} as const;

/** @throws {UsageError} */
export function parseReestimateArguments(argv: readonly string[]): ReestimateArguments {
	const { values, positionals } = parseOptions(joinNormalization(argv), OPTIONS);
	const model = onlyModel('reestimate', positionals);
	const statisticsOnly = values['statistics-only'] ?? false;
	if (statisticsOnly && values.statistics !== undefined) {
		throw new UsageError('--statistics-only computes statistics and --statistics writes them: give one.');
	}
	if (values.statistics === undefined && !values.input?.length) {
		throw new UsageError('reestimate needs data: --input NAME=FILE, or a folder.');
	}
	if (!statisticsOnly && !values.output) {
		throw new UsageError('reestimate needs the name of the file to write: -o OUT, or --statistics-only.');
	}
	const mode = parseMode(values.mode ?? 'batch');
	if (statisticsOnly && mode === 'sequential') {
		throw new UsageError(
			'Statistics of --mode sequential cannot be merged, since each layer depends on all data: leave out --statistics-only.',
		);
	}
	return {
		model,
		json: values.json ?? false,
		statisticsOnly,
		statisticsFile: values.statistics === undefined ? undefined : path.resolve(values.statistics),
		output: values.output ? path.resolve(values.output) : undefined,
		limit: parseTimeout(values),
		options: {
			...parseRunOptions(values),
			inputs: (values.input ?? []).map(parseInput),
			mode,
			...(values.batch !== undefined && { batch: wholeNumber('--batch', values.batch, 1) }),
		},
	};
}

function parseMode(text: string): StatisticsMode {
	const mode = STATISTICS_MODES.find((known) => known === text);
	if (!mode) {
		throw new UsageError(`--mode takes ${STATISTICS_MODES.join(' or ')}, not "${text}".`);
	}
	return mode;
}
