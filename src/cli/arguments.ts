import path from 'node:path';
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

/**
 * Returns the absolute path of the only model that a command takes.
 * @throws {UsageError} for no model or several
 */
export function onlyModel(command: string, positionals: readonly string[]): string {
	const [model] = positionals;
	if (model === undefined) {
		throw new UsageError(`${command} needs a model file.`);
	}
	if (positionals.length > 1) {
		throw new UsageError(`${command} takes one model, not ${positionals.length}.`);
	}
	return path.resolve(model);
}

/**
 * Returns the absolute path that -o names.
 * @throws {UsageError} without one
 */
export function requiredOutput(command: string, output: string | undefined): string {
	if (!output) {
		throw new UsageError(`${command} needs the name of the file to write: -o OUT.`);
	}
	return path.resolve(output);
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
