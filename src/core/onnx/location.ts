import { OnnxError } from './errors.js';

/**
 * Refuses an external data location that could lead out of the model's folder: the string comes from the file, and a
 * model must not make a reader open /etc/passwd. Rules of the ONNX specification: a relative path without "..".
 * Symbolic links are for whoever opens the file: only the file system knows them.
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
	// Backslash and drive letter count on every system, so that a model is as safe on Windows as it was elsewhere.
	if (/^[/\\]|^[a-z]:/i.test(location)) {
		return 'it is not relative to the model';
	}
	if (location.split(/[/\\]/).includes('..')) {
		return 'it leads out of the model\'s folder with ".."';
	}
	return undefined;
}
