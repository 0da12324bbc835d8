import { outputSentence } from '../../core/report/comparison/summary.js';
import { foldReasons } from '../../core/report/fold-reasons.js';
import { encodeFoldResult, type FoldedLayer, type FoldResult } from '../../core/report/fold-result.js';
import { visible } from '../../core/text/names.js';
import { count } from '../../core/text/sentences.js';
import type { FoldOptions } from '../../protocol/host-engine.js';
import { onlyModel, parseOptions, requiredOutput, wholeNumber } from '../arguments.js';
import { EXIT_FAILED } from '../exit.js';
import { requireFolder, withShortPaths } from '../output.js';
import { grouped } from '../render/grouped.js';
import { parseTimeout, TIMEOUT_OPTION, type TimeLimit } from '../run-options.js';
import { withEngine } from '../with-engine.js';

/** `batchnorm-lens fold`: writes the folded model; resolves to the exit code. */
export async function foldCommand(argv: readonly string[]): Promise<number> {
	const { model, json, options, ...limit } = parseFoldArguments(argv);
	await requireFolder(options.output);
	const found = await withEngine((engine, hooks) => engine.fold({ path: model }, options, hooks), limit);
	const result = withShortPaths(found, [model, options.output], { json });
	const problem = problemOf(result);
	if (json) {
		process.stdout.write(`${JSON.stringify(encodeFoldResult(result))}\n`);
	} else {
		process.stdout.write(renderFold(result));
	}
	if (problem === undefined) {
		return 0;
	}
	process.stderr.write(`${visible(problem)}\n`);
	return EXIT_FAILED;
}

/** Returns a sentence if no run could judge the written file. */
function problemOf({ written, folded, outputs }: FoldResult): string | undefined {
	const unverified = folded.filter((layer) => layer.unverified !== undefined);
	return written !== null && unverified.length > 0 && outputs.status !== 'match'
		? `${written.path} was written, but no run could verify ${count(unverified.length, 'folded layer')}: ${unverified[0]?.unverified}`
		: undefined;
}

interface FoldArguments extends TimeLimit {
	readonly model: string;
	readonly json: boolean;
	readonly options: Omit<FoldOptions, 'temporary'>;
}

const OPTIONS = {
	json: { type: 'boolean' },
	output: { type: 'string', short: 'o' },
	batch: { type: 'string' },
	seed: { type: 'string' },
	...TIMEOUT_OPTION,
	'treat-inputs-as-constants': { type: 'boolean' },
} as const;

/** @throws {UsageError} */
export function parseFoldArguments(argv: readonly string[]): FoldArguments {
	const { values, positionals } = parseOptions(argv, OPTIONS);
	return {
		model: onlyModel('fold', positionals),
		json: values.json ?? false,
		...parseTimeout(values),
		options: {
			output: requiredOutput('fold', values.output),
			batch: wholeNumber('--batch', values.batch ?? '1', 1),
			seed: wholeNumber('--seed', values.seed ?? '0', 0),
			...(values['treat-inputs-as-constants'] && { treatsInputsAsConstants: true }),
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
		...grouped(kept, ({ reasons }) => foldReasons(reasons)).map((line) => `  not folded: ${line}`),
		...(kept.some(({ reasons }) => reasons.includes('overridable')) ? [INPUTS_HINT] : []),
		...(written === null ? [] : verificationLines(folded, outputs)),
	];
	return `${lines.join('\n')}\n`;
}

const INPUTS_HINT = 'Fold constants that are listed as inputs, too, with --treat-inputs-as-constants.';

function verificationLines(folded: readonly FoldedLayer[], outputs: FoldResult['outputs']): readonly string[] {
	const unverified = folded.filter((layer) => layer.unverified !== undefined);
	const verified = folded.length - unverified.length;
	const which = unverified.length > 0 ? `${verified} of ${folded.length} folded layers` : 'Every folded layer';
	return [
		...(verified > 0 ? [`${which} gave the original's values on random input, within rounding.`] : []),
		...grouped(unverified, (layer) => layer.unverified ?? '').map((line) => `  not verified: ${line}`),
		visible(outputSentence(outputs)),
	];
}
