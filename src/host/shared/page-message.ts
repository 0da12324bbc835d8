import type { PageToHost } from '../../protocol/page.js';
import { isPng, isSvg } from './image-file.js';

/** Longest text taken from a page, in characters. It ends up in a log or a file name. */
const MAX_TEXT = 2000;

/**
 * Parses a message that both kinds of page send. Pages show strings of untrusted files, so a message may have any shape.
 * @returns undefined for every other value.
 */
export function parsePageMessage(value: unknown): PageToHost | undefined {
	const message = asRecord(value);
	switch (message.type) {
		case 'ready':
		case 'cancel':
		case 'get-plotly':
		case 'show-log':
			return { type: message.type };
		case 'error':
			return isText(message.message) ? { type: 'error', message: message.message } : undefined;
		case 'save-image':
			return isText(message.name) && isPng(message.png) && isSvg(message.svg)
				? { type: 'save-image', name: message.name, png: message.png, svg: message.svg }
				: undefined;
		case 'mark':
			return parseMark(message);
		default:
			return undefined;
	}
}

function parseMark({ name, milliseconds }: Record<string, unknown>): PageToHost | undefined {
	const known = name === 'table' || name === 'verdicts' || name === 'plots';
	return known && typeof milliseconds === 'number' && Number.isFinite(milliseconds)
		? { type: 'mark', name, milliseconds }
		: undefined;
}

/** Returns the value as a record of unknown fields; an empty record if it is not an object. */
export function asRecord(value: unknown): Record<string, unknown> {
	return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

export function isText(value: unknown): value is string {
	return typeof value === 'string' && value.length <= MAX_TEXT;
}
