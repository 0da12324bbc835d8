import { messageOf } from '../../../core/text/sentences.js';
/** The runtime refused a model or an input, or could not be loaded. The message is a sentence for users. */
export class RuntimeError extends Error {
	override readonly name = 'RuntimeError';
	/** Phase of the failure. Loading a model fails for every input, running it perhaps for this input only. */
	readonly phase: 'load' | 'run';
	/** Message of the runtime, in a single line. */
	readonly detail: string;

	constructor(message: string, phase: 'load' | 'run' = 'load', detail = message) {
		super(message);
		this.phase = phase;
		this.detail = detail;
	}
}

const FAILURES = {
	load: 'onnxruntime cannot load this model',
	run: 'onnxruntime failed while running this model',
};

export function runtimeError(phase: 'load' | 'run', error: unknown): RuntimeError {
	const detail = clean(error);
	return new RuntimeError(`${FAILURES[phase]}: ${detail}`, phase, detail);
}

const MAX_MESSAGE = 600;

/** Returns the runtime's message on a line, without source locations. */
function clean(error: unknown): string {
	const text = messageOf(error)
		.replace(/\s+/g, ' ')
		// Removes the place in the runtime's source and the function's name, with or without parameters.
		.replace(/\/\S*\/onnxruntime\/\S+:\d+ (?:[\w:<>*&~, ]+\([^()]*\)(?: const)? |[^:]*?(?=[A-Z]))/g, '')
		// The same without its folder, where its build leaves that out.
		.replace(/ ?\b[\w-]+\.(?:cc|cpp|h|hpp):\d+ (?:(?:\w+::)*[A-Z][a-z]+[A-Z]\w* )?/g, ' ')
		.trim();
	return text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE)}…` : text;
}

/** Systems for which onnxruntime has no library at all, so that no other installation helps. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
	'darwin-x64': 'Macs with Intel processors',
	'linux-arm': '32-bit ARM',
	'win32-ia32': '32-bit Windows',
};

/** Explains why the native library did not load, with advice. @param system this system, for tests another */
export function explainLoadFailure(
	error: unknown,
	system: Pick<NodeJS.Process, 'platform' | 'arch'> = process,
): string {
	const message = error instanceof Error ? error.message.split('\n')[0] : String(error);
	const where = `${system.platform}-${system.arch}`;
	if (/Cannot find module/.test(message)) {
		const unsupported = UNSUPPORTED[where];
		if (unsupported !== undefined) {
			return `onnxruntime has no library for ${unsupported}; layers, checkpoints and comparisons of parameters work, but no model runs here.`;
		}
		return `onnxruntime-node has no library for ${where} in this installation; layers and parameters are shown without running the model.`;
	}
	// The loader of musl begins its messages with these words.
	if (/GLIBC|musl|^Error (?:loading shared library|relocating)/i.test(message)) {
		return `onnxruntime-node needs glibc 2.28 or newer, which this system lacks (${message}); the model was not run.`;
	}
	if (system.platform === 'win32' && /126|specified module/.test(message)) {
		return 'onnxruntime-node needs the Microsoft Visual C++ runtime, which is not installed; install it and try again.';
	}
	return `onnxruntime-node could not be loaded on ${where}: ${message}; the model was not run.`;
}
