import { PARAMETER_NAMES, type ParameterName } from '../../batchnorm/parameters.js';
import { FLOAT_FORMATS, roundTo } from '../../numbers/float-formats.js';
import { joinWords, listChannels } from '../../text/sentences.js';
import type { FoldParameters } from '../operators/expected.js';

/**
 * Magnitudes that converters to float16 clip to: the largest float16, and the limits 1e4 and 1e-7 of
 * onnxconverter-common. Its function `float16.convert_float_to_float16` calls them max_finite_val and min_positive_val.
 */
const UPPER_LIMITS = [FLOAT_FORMATS.float16.max, 1e4] as const;
const LOWER_LIMITS = [1e-7, FLOAT_FORMATS.float16.tiny] as const;

/** Channels of a parameter at a limit that the original exceeds. */
interface Clipped {
	readonly name: ParameterName;
	readonly limit: number;
	readonly channels: readonly number[];
}

/**
 * Finds parameters that a converter to float16 has clipped: equal to a limit where the original lies beyond, and the
 * original's or its rounding in every other channel.
 * @returns a clause with the channels, and their number; undefined if another value changed, or none was clipped
 */
export function clippedStatistics(
	original: FoldParameters,
	deployed: FoldParameters,
): { readonly words: string; readonly channels: number } | undefined {
	const clipped: Clipped[] = [];
	for (const name of PARAMETER_NAMES) {
		const byLimit = new Map<number, number[]>();
		for (const [channel, value] of original[name].entries()) {
			const found = deployed[name][channel];
			const limit = limitOf(value, found);
			if (limit !== undefined) {
				byLimit.set(limit, [...(byLimit.get(limit) ?? []), channel]);
			} else if (!isHalf(value, found)) {
				return undefined;
			}
		}
		clipped.push(...Array.from(byLimit, ([limit, channels]) => ({ name, limit, channels })));
	}
	const words = clipped.map(
		({ name, limit, channels }) =>
			`the ${name} of ${listChannels(channels)} is exactly ${Number(limit.toPrecision(6))}`,
	);
	const channels = clipped.reduce((sum, each) => sum + each.channels.length, 0);
	return channels > 0 && original.epsilon === deployed.epsilon ? { words: joinWords(words), channels } : undefined;
}

function isHalf(value: number, found: number): boolean {
	return found === value || found === roundTo(value, 'float16');
}

/** Returns the limit, without sign, that a value was clipped to, if any. */
function limitOf(value: number, found: number): number | undefined {
	const [size, foundSize] = [Math.abs(value), Math.abs(found)];
	const isAt = (limit: number) => [limit, Math.fround(limit), roundTo(limit, 'float16')].includes(foundSize);
	if (Math.sign(value) !== Math.sign(found)) {
		return undefined;
	}
	// A value next to a limit is only rounded to it.
	const margin = 1 + FLOAT_FORMATS.float16.unitRoundoff;
	const upper = UPPER_LIMITS.find((limit) => isAt(limit) && size > limit * margin);
	return upper ?? LOWER_LIMITS.find((limit) => isAt(limit) && size * margin < limit);
}
