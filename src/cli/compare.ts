import path from 'node:path';
import type { Comparison } from '../core/report/comparison.js';
import { encodeComparison } from '../core/report/comparison-json.js';
import { visible } from '../core/text/names.js';
import type { CompareOptions } from '../protocol/host-engine.js';
import { parseOptions, wholeNumber } from './arguments.js';
import { EXIT_FAILED } from './exit.js';
import { renderComparison } from './render-comparison.js';
import { joinNormalization, parseInput, parseRunOptions, RUN_OPTIONS } from './run-options.js';
import { UsageError } from './usage.js';
import { withEngine } from './with-engine.js';

/** `batchnorm-lens compare`: prints the comparison; resolves to the exit code. */
export async function compareCommand(argv: readonly string[]): Promise<number> {
	const { original, deployed, json, options } = parseCompareArguments(argv);
	const models = { original: { path: original }, deployed: { path: deployed } };
	const comparison = await withEngine((engine, hooks) => engine.compare(models, options, hooks));
	const text = json
		? `${JSON.stringify(encodeComparison(comparison))}\n`
		: renderComparison(comparison, process.stdout);
	process.stdout.write(text);
	if (hasMismatch(comparison)) {
		return 1;
	}
	const reason = whyNotJudged(comparison);
	if (reason !== undefined) {
		process.stderr.write(`${visible(`${original} against ${deployed}: ${reason}`)}\n`);
		return EXIT_FAILED;
	}
	return 0;
}

interface CompareArguments {
	readonly original: string;
	readonly deployed: string;
	readonly json: boolean;
	readonly options: CompareOptions;
}

const OPTIONS = {
	json: { type: 'boolean' },
	'no-run': RUN_OPTIONS['no-run'],
	input: RUN_OPTIONS.input,
	batch: RUN_OPTIONS.batch,
	dim: RUN_OPTIONS.dim,
	seed: RUN_OPTIONS.seed,
	random: RUN_OPTIONS.random,
	normalize: RUN_OPTIONS.normalize,
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
	return {
		original: path.resolve(original),
		deployed: path.resolve(deployed),
		json: values.json ?? false,
		options: {
			run: !values['no-run'],
			batch: wholeNumber('--batch', values.batch ?? '1', 1),
			seed: wholeNumber('--seed', values.seed ?? '0', 0),
			...(values.input && { inputs: values.input.map(parseInput) }),
			...parseRunOptions(values),
		},
	};
}

/** Returns the reason, as a sentence, why a comparison without a mismatch says nothing about the deployed model. */
export function whyNotJudged({ layers, summary, outputs }: Comparison): string | undefined {
	if (outputs?.status === 'skipped' && outputs.refused === 'deployed') {
		return outputs.reason;
	}
	if (outputs?.status === 'match' || summary.match + summary.kept > 0) {
		return undefined;
	}
	const why = outputs?.status === 'skipped' ? ` Outputs not compared: ${outputs.reason}` : '';
	return layers.length === 0
		? `there is no BatchNormalization to compare.${why}`
		: `none of its layers could be judged.${why}`;
}

/** True if a layer or an output mismatches. A network with correct layers may be broken elsewhere. */
export function hasMismatch({ summary, outputs }: Comparison): boolean {
	return summary.mismatch > 0 || outputs?.status === 'mismatch';
}
