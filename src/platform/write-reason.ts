import path from 'node:path';
import { reasonOf } from './file-source.js';

/**
 * Returns the reason why a file cannot be written, to end a sentence with. ENOENT means that its folder is missing.
 * @param platform for tests
 */
export function writeReason(file: string, error: unknown, platform = process.platform): string {
	const code = error instanceof Error && 'code' in error ? error.code : undefined;
	switch (code) {
		case 'ENOENT':
			return `the folder ${path.dirname(file)} does not exist`;
		case 'EBUSY':
		case 'ETXTBSY':
			return 'another program has it open; close it there and try again';
		case 'EACCES':
		case 'EPERM':
			// Windows has these codes for an open file, too.
			return platform === 'win32'
				? 'writing it is not permitted, or another program has it open'
				: 'writing it is not permitted';
		case 'EROFS':
			return 'writing it is not permitted';
		case 'ENOSPC':
			return 'the disk is full';
		case 'EDQUOT':
			return 'the disk quota is used up';
		case 'EFBIG':
			return 'it would be larger than the system permits';
		case 'ENOTDIR':
			return `${path.dirname(file)} is not a folder`;
		default:
			return reasonOf(error);
	}
}
