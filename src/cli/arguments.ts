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
