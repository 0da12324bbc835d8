import { CheckpointError } from '../errors.js';
import type { CheckpointLimits } from '../limits.js';

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

export interface JsonObject {
	readonly [key: string]: Json | undefined;
}

interface Context {
	/** Name of the file in messages. */
	readonly path: string;
	readonly limits: CheckpointLimits;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN = new Set([0x5b, 0x7b]);
const CLOSE = new Set([0x5d, 0x7d]);

/**
 * Parses a configuration. Values and levels are counted before, because JSON.parse makes any number of them.
 * @throws {CheckpointError} `malformed` or `limit`
 */
export function parseJson(text: string, { path, limits }: Context): Json {
	checkSize(text, { path, limits });
	try {
		return JSON.parse(text);
	} catch {
		throw new CheckpointError(
			'malformed',
			`${path} has a model configuration that is not valid JSON: save the model again.`,
		);
	}
}

function checkSize(text: string, { path, limits }: Context): void {
	let values = 1;
	let depth = 0;
	let deepest = 0;
	let inText = false;
	for (let at = 0; at < text.length; at++) {
		const code = text.charCodeAt(at);
		if (inText) {
			at += code === BACKSLASH ? 1 : 0;
			inText = code !== QUOTE;
		} else if (code === QUOTE) {
			inText = true;
		} else if (code === COMMA) {
			values++;
		} else if (OPEN.has(code)) {
			values++;
			depth++;
			deepest = Math.max(deepest, depth);
		} else if (CLOSE.has(code)) {
			depth--;
		}
	}
	const excess =
		(text.length > limits.configBytes && `${limits.configBytes} characters (configBytes)`) ||
		(values > limits.configValues && `${limits.configValues} values (configValues)`) ||
		// A nested model takes about four levels.
		(deepest > 4 * limits.treeDepth && `${4 * limits.treeDepth} levels (treeDepth)`);
	if (excess) {
		throw new CheckpointError('limit', `${path} has a model configuration of more than ${excess}.`);
	}
}

export function asObject(value: Json | undefined): JsonObject | undefined {
	return value !== null && typeof value === 'object' && !isList(value) ? value : undefined;
}

export function asList(value: Json | undefined): readonly Json[] | undefined {
	return value !== undefined && isList(value) ? value : undefined;
}

export function asText(value: Json | undefined): string | undefined {
	return typeof value === 'string' ? value : undefined;
}

function isList(value: Json): value is readonly Json[] {
	return Array.isArray(value);
}
