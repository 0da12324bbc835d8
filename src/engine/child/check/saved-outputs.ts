import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { type Identities, replaceFile } from '../../../platform/replace-file.js';
import { writeReason } from '../../../platform/write-reason.js';
import { InputError } from '../tensors/errors.js';
import { encodeNpy } from '../tensors/npy.js';
import type { RuntimeTensor } from '../tensors/tensor.js';

/**
 * Makes a folder and its parents, each in turn. Node's recursive mkdir never returns in /proc and similar file systems,
 * which report a folder as missing and do not let it be made.
 * @throws {InputError}
 */
export async function makeFolder(folder: string): Promise<void> {
	const known = await stat(folder).catch(() => undefined);
	if (known?.isDirectory()) {
		return;
	}
	if (known) {
		throw new InputError(`${folder} is a file: outputs are saved in a folder.`);
	}
	const parent = path.dirname(folder);
	await makeFolder(parent);
	await mkdir(folder).catch(async (error: unknown) => {
		// Another process may have made it at the same time.
		if (!(await stat(folder).catch(() => undefined))?.isDirectory()) {
			const isRefused = error instanceof Error && 'code' in error && error.code === 'ENOENT';
			const why = isRefused ? `${parent} takes no folders` : writeReason(folder, error);
			throw new InputError(`The folder ${folder} cannot be made: ${why}.`);
		}
	});
}

/**
 * Writes a tensor as FOLDER/INDEX.npy.
 * @param inputs files of the task, which are never replaced
 * @throws {WriteError}
 */
export async function saveOutput(
	folder: string,
	index: number,
	tensor: RuntimeTensor,
	inputs: Identities,
): Promise<void> {
	const { type, dims, data } = tensor;
	await makeFolder(folder);
	await replaceFile(path.join(folder, `${index}.npy`), encodeNpy({ type, shape: dims, data }), { inputs });
}
