import path from 'node:path';
import { encodeRepairResult, type RepairResult } from '../../core/report/repair-result.js';
import { visible } from '../../core/text/names.js';
import { count } from '../../core/text/sentences.js';
import type { RepairOptions } from '../../protocol/host-engine.js';
import { onlyModel, parseOptions, requiredOutput, wholeNumber } from '../arguments.js';
import { EXIT_FAILED } from '../exit.js';
import { requireFolder, withShortPaths } from '../output.js';
import { grouped } from '../render/grouped.js';
import { parseTimeout, TIMEOUT_OPTION, type TimeLimit } from '../run-options.js';
import { withEngine } from '../with-engine.js';

/** `batchnorm-lens repair`: writes the repaired model; resolves to the exit code. */
export async function repairCommand(argv: readonly string[]): Promise<number> {
	const { model, original, json, options, ...limit } = parseRepairArguments(argv);
	await requireFolder(options.output);
	const models = { model: { path: model }, ...(original !== undefined && { original: { path: original } }) };
	const found = await withEngine((engine, hooks) => engine.repair(models, options, hooks), limit);
	const files = [model, options.output, ...(original === undefined ? [] : [original])];
	const result = withShortPaths(found, files, { json });
	process.stdout.write(json ? `${JSON.stringify(encodeRepairResult(result))}\n` : renderRepair(result));
	const problem = unjudged(result);
	if (problem !== undefined) {
		process.stderr.write(`${visible(problem)}\n`);
		return EXIT_FAILED;
	}
	return result.unrepaired.length > 0 || result.check.status === 'mismatch' ? 1 : 0;
}

/** Returns a sentence if no run could judge the written file, or a deployed model that seems right. */
function unjudged({ model, original, written, examined, unrepaired, check }: RepairResult): string | undefined {
	if (check.status !== 'skipped' || examined === 0 || unrepaired.length > 0) {
		return undefined;
	}
	if (written !== null) {
		return `${written.path} was written, but no run could verify it: ${check.reason}`;
	}
	return original === undefined
		? undefined
		: `${model} has the right folds, but no run could confirm it: ${check.reason}`;
}

interface RepairArguments extends TimeLimit {
	readonly model: string;
	/** Path of the model with the right values; undefined: switch to inference. */
	readonly original: string | undefined;
	readonly json: boolean;
	readonly options: Omit<RepairOptions, 'temporary'>;
}

const OPTIONS = {
	json: { type: 'boolean' },
	original: { type: 'string' },
	output: { type: 'string', short: 'o' },
	batch: { type: 'string' },
	seed: { type: 'string' },
	...TIMEOUT_OPTION,
} as const;

/** @throws {UsageError} */
export function parseRepairArguments(argv: readonly string[]): RepairArguments {
	const { values, positionals } = parseOptions(argv, OPTIONS);
	return {
		model: onlyModel('repair', positionals),
		original: values.original === undefined ? undefined : path.resolve(values.original),
		json: values.json ?? false,
		...parseTimeout(values),
		options: {
			output: requiredOutput('repair', values.output),
			batch: wholeNumber('--batch', values.batch ?? '1', 1),
			seed: wholeNumber('--seed', values.seed ?? '0', 0),
		},
	};
}

/** Renders the changes, the parts that could not be repaired, and the verification of the file. */
export function renderRepair({
	model,
	original,
	written,
	examined,
	repaired,
	unrepaired,
	notes,
	check,
}: RepairResult): string {
	if (examined === 0) {
		return original === undefined
			? `${visible(model)} has neither BatchNormalization nor Dropout: nothing was written.\n`
			: `${visible(original)} has no BatchNormalization, so nothing was compared or written: give the model before its layers were folded as --original.\n`;
	}
	const needsNone = unrepaired.length === 0 && check.status !== 'mismatch' ? 'needs no repair' : 'was not repaired';
	const lines = [
		written === null
			? `${visible(model)} ${needsNone}: nothing was written.`
			: `Repaired ${count(repaired.length, original === undefined ? 'operator' : 'layer')} of ${examined} in ${visible(written.path)} (${written.bytes} bytes).`,
		...grouped(repaired, ({ op, change }) => `${op} ${change}`).map((line) => `  ${line}`),
		...grouped(unrepaired, ({ op, reason }) => `${op}: ${reason}`).map((line) => `  not repaired: ${line}`),
		...notes.map(visible),
		...(written === null && check.status !== 'mismatch' ? [] : [checkLine(check)]),
	];
	return `${lines.join('\n')}\n`;
}

function checkLine(check: RepairResult['check']): string {
	const words = check.status === 'match' ? check.evidence : check.reason;
	return visible(check.status === 'skipped' ? `Not verified by a run: ${words}` : words);
}
