import path from 'node:path';
import type { CompareOptions } from '../protocol/host-engine.js';
import { parseOptions, share, wholeNumber } from './arguments.js';
import { BASELINE_OPTIONS, type BaselineChoice, parseBaselineOptions } from './baseline.js';
import { type FailOn, parseFailOn } from './fail-on.js';
import { parseRunOptions, parseTimeout, RUN_OPTIONS, TIMEOUT_OPTION, type TimeLimit } from './run-options.js';
import { UsageError } from './usage.js';

/** Arguments of `batchnorm-lens check`. */
export interface CheckArguments {
	/** Files, folders and patterns of models to inspect. */
	readonly paths: readonly string[];
	/** Absolute paths: original, deployed. */
	readonly pairs: readonly (readonly [string, string])[];
	readonly json: boolean;
	readonly failOn: FailOn;
	readonly tolerance: number | undefined;
	readonly baseline?: BaselineChoice;
	/** Absolute paths of files to write. */
	readonly sarif: string | undefined;
	readonly junit: string | undefined;
	readonly summary: string | undefined;
	/** Limit of each model and pair. */
	readonly limit: TimeLimit;
	readonly options: CompareOptions;
}

const OPTIONS = {
	json: { type: 'boolean' },
	pair: { type: 'string', multiple: true },
	sarif: { type: 'string' },
	junit: { type: 'string' },
	summary: { type: 'string' },
	'fail-on': { type: 'string' },
	tolerance: { type: 'string' },
	...BASELINE_OPTIONS,
	'no-run': RUN_OPTIONS['no-run'],
	batch: RUN_OPTIONS.batch,
	dim: RUN_OPTIONS.dim,
	seed: RUN_OPTIONS.seed,
	'memory-budget': RUN_OPTIONS['memory-budget'],
	...TIMEOUT_OPTION,
} as const;

/** @throws {UsageError} */
export function parseCheckArguments(argv: readonly string[]): CheckArguments {
	const { values, positionals } = parseOptions(argv, OPTIONS);
	const pairs = (values.pair ?? []).map(parsePair);
	if (positionals.length + pairs.length === 0) {
		throw new UsageError('check needs models, folders or patterns to inspect, or pairs to compare (--pair).');
	}
	const baseline = parseBaselineOptions(values);
	const file = (name: string | undefined) => (name === undefined ? undefined : path.resolve(name));
	return {
		paths: positionals,
		pairs,
		json: values.json ?? false,
		failOn: parseFailOn(values['fail-on']),
		tolerance: values.tolerance === undefined ? undefined : share('--tolerance', values.tolerance),
		...(baseline && { baseline }),
		sarif: file(values.sarif),
		junit: file(values.junit),
		summary: file(values.summary),
		limit: parseTimeout(values),
		options: {
			run: !values['no-run'],
			batch: wholeNumber('--batch', values.batch ?? '1', 1),
			seed: wholeNumber('--seed', values.seed ?? '0', 0),
			...parseRunOptions(values),
		},
	};
}

/** ORIGINAL=DEPLOYED. @throws {UsageError} */
function parsePair(text: string): readonly [string, string] {
	const equals = text.indexOf('=');
	if (equals <= 0 || equals === text.length - 1) {
		throw new UsageError(`--pair takes ORIGINAL=DEPLOYED, not "${text}".`);
	}
	return [path.resolve(text.slice(0, equals)), path.resolve(text.slice(equals + 1))];
}
