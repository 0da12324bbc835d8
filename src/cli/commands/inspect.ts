import path from 'node:path';
import { coverage, describeGaps } from '../../core/report/coverage.js';
import { visible } from '../../core/text/names.js';
import { requireSeparateFiles } from '../../platform/replace-file.js';
import type { InspectOptions } from '../../protocol/host-engine.js';
import { onlyModel, parseOptions, wholeNumber } from '../arguments.js';
import {
	announceBaseline,
	BASELINE_OPTIONS,
	type BaselineChoice,
	BaselineFile,
	judgeReport,
	parseBaselineOptions,
} from '../baseline.js';
import { reportStatus } from '../exit.js';
import { type FailOn, parseFailOn } from '../fail-on.js';
import { type OutputOptions, parseOutputOptions, writeOutput } from '../output.js';
import { PartialReport } from '../partial-report.js';
import {
	joinNormalization,
	parseInput,
	parseRunOptions,
	parseTimeout,
	RUN_OPTIONS,
	TIMEOUT_OPTION,
	type TimeLimit,
} from '../run-options.js';
import { withEngine } from '../with-engine.js';

/** `batchnorm-lens inspect`: prints the report; resolves to the exit code. */
export async function inspectCommand(argv: readonly string[]): Promise<number> {
	const { model, output, failOn, baseline, options, ...limit } = parseInspectArguments(argv);
	const inputs = [model, ...options.inputs.map((input) => input.path)];
	const request = { ...options, ...(output.file !== undefined && { output: output.file }) };
	await requireSeparateFiles([baseline?.file, output.file]);
	const accepted = baseline && (await BaselineFile.read(baseline));
	const partial = new PartialReport();
	try {
		const found = await withEngine((engine, hooks) => engine.inspect({ path: model }, request, hooks), {
			onEvent: (event) => partial.add(event),
			...limit,
		});
		const report = accepted ? await judgeReport(found, accepted, inputs) : found;
		// Comes first, so that a long table does not hide it.
		const gap = describeGaps(coverage(report), report.layers.length);
		if (gap !== undefined) {
			process.stderr.write(`${visible(`${model}: ${gap}`)}\n`);
		}
		await writeOutput(report, output, { failOn, inputs });
		announceBaseline(report.baseline, output);
		return reportStatus(report, failOn);
	} catch (error) {
		const report = partial.before(error);
		if (report) {
			await writeOutput(report, output, { failOn, inputs });
		}
		throw error;
	}
}

interface InspectArguments extends TimeLimit {
	readonly model: string;
	readonly output: OutputOptions;
	readonly failOn: FailOn;
	readonly baseline?: BaselineChoice;
	readonly options: InspectOptions;
}

/** @throws {UsageError} */
export function parseInspectArguments(argv: readonly string[]): InspectArguments {
	const { values, positionals } = parseOptions(joinNormalization(argv), OPTIONS);
	const model = onlyModel('inspect', positionals);
	const baseline = parseBaselineOptions(values);
	return {
		model,
		...(baseline && { baseline }),
		output: { ...parseOutputOptions(values), ...(values.explain && { isExplained: true }) },
		failOn: parseFailOn(values['fail-on']),
		...parseTimeout(values),
		options: {
			run: !values['no-run'],
			inputs: (values.input ?? []).map(parseInput),
			batch: wholeNumber('--batch', values.batch ?? '1', 1),
			seed: wholeNumber('--seed', values.seed ?? '0', 0),
			...parseRunOptions(values),
			...(values['save-outputs'] === undefined ? {} : { saveOutputs: path.resolve(values['save-outputs']) }),
		},
	};
}

const OPTIONS = {
	json: { type: 'boolean' },
	format: { type: 'string' },
	output: { type: 'string', short: 'o' },
	explain: { type: 'boolean' },
	...RUN_OPTIONS,
	...TIMEOUT_OPTION,
	'save-outputs': { type: 'string' },
	'fail-on': { type: 'string' },
	...BASELINE_OPTIONS,
} as const;
