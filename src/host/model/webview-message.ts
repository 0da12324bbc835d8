import { parseRunChoices } from '../../core/report/run-choices.js';
import type { WebviewToHost } from '../../protocol/host-webview.js';

/** Longest text taken from a page; it ends up in a log or a file name. */
const MAX_TEXT = 2000;
/** A plot of 4000 x 3000 pixels, uncompressed, has 48 MB: anything larger is no picture of ours. */
const MAX_IMAGE_BYTES = 64 * 1024 * 1024;
const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/**
 * Checks what a page sent. A page shows strings of a file that anyone may have made, so nothing that comes back from it
 * is trusted to have the shape that the protocol says.
 * @returns undefined for anything that is not a message of the protocol.
 */
export function parseWebviewMessage(value: unknown): WebviewToHost | undefined {
	if (typeof value !== 'object' || value === null) {
		return undefined;
	}
	const message = value as Record<string, unknown>;
	switch (message.type) {
		case 'ready':
		case 'cancel':
		case 'get-plotly':
		case 'show-log':
		case 'manage-trust':
		case 'compare':
			return { type: message.type };
		case 'run':
			return parseRun(message);
		case 'choose-files':
			return parseChooseFiles(message);
		case 'layer-chosen':
			return parseLayerChosen(message);
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

function parseRun({ choices }: Record<string, unknown>): WebviewToHost | undefined {
	if (choices === undefined) {
		return { type: 'run' };
	}
	const parsed = parseRunChoices(choices);
	return parsed && { type: 'run', choices: parsed };
}

function parseChooseFiles({ input, from }: Record<string, unknown>): WebviewToHost | undefined {
	const known = from === 'files' || from === 'folder' || from === 'random';
	return known && isText(input) ? { type: 'choose-files', input, from } : undefined;
}

function parseLayerChosen({ index }: Record<string, unknown>): WebviewToHost | undefined {
	const known = index === null || (typeof index === 'number' && Number.isSafeInteger(index) && index >= 0);
	return known ? { type: 'layer-chosen', index } : undefined;
}

function parseMark({ name, milliseconds }: Record<string, unknown>): WebviewToHost | undefined {
	const known = name === 'table' || name === 'verdicts' || name === 'plots';
	return known && typeof milliseconds === 'number' && Number.isFinite(milliseconds)
		? { type: 'mark', name, milliseconds }
		: undefined;
}

function isText(value: unknown): value is string {
	return typeof value === 'string' && value.length <= MAX_TEXT;
}

function isPng(value: unknown): value is Uint8Array {
	return (
		value instanceof Uint8Array &&
		value.length <= MAX_IMAGE_BYTES &&
		PNG_SIGNATURE.every((byte, index) => value[index] === byte)
	);
}

/** A drawing and nothing that runs: a page that was taken over must not leave more than a picture behind. */
function isSvg(value: unknown): value is string {
	return (
		typeof value === 'string' &&
		value.length <= MAX_IMAGE_BYTES &&
		value.startsWith('<svg') &&
		!/<script|<foreignObject|\son\w+\s*=|javascript:/i.test(value)
	);
}

/** A file name for a picture, as PNG: letters of any script, digits, dot, dash and underscore; never empty, never hidden. */
export function imageFileName(name: string): string {
	const cleaned = name
		.replace(/\.png$/i, '')
		.replace(/[^\p{L}\p{N}._-]+/gu, '-')
		.replace(/^[-.]+|[-.]+$/g, '')
		.slice(0, 100);
	return `${cleaned || 'plot'}.png`;
}
