import path from 'node:path';
import { withTolerance } from '../../core/report/comparison/tolerance.js';
import { visible } from '../../core/text/names.js';
import { requireSeparateFiles } from '../../platform/replace-file.js';
import type { CompareOptions } from '../../protocol/host-engine.js';
import { parseOptions, share, wholeNumber } from '../arguments.js';
import {
	announceBaseline,
	BASELINE_OPTIONS,
	type BaselineChoice,
	BaselineFile,
	judgeComparison,
	parseBaselineOptions,
} from '../baseline.js';
import { comparisonStatus, EXIT_FAILED, whyNotJudged } from '../exit.js';
import { type FailOn, parseFailOn } from '../fail-on.js';
import { type OutputOptions, parseOutputOptions, requireFolder, writeComparison } from '../output.js';
import {
	joinNormalization,
	parseInput,
	parseRunOptions,
	parseTimeout,
	RUN_OPTIONS,
	TIMEOUT_OPTION,
	type TimeLimit,
} from '../run-options.js';
import { UsageError } from '../usage.js';
import { withEngine } from '../with-engine.js';

/** `batchnorm-lens compare`: prints the comparison; resolves to the exit code. */
export async function compareCommand(argv: readonly string[]): Promise<number> {
	const { original, deployed, output, failOn, tolerance, baseline, options, ...limit } = parseCompareArguments(argv);
	if (output.file !== undefined) {
		await requireFolder(output.file);
	}
	await requireSeparateFiles([baseline?.file, output.file]);
	const accepted = baseline && (await BaselineFile.read(baseline));
	const models = { original: { path: original }, deployed: { path: deployed } };
	const request = { ...options, ...(output.file !== undefined && { output: output.file }) };
	const found = await withEngine((engine, hooks) => engine.compare(models, request, hooks), limit);
	const measured = tolerance === undefined ? found : withTolerance(found, tolerance);
	const inputs = [original, deployed, ...(options.inputs ?? []).map((input) => input.path)];
	const comparison = accepted ? await judgeComparison(measured, accepted, inputs) : measured;
	await writeComparison(comparison, output, { failOn, inputs });
	announceBaseline(comparison.baseline, output);
	const status = comparisonStatus(comparison, failOn);
	if (status === EXIT_FAILED) {
		process.stderr.write(`${visible(`${original} against ${deployed}: ${whyNotJudged(comparison)}`)}\n`);
	}
	return status;
}

interface CompareArguments extends TimeLimit {
	readonly original: string;
	readonly deployed: string;
	readonly output: OutputOptions;
	readonly failOn: FailOn;
	/** Share of the largest value below which a difference does not fail; undefined: no tolerance. */
	readonly tolerance: number | undefined;
	readonly baseline?: BaselineChoice;
	readonly options: CompareOptions;
}

const OPTIONS = {
	json: { type: 'boolean' },
	format: { type: 'string' },
	output: { type: 'string', short: 'o' },
	'fail-on': { type: 'string' },
	tolerance: { type: 'string' },
	...BASELINE_OPTIONS,
	...TIMEOUT_OPTION,
	'no-run': RUN_OPTIONS['no-run'],
	input: RUN_OPTIONS.input,
	batch: RUN_OPTIONS.batch,
	dim: RUN_OPTIONS.dim,
	seed: RUN_OPTIONS.seed,
	random: RUN_OPTIONS.random,
	normalize: RUN_OPTIONS.normalize,
	colors: RUN_OPTIONS.colors,
	'memory-budget': RUN_OPTIONS['memory-budget'],
} as const;

/** @throws {UsageError} */
export function parseCompareArguments(argv: readonly string[]): CompareArguments {
	const { values, positionals } = parseOptions(joinNormalization(argv), OPTIONS);
	const [original, deployed] = positionals;
	if (positionals.length !== 2 || original === undefined || deployed === undefined) {
		throw new UsageError(
			positionals.length < 2
				? 'compare needs two model files: the original and the deployed one.'
				: `compare takes two models, not ${positionals.length}.`,
		);
	}
	const baseline = parseBaselineOptions(values);
	return {
		original: path.resolve(original),
		deployed: path.resolve(deployed),
		output: parseOutputOptions(values),
		...(baseline && { baseline }),
		failOn: parseFailOn(values['fail-on']),
		...parseTimeout(values),
		tolerance: values.tolerance === undefined ? undefined : share('--tolerance', values.tolerance),
		options: {
			run: !values['no-run'],
			batch: wholeNumber('--batch', values.batch ?? '1', 1),
			seed: wholeNumber('--seed', values.seed ?? '0', 0),
			...(values.input && { inputs: values.input.map(parseInput) }),
			...parseRunOptions(values),
		},
	};
}
