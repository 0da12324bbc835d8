import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { failure, type Result, success } from '../core/result.js';

/**
 * Resolves a path that a client names, relative to the root folder. Follows links, so that a link inside the folder
 * cannot lead out of it. The reason of a failure is a sentence without any fact about files outside the folder.
 * @param root absolute path without links
 * @returns the absolute path of a file below the root
 */
export async function resolveBelow(root: string, name: string): Promise<Result<string>> {
	const outside = failure(`${name} is outside the folder that may be read; name a file below it.`);
	if (name === '' || name.includes('\0')) {
		return failure('The path is empty or holds a null character; name a model file.');
	}
	const wanted = path.resolve(root, name);
	if (!isBelow(root, wanted)) {
		return outside;
	}
	try {
		const real = await realpath(wanted);
		if (!isBelow(root, real)) {
			return outside;
		}
		return (await stat(real)).isFile() ? success(real) : failure(`${name} is not a file; name a model file.`);
	} catch {
		return failure(`${name} cannot be read: there is no such file, or access is denied.`);
	}
}

/** True for a path below a folder, without looking at the disk. @param system paths of the system, for tests */
export function isBelow(root: string, file: string, system: path.PlatformPath = path): boolean {
	const relative = system.relative(root, file);
	return (
		relative !== '' && relative !== '..' && !relative.startsWith(`..${system.sep}`) && !system.isAbsolute(relative)
	);
}
