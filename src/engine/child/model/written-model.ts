import { constants } from 'node:fs';
import { access, chmod, copyFile, link, mkdir, realpath, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { externalTensors } from '../../../core/onnx/graph/external-tensors.js';
import { checkExternalLocation } from '../../../core/onnx/location.js';
import { type Edit, planEdits, renderEdits } from '../../../core/onnx/write/edit.js';
import { renameOver } from '../../../platform/rename-over.js';
import { identities, refuseInput, writeNew } from '../../../platform/replace-file.js';
import { isSameContent } from '../../../platform/same-content.js';
import { asWriteError, WriteError } from '../../../platform/write-error.js';
import { collectExternalData } from './collected-data.js';
import { externalPaths } from './external-data.js';
import { type OpenedModel, openModel } from './opened-model.js';

/** Paths of a model that is written. */
export interface ModelOutput {
	/** The file to write. */
	readonly output: string;
	/** Folder beside it for the unfinished files. {@link writeEdited} makes it, {@link removeUnfinished} removes it. */
	readonly temporary: string;
}

/** Mode of external data files: a copied mode could be executable. */
const DATA_MODE = 0o644;

const PERMISSIONS = 0o7777;

/**
 * Checks a file to write before the work that makes its content, which may take hours.
 * @throws {WriteError} if `output` is the model, a file of its external data, or no file, or must not be written.
 */
export async function requireOutput(model: OpenedModel, output: string): Promise<void> {
	const present = await stat(output).catch(() => undefined);
	if (present && !present.isFile()) {
		throw new WriteError(`${output} is not a file: choose another name for the written model.`);
	}
	const own = model.folder === undefined ? [] : [model.model.path];
	await refuseInput(output, await identities([...own, ...externalPaths(model)]));
	for (const place of [path.dirname(output), ...(present ? [output] : [])]) {
		await access(place, constants.W_OK).catch((error) => Promise.reject(asWriteError(output, error)));
	}
}

/**
 * Writes an edited model into the folder for unfinished files. In another folder than the model's, it gets a file of
 * external data beside it, named after the output, and every location in the model is rewritten.
 * @returns length of the model in bytes
 * @throws {OnnxError | WriteError}
 */
export async function writeEdited(
	model: OpenedModel,
	edits: readonly Edit[],
	{ output, temporary }: ModelOutput,
): Promise<number> {
	const names = unfinished({ output, temporary });
	try {
		await removeUnfinished({ output, temporary });
		await mkdir(temporary);
		const moves = externalTensors(model.model).length > 0 && !(await staysInFolder(model, output));
		const data = moves ? await collectExternalData(model, edits, path.basename(names.data)) : undefined;
		if (data?.content) {
			await writeNew(names.data, data.content);
			await chmod(names.data, DATA_MODE);
		}
		const plan = await planEdits(model.source, data?.edits ?? edits);
		await writeNew(names.model, renderEdits(plan, model.source));
		return plan.length;
	} catch (error) {
		throw asWriteError(output, error);
	}
}

/** Opens the model that {@link writeEdited} wrote. Messages call it by its final name. */
export async function openWritten(model: OpenedModel, paths: ModelOutput): Promise<OpenedModel> {
	// Without a file of its own the written model refers to the files beside the model.
	const stays = await staysInFolder(model, paths.output);
	const folder = stays ? model.folder : undefined;
	return openModel({ path: unfinished(paths).model }, { folder, name: paths.output });
}

/**
 * Gives the written files their final names. Never replaces an existing file by external data; the model keeps the mode
 * of the file that it replaces.
 * @throws {WriteError} after all written files were removed.
 */
export async function publishWritten({ output, temporary }: ModelOutput): Promise<void> {
	const from = unfinished({ output, temporary });
	const to = path.join(path.dirname(output), path.basename(from.data));
	const hasData = await stat(from.data).then(
		() => true,
		() => false,
	);
	const isNew = hasData && (await publishData(from.data, to));
	try {
		const present = await stat(output).catch(() => undefined);
		if (present) {
			await access(output, constants.W_OK);
			await chmod(from.model, present.mode & PERMISSIONS);
		}
		await renameOver(from.model, output);
	} catch (error) {
		if (isNew) {
			await rm(to, { force: true });
		}
		throw asWriteError(output, error);
	}
}

export async function removeUnfinished({ temporary }: ModelOutput): Promise<void> {
	await rm(temporary, { recursive: true, force: true, maxRetries: 5 });
}

/** @returns false if a file with the same content was there. */
async function publishData(from: string, to: string): Promise<boolean> {
	try {
		// Unlike renaming, linking never replaces a file.
		await link(from, to).catch((error) =>
			hasCode(error, 'EEXIST') ? Promise.reject(error) : copyFile(from, to, constants.COPYFILE_EXCL),
		);
		return true;
	} catch (error) {
		if (hasCode(error, 'EEXIST') && (await isSameContent(from, to))) {
			return false;
		}
		throw hasCode(error, 'EEXIST')
			? new WriteError(`${to} is needed for the model's external data, but exists: choose another output.`)
			: asWriteError(to, error);
	}
}

/** Returns the paths of the unfinished files. */
function unfinished({ output, temporary }: ModelOutput): { readonly model: string; readonly data: string } {
	const model = path.basename(output);
	return { model: path.join(temporary, model), data: path.join(temporary, dataName(model)) };
}

/** Returns a name that is also a safe location inside a model: "c:m.onnx" is an absolute path on Windows. */
function dataName(model: string): string {
	const name = `${model}.data`;
	try {
		checkExternalLocation(name);
		return name;
	} catch {
		return name.replace(/[\\/:]/g, '_');
	}
}

async function staysInFolder({ folder }: OpenedModel, output: string): Promise<boolean> {
	const target = path.dirname(output);
	return folder === undefined || (await realpath(folder)) === (await realpath(target).catch(() => target));
}

function hasCode(error: unknown, code: string): boolean {
	return error instanceof Error && 'code' in error && error.code === code;
}
