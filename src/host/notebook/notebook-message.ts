import type { NotebookToHost } from '../../protocol/host-notebook.js';

/** Longest identifier and path taken from a renderer, in characters. */
const MAX_TEXT = 4096;

/**
 * Parses a message of a notebook renderer. Other outputs share its frame, so the sender is untrusted.
 * @returns undefined for every other value.
 */
export function parseNotebookMessage(value: unknown): NotebookToHost | undefined {
	if (typeof value !== 'object' || value === null) {
		return undefined;
	}
	const { type, id, path } = value as Record<string, unknown>;
	return type === 'inspect' && isText(id) && isText(path) ? { type, id, path } : undefined;
}

function isText(value: unknown): value is string {
	return typeof value === 'string' && value.length > 0 && value.length <= MAX_TEXT;
}

/** Kind of a path in a notebook. */
export type NotebookPath =
	| { readonly kind: 'absolute'; readonly path: string }
	| { readonly kind: 'relative'; readonly path: string }
	| { readonly kind: 'refused'; readonly reason: string };

/**
 * Classifies a path in a notebook. Notebooks are untrusted: a network path would make Windows send the user's
 * credentials to the server that it names.
 * @param path Path as written in the output, in the style of either platform.
 */
export function classifyNotebookPath(path: string): NotebookPath {
	const slashed = path.replaceAll('\\', '/');
	if (slashed.startsWith('//')) {
		return { kind: 'refused', reason: `${path} is a network path. Copy the model into the folder of the notebook.` };
	}
	if (!/\.onnx$/i.test(path)) {
		return { kind: 'refused', reason: `${path} is not an .onnx file.` };
	}
	if (/^[a-z]:\//i.test(slashed) || slashed.startsWith('/')) {
		return { kind: 'absolute', path };
	}
	return { kind: 'relative', path: slashed };
}
