import { OnnxError } from './errors.js';

/**
 * Refuses an external data location that could lead out of the model's folder, because the file could name /etc/passwd.
 * Follows the ONNX specification: a relative path without "..". The code that opens the file checks symbolic links,
 * which only the file system knows.
 * @throws {OnnxError} `external-data`
 */
export function checkExternalLocation(location: string): void {
	const reason = whyUnsafe(location);
	if (reason !== undefined) {
		throw new OnnxError('external-data', `The external data location "${location}" is refused: ${reason}.`);
	}
}

function whyUnsafe(location: string): string | undefined {
	if (location === '') {
		return 'it is empty';
	}
	if (location.includes('\0')) {
		return 'it contains a zero byte';
	}
	// Checks backslash and drive letter on every system, so that a model is equally safe on Windows.
	if (/^[/\\]|^[a-z]:/i.test(location)) {
		return 'it is not relative to the model';
	}
	if (location.split(/[/\\]/).includes('..')) {
		return 'it leads out of the model\'s folder with ".."';
	}
	return undefined;
}
