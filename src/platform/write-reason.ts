import path from 'node:path';
import { reasonOf } from './file-source.js';

/** Why a file cannot be written, as the end of a sentence: what does not exist is then the folder, not the file. */
export function writeReason(file: string, error: unknown): string {
	const code = error instanceof Error && 'code' in error ? error.code : undefined;
	switch (code) {
		case 'ENOENT':
			return `the folder ${path.dirname(file)} does not exist`;
		case 'EACCES':
		case 'EPERM':
		case 'EROFS':
			return 'writing it is not permitted';
		case 'ENOSPC':
			return 'the disk is full';
		default:
			return reasonOf(error);
	}
}
