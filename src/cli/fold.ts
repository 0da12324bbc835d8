import { stat } from 'node:fs/promises';
import path from 'node:path';
import { outputSentence } from '../core/report/comparison-summary.js';
import { foldReasons } from '../core/report/fold-reasons.js';
import { encodeFoldResult, type FoldResult } from '../core/report/fold-result.js';
import { visible } from '../core/text/names.js';
import { writeReason } from '../platform/write-reason.js';
import type { FoldOptions } from '../protocol/host-engine.js';
import { parseOptions, wholeNumber } from './arguments.js';
import { OutputError } from './output.js';
import { UsageError } from './usage.js';
import { withEngine } from './with-engine.js';

/** `batchnorm-lens fold`: writes the folded model; resolves to the exit code. */
export async function foldCommand(argv: readonly string[]): Promise<number> {
	const { model, json, options } = parseFoldArguments(argv);
	await requireFolder(options.output);
	const result = await withEngine((engine, hooks) => engine.fold({ path: model }, options, hooks));
	process.stdout.write(json ? `${JSON.stringify(encodeFoldResult(result))}\n` : renderFold(result));
	return 0;
}

/** Before the work, and in the name of the file that was asked for. @throws {OutputError} */
async function requireFolder(file: string): Promise<void> {
	await stat(path.dirname(file)).catch((error) => {
		throw new OutputError(`${file} cannot be written: ${writeReason(file, error)}.`);
	});
}

interface FoldArguments {
	readonly model: string;
	readonly json: boolean;
	readonly options: Omit<FoldOptions, 'temporary'>;
}

const OPTIONS = {
	json: { type: 'boolean' },
	output: { type: 'string', short: 'o' },
	batch: { type: 'string' },
	seed: { type: 'string' },
} as const;

/** @throws {UsageError} */
export function parseFoldArguments(argv: readonly string[]): FoldArguments {
	const { values, positionals } = parseOptions(argv, OPTIONS);
	const [model] = positionals;
	if (positionals.length !== 1 || model === undefined) {
		throw new UsageError(
			positionals.length === 0 ? 'fold needs a model file.' : `fold takes one model, not ${positionals.length}.`,
		);
	}
	if (!values.output) {
		throw new UsageError('fold needs the name of the file to write: -o OUT.');
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

/** Renders the folded layers, the reasons for the rest, and the verification of the file. */
export function renderFold({ model, written, folded, kept, outputs }: FoldResult): string {
	const all = folded.length + kept.length;
	if (all === 0) {
		return `${visible(model)} has no BatchNormalization: nothing was written.\n`;
	}
	const layers = `${all} BatchNorm layer${all === 1 ? '' : 's'}`;
	const lines = [
		written === null
			? `None of ${layers} can be folded: nothing was written.`
			: `Folded ${folded.length} of ${layers} into ${visible(written.path)} (${written.bytes} bytes).`,
		...kept.map(({ name, reasons }) => `  not folded: ${visible(name)}: ${foldReasons(reasons)}`),
		...(written === null ? [] : [visible(outputSentence(outputs))]),
	];
	return `${lines.join('\n')}\n`;
}
