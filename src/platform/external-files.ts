import { constants } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { OnnxError } from '../core/onnx/errors.js';
import { checkExternalLocation } from '../core/onnx/location.js';
import type { ByteSource, ExternalFiles } from '../core/onnx/source.js';
import { openFile, reasonOf } from './file-source.js';

/** Refuses a link that replaces the file between the check of its path and the read. Windows has no such flag. */
const READ_NO_LINK = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0);

/**
 * Opens the external data files beside a model in `folder`. Each read opens and closes its file, so no file needs to be
 * closed later. A tensor takes a single read.
 */
export function externalFiles(folder: string): ExternalFiles {
	return {
		async open(location): Promise<ByteSource> {
			checkExternalLocation(location);
			const name = await resolveInside(folder, location);
			return { name, size: await sizeOf(name, location), read: (offset, length) => readOnce(name, offset, length) };
		},
	};
}

/** Returns the path with all symbolic links resolved. @throws {OnnxError} if it is outside of the folder */
async function resolveInside(folder: string, location: string): Promise<string> {
	const paths = [realpath(folder), realpath(path.resolve(folder, location))] as const;
	const [root, file] = await Promise.all(paths).catch((error) => cannotOpen(location, error));
	const relative = path.relative(root, file);
	if (relative.split(path.sep)[0] === '..' || path.isAbsolute(relative)) {
		throw refused(location, "it is a link that leads out of the model's folder");
	}
	return file;
}

/** Checks the kind of file before it is opened, because opening a pipe would wait for a writer. */
async function sizeOf(file: string, location: string): Promise<number> {
	const stats = await stat(file).catch((error) => cannotOpen(location, error));
	if (!stats.isFile()) {
		throw refused(location, 'it is not a regular file');
	}
	return stats.size;
}

async function readOnce(file: string, offset: number, length: number): Promise<Uint8Array> {
	const source = await openFile(file, READ_NO_LINK);
	try {
		return await source.read(offset, length);
	} finally {
		await source.close();
	}
}

function refused(location: string, reason: string): OnnxError {
	return new OnnxError('external-data', `The external data location "${location}" is refused: ${reason}.`);
}

function cannotOpen(location: string, error: unknown): never {
	throw new OnnxError('external-data', `The external data file "${location}" cannot be opened: ${reasonOf(error)}.`);
}
