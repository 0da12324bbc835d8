import path from 'node:path';
import {
	COLOR_ORDERS,
	type ColorOrder,
	DISTRIBUTIONS,
	type Distribution,
	MEGABYTE,
	NORMALIZATION_PRESETS,
	type Normalization,
	parseNormalization,
} from '../core/report/run-choices.js';
import type { InputFile, InspectOptions } from '../protocol/host-engine.js';
import { wholeNumber } from './arguments.js';
import { UsageError } from './usage.js';

/** Options of `inspect` for running the model. */
export const RUN_OPTIONS = {
	'no-run': { type: 'boolean' },
	'no-optimized': { type: 'boolean' },
	input: { type: 'string', multiple: true },
	batch: { type: 'string' },
	dim: { type: 'string', multiple: true },
	seed: { type: 'string' },
	random: { type: 'string' },
	normalize: { type: 'string' },
	colors: { type: 'string' },
	'memory-budget': { type: 'string' },
} as const;

/** Time limit of commands that run a model. */
export const TIMEOUT_OPTION = { timeout: { type: 'string' } } as const;

/** Time limit of a command, in seconds; without it there is none. */
export interface TimeLimit {
	readonly timeout?: number;
}

/** @throws {UsageError} */
export function parseTimeout({ timeout }: { readonly timeout?: string }): TimeLimit {
	return timeout === undefined ? {} : { timeout: wholeNumber('--timeout', timeout, 1) };
}

export interface RunValues {
	readonly 'no-optimized'?: boolean;
	readonly dim?: readonly string[];
	readonly random?: string;
	readonly normalize?: string;
	readonly colors?: string;
	readonly 'memory-budget'?: string;
}

type RunOptions = Pick<
	InspectOptions,
	'dimensions' | 'random' | 'normalize' | 'colors' | 'memoryBudget' | 'compareOptimized'
>;

/** Returns the given options only. The engine chooses the rest. @throws {UsageError} */
export function parseRunOptions(values: RunValues): RunOptions {
	const { dim, random, normalize, colors, 'memory-budget': budget } = values;
	return {
		...(dim && { dimensions: Object.fromEntries(dim.map(parseDimension)) }),
		...(random !== undefined && { random: parseDistribution(random) }),
		...(normalize !== undefined && { normalize: readNormalization(normalize) }),
		...(colors !== undefined && { colors: parseColors(colors) }),
		...(budget !== undefined && { memoryBudget: wholeNumber('--memory-budget', budget, 1) * MEGABYTE }),
		...(values['no-optimized'] && { compareOptimized: false }),
	};
}

/** Joins a value to its option. A value that begins with a dash ("-1..1") would look like another option. */
export function joinNormalization(argv: readonly string[]): string[] {
	const joined: string[] = [];
	for (let i = 0; i < argv.length; i++) {
		const next = argv[i + 1];
		if (argv[i] === '--normalize' && next !== undefined) {
			joined.push(`--normalize=${next}`);
			i++;
		} else {
			joined.push(argv[i]);
		}
	}
	return joined;
}

/** NAME=SIZE; names of tensors may have an = in them. */
function parseDimension(text: string): [string, number] {
	const equals = text.lastIndexOf('=');
	if (equals <= 0) {
		throw new UsageError(`--dim takes NAME=SIZE or INPUT:AXIS=SIZE, not "${text}".`);
	}
	return [text.slice(0, equals), wholeNumber('--dim', text.slice(equals + 1), 0)];
}

function parseDistribution(text: string): Distribution {
	const distribution = DISTRIBUTIONS.find((known) => known === text);
	if (!distribution) {
		throw new UsageError(`--random takes ${DISTRIBUTIONS.join(' or ')}, not "${text}".`);
	}
	return distribution;
}

function parseColors(text: string): ColorOrder {
	const order = COLOR_ORDERS.find((known) => known === text);
	if (!order) {
		throw new UsageError(`--colors takes ${COLOR_ORDERS.join(' or ')}, not "${text}".`);
	}
	return order;
}

function readNormalization(text: string): Normalization {
	const normalization = parseNormalization(text);
	if (!normalization) {
		throw new UsageError(
			`--normalize takes ${NORMALIZATION_PRESETS.join(', ')} or MEAN/DEVIATION with one or three numbers each, not "${text}".`,
		);
	}
	return normalization;
}

/** NAME=FILE, or FILE alone. @throws {UsageError} */
export function parseInput(text: string): InputFile {
	const equals = text.indexOf('=');
	const input = equals < 0 ? undefined : text.slice(0, equals);
	const file = text.slice(equals + 1);
	if (file === '' || input === '') {
		throw new UsageError(`--input takes NAME=FILE, not "${text}".`);
	}
	return { input, path: path.resolve(file) };
}
