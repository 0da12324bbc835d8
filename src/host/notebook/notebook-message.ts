import type { NotebookToHost } from '../../protocol/host-notebook.js';

/** Longest identifier and path taken from a renderer. */
const MAX_TEXT = 4096;

/**
 * Checks what a notebook renderer sent: outputs of other kinds share its frame, so anyone may have sent it.
 * @returns undefined for anything that is not a message of the protocol.
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

/** Where a path written in a notebook leads. */
export type NotebookPath =
	| { readonly kind: 'absolute'; readonly path: string }
	| { readonly kind: 'relative'; readonly path: string }
	| { readonly kind: 'refused'; readonly reason: string };

/**
 * @param path as written in the output, in the style of either platform.
 *
 * A notebook is a file that anyone may have made: a network path would make Windows send the user's credentials to the
 * server it names, and a file that is no model is not ours to open.
 */
export function classifyNotebookPath(path: string): NotebookPath {
	const slashed = path.replaceAll('\\', '/');
	if (slashed.startsWith('//')) {
		return { kind: 'refused', reason: `${path} is a network path: copy the model next to the notebook.` };
	}
	if (!/\.onnx$/i.test(path)) {
		return { kind: 'refused', reason: `${path} is not an .onnx file.` };
	}
	if (/^[a-z]:\//i.test(slashed) || slashed.startsWith('/')) {
		return { kind: 'absolute', path };
	}
	return { kind: 'relative', path: slashed };
}
