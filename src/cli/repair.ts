import path from 'node:path';
import { encodeRepairResult, type RepairResult } from '../core/report/repair-result.js';
import { visible } from '../core/text/names.js';
import { count } from '../core/text/sentences.js';
import type { RepairOptions } from '../protocol/host-engine.js';
import { parseOptions, wholeNumber } from './arguments.js';
import { EXIT_FAILED } from './exit.js';
import { grouped } from './grouped.js';
import { requireFolder } from './output.js';
import { UsageError } from './usage.js';
import { withEngine } from './with-engine.js';

/** `batchnorm-lens repair`: writes the repaired model; resolves to the exit code. */
export async function repairCommand(argv: readonly string[]): Promise<number> {
	const { model, json, options } = parseRepairArguments(argv);
	await requireFolder(options.output);
	const result = await withEngine((engine, hooks) => engine.repair({ path: model }, options, hooks));
	process.stdout.write(json ? `${JSON.stringify(encodeRepairResult(result))}\n` : renderRepair(result));
	const problem = unjudged(result);
	if (problem !== undefined) {
		process.stderr.write(`${visible(problem)}\n`);
		return EXIT_FAILED;
	}
	return result.unrepaired.length > 0 ? 1 : 0;
}

/** Returns a sentence if no run could judge the written file. */
function unjudged({ written, check }: RepairResult): string | undefined {
	return written !== null && check.status === 'skipped'
		? `${written.path} was written, but no run could verify it: ${check.reason}`
		: undefined;
}

interface RepairArguments {
	readonly model: string;
	readonly json: boolean;
	readonly options: Omit<RepairOptions, 'temporary'>;
}

const OPTIONS = {
	json: { type: 'boolean' },
	output: { type: 'string', short: 'o' },
	batch: { type: 'string' },
	seed: { type: 'string' },
} as const;

/** @throws {UsageError} */
export function parseRepairArguments(argv: readonly string[]): RepairArguments {
	const { values, positionals } = parseOptions(argv, OPTIONS);
	const [model] = positionals;
	if (positionals.length !== 1 || model === undefined) {
		throw new UsageError(
			positionals.length === 0 ? 'repair needs a model file.' : `repair takes one model, not ${positionals.length}.`,
		);
	}
	if (!values.output) {
		throw new UsageError('repair needs the name of the file to write: -o OUT.');
	}
	return {
		model: path.resolve(model),
		json: values.json ?? false,
		options: {
			output: path.resolve(values.output),
			batch: wholeNumber('--batch', values.batch ?? '1', 1),
			seed: wholeNumber('--seed', values.seed ?? '0', 0),
		},
	};
}

/** Renders the changes, the parts that could not be repaired, and the verification of the file. */
export function renderRepair({ model, written, examined, repaired, unrepaired, notes, check }: RepairResult): string {
	if (examined === 0) {
		return `${visible(model)} has neither BatchNormalization nor Dropout: nothing was written.\n`;
	}
	const needsNone = unrepaired.length === 0 ? 'needs no repair' : 'was not repaired';
	const lines = [
		written === null
			? `${visible(model)} ${needsNone}: nothing was written.`
			: `Repaired ${count(repaired.length, 'operator')} of ${examined} in ${visible(written.path)} (${written.bytes} bytes).`,
		...grouped(repaired, ({ op, change }) => `${op} ${change}`).map((line) => `  ${line}`),
		...grouped(unrepaired, ({ op, reason }) => `${op}: ${reason}`).map((line) => `  not repaired: ${line}`),
		...notes.map(visible),
		...(written === null ? [] : [visible(check.status === 'match' ? check.evidence : `Not run: ${check.reason}`)]),
	];
	return `${lines.join('\n')}\n`;
}
