import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { InputFile } from '../../../protocol/host-engine.js';
import { InputError } from '../tensors/errors.js';
import type { RuntimeValue } from '../tensors/tensor.js';
import { isImageFile } from './image-file.js';
import { archiveOf, isArrayFile } from './input-files.js';

/**
 * Returns the files of each input, in the given order. A folder stands for its files in the order of their names
 * ("2.png" before "10.png").
 * @throws {InputError}
 */
export async function filesByInput(
	inputs: readonly RuntimeValue[],
	files: readonly InputFile[],
): Promise<Map<string, string[]>> {
	const assigned = new Map<string, string[]>();
	const names = inputs.map((input) => input.name).join(', ');
	for (const { input, path: file } of files) {
		const name = input ?? (inputs.length === 1 ? inputs[0].name : undefined);
		if (name === undefined) {
			throw new InputError(`${file} could be for any of this model's inputs (${names}); say which as NAME=${file}.`);
		}
		if (!inputs.some((known) => known.name === name)) {
			throw new InputError(`The model has no input "${name}"; its inputs are: ${names}.`);
		}
		assigned.set(name, [...(assigned.get(name) ?? []), ...(await expand(file))]);
	}
	const several = [...assigned].filter(([, list]) => list.length > 1);
	const [first, second] = [several[0], several.find(([, list]) => list.length !== several[0]?.[1].length)];
	if (first && second) {
		throw new InputError(
			`Inputs that take several files need as many each: "${first[0]}" has ${first[1].length}, "${second[0]}" has ${second[1].length}.`,
		);
	}
	return assigned;
}

const byName = new Intl.Collator('en', { numeric: true });

async function expand(file: string): Promise<string[]> {
	const isFolder = await stat(file).then(
		(stats) => stats.isDirectory(),
		// Reading the file explains its error. "archive.npz:member" is not the name of a file.
		() => false,
	);
	if (!isFolder) {
		return [file];
	}
	const names = (await readdir(file)).filter((name) => isArrayFile(name) || isImageFile(name));
	if (names.length === 0) {
		throw new InputError(`The folder ${file} has no file in it that can be fed: .npy, .npz, .pb, .png or .jpg.`);
	}
	return names.sort(byName.compare).map((name) => path.join(file, name));
}

/** Returns the paths of all files that inputs name, including files in folders and archives of members. */
export async function filesOf(inputs: readonly InputFile[]): Promise<readonly string[]> {
	const lists = await Promise.all(inputs.map(({ path: file }) => expand(file).catch(() => [file])));
	return lists.flat().map((file) => archiveOf(file) ?? file);
}
