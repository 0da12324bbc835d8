import { type ParseArgsConfig, parseArgs } from 'node:util';
import { UsageError } from './usage.js';

type Options = NonNullable<ParseArgsConfig['options']>;

/** @throws {UsageError} for an option that is not among `options`. */
export function parseOptions<const T extends Options>(
	argv: readonly string[],
	options: T,
): ReturnType<typeof parseArgs<{ args: string[]; allowPositionals: true; options: T }>> {
	try {
		return parseArgs({ args: [...argv], allowPositionals: true, options });
	} catch (error) {
		const { message } = error as Error;
		const [, ambiguous] = /^Option '(\S+)[^']*' argument is ambiguous/.exec(message) ?? [];
		throw new UsageError(
			ambiguous === undefined
				? message.split(/\.\s/)[0].replace(/\.?$/, '.')
				: `${ambiguous} needs a value; one that begins with a dash is written as ${ambiguous}=-VALUE.`,
		);
	}
}

/** @throws {UsageError} */
export function wholeNumber(option: string, text: string, least: number): number {
	const value = Number(text);
	if (!Number.isSafeInteger(value) || value < least) {
		throw new UsageError(`${option} takes a whole number of at least ${least}, not "${text}".`);
	}
	return value;
}

/** @throws {UsageError} unless the text is a number from 0 up to, but without, 1 */
export function share(option: string, text: string): number {
	const value = text.trim() === '' ? Number.NaN : Number(text);
	if (!(value >= 0 && value < 1)) {
		throw new UsageError(`${option} takes a share from 0 to below 1, for example 0.001, not "${text}".`);
	}
	return value;
}
