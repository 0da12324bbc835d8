import { writeReason } from './write-reason.js';

/** A file could not be written. The message is a sentence that names the file and the reason. */
export class WriteError extends Error {
	override readonly name = 'WriteError';
}

/** Returns the error of a failed write as a sentence about the file. Errors that are no system calls stay as they are. */
export function asWriteError(file: string, error: unknown): Error {
	if (error instanceof Error) {
		return 'syscall' in error ? new WriteError(`${file} cannot be written: ${writeReason(file, error)}.`) : error;
	}
	return new Error(String(error));
}
