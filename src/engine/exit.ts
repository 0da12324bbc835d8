import { messageOf } from '../core/text/sentences.js';

/** Arguments of the `exit` event of a child process. */
export interface ProcessExit {
	readonly code: number | null;
	readonly signal: string | null;
}

const FAULTS = {
	memory: 'the native runtime touched memory that is not its own',
	abort: 'the native runtime aborted itself',
	arithmetic: 'the native runtime divided by zero, which an input shape that does not fit the model can cause',
	instruction: 'the native runtime needs processor instructions that this machine does not have',
	exhausted: 'the JavaScript engine ended itself, most likely for lack of memory or address space',
	killed: 'the system ended it, most likely for lack of memory',
	library: 'a system library that the native runtime needs is missing',
} as const;

/** POSIX signals. A shell or container reports signal n as exit code 128 + n. */
const SIGNALS: Readonly<Record<string, { readonly number: number; readonly fault: keyof typeof FAULTS }>> = {
	SIGSEGV: { number: 11, fault: 'memory' },
	SIGBUS: { number: 7, fault: 'memory' },
	SIGABRT: { number: 6, fault: 'abort' },
	SIGFPE: { number: 8, fault: 'arithmetic' },
	SIGILL: { number: 4, fault: 'instruction' },
	SIGKILL: { number: 9, fault: 'killed' },
	SIGTRAP: { number: 5, fault: 'exhausted' },
};

/** Windows has no signals; the exit code is the exception's NTSTATUS. */
const WINDOWS_STATUS: Readonly<Record<number, keyof typeof FAULTS>> = {
	3221225477: 'memory', // 0xC0000005 STATUS_ACCESS_VIOLATION
	3221225725: 'memory', // 0xC00000FD STATUS_STACK_OVERFLOW
	3221226505: 'abort', // 0xC0000409 STATUS_STACK_BUFFER_OVERRUN, raised by abort()
	3221225620: 'arithmetic', // 0xC0000094 STATUS_INTEGER_DIVIDE_BY_ZERO
	3221225501: 'instruction', // 0xC000001D STATUS_ILLEGAL_INSTRUCTION
	3221225495: 'killed', // 0xC0000017 STATUS_NO_MEMORY
	3221225781: 'library', // 0xC0000135 STATUS_DLL_NOT_FOUND
};

/** Returns the reason for "The engine stopped while inspecting …: ". */
export function explainExit({ code, signal }: ProcessExit): string {
	const name = signal ?? Object.keys(SIGNALS).find((key) => code !== null && SIGNALS[key]?.number === code - 128);
	const fault = name === undefined ? undefined : SIGNALS[name]?.fault;
	if (fault) {
		return `${FAULTS[fault]} (${signal ?? `exit code ${code}, ${name}`})`;
	}
	if (signal !== null) {
		return `it was ended by ${signal}`;
	}
	const status = code === null ? undefined : WINDOWS_STATUS[code];
	if (status) {
		return `${FAULTS[status]} (exit code ${code})`;
	}
	return code === 0 ? 'it ended without an answer' : `it ended with exit code ${code}`;
}

/** Reasons for a failed process start, by error code. */
const START_FAULTS: Readonly<Record<string, string>> = {
	EMFILE: 'too many files are open in this process',
	ENFILE: 'too many files are open on this machine',
	EAGAIN: 'the system allows no more processes',
	ENOMEM: 'the system has no memory left for another process',
	EACCES: 'the system does not permit running its program',
	ENOENT: 'its program does not exist',
};

/** Returns the reason for "The engine could not be started for …: ". */
export function explainStart(error: unknown): string {
	const code = error instanceof Error && 'code' in error ? String(error.code) : '';
	return Object.hasOwn(START_FAULTS, code) ? `${START_FAULTS[code]} (${code})` : messageOf(error).replace(/\.$/, '');
}
