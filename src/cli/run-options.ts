import type { InspectOptions, Normalization } from '../protocol/host-engine.js';
import { wholeNumber } from './arguments.js';
import { UsageError } from './usage.js';

/** Options of `inspect` that say how the model is run. */
export const RUN_OPTIONS = {
	'no-run': { type: 'boolean' },
	'no-optimized': { type: 'boolean' },
	input: { type: 'string', multiple: true },
	batch: { type: 'string' },
	dim: { type: 'string', multiple: true },
	seed: { type: 'string' },
	random: { type: 'string' },
	normalize: { type: 'string' },
	'memory-budget': { type: 'string' },
} as const;

export interface RunValues {
	readonly 'no-optimized'?: boolean;
	readonly dim?: readonly string[];
	readonly random?: string;
	readonly normalize?: string;
	readonly 'memory-budget'?: string;
}

type RunOptions = Pick<InspectOptions, 'dimensions' | 'random' | 'normalize' | 'memoryBudget' | 'compareOptimized'>;

/** What of it was given; the rest is left to the engine. @throws {UsageError} */
export function parseRunOptions(values: RunValues): RunOptions {
	const { dim, random, normalize, 'memory-budget': budget } = values;
	return {
		...(dim && { dimensions: Object.fromEntries(dim.map(parseDimension)) }),
		...(random !== undefined && { random: parseDistribution(random) }),
		...(normalize !== undefined && { normalize: parseNormalization(normalize) }),
		...(budget !== undefined && { memoryBudget: wholeNumber('--memory-budget', budget, 1) * 2 ** 20 }),
		...(values['no-optimized'] && { compareOptimized: false }),
	};
}

/** A value may begin with a dash ("-1..1"), which looks like another option otherwise. */
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

function parseDistribution(text: string): 'normal' | 'uniform' {
	if (text !== 'normal' && text !== 'uniform') {
		throw new UsageError(`--random takes normal or uniform, not "${text}".`);
	}
	return text;
}

const PRESETS: readonly string[] = ['imagenet', '0..1', '-1..1', 'none'];

function parseNormalization(text: string): Normalization {
	if (PRESETS.includes(text)) {
		return text as Normalization;
	}
	const [mean = [], deviation = [], ...rest] = text.split('/').map(parseNumbers);
	const fits = (list: readonly number[]) => list.length === 1 || list.length === 3;
	if (!fits(mean) || !fits(deviation) || rest.length > 0 || deviation.includes(0)) {
		throw new UsageError(
			`--normalize takes ${PRESETS.join(', ')} or MEAN/DEVIATION with one or three numbers each, not "${text}".`,
		);
	}
	return { mean, deviation };
}

/** Comma-separated; empty when one of them is none. */
function parseNumbers(text: string): readonly number[] {
	const numbers = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
	return numbers.every(Number.isFinite) ? numbers : [];
}
