import { randomBytes } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { access, type FileHandle, open, realpath, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { renameOver } from './rename-over.js';
import { asWriteError, WriteError } from './write-error.js';

/** Content of a file: whole, or in pieces that are made while they are written. */
export type FileContent = string | Uint8Array | Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;

export interface ReplaceOptions {
	/** Files that the task reads. Writing to such a file is refused under any of its names. */
	readonly inputs?: Identities;
}

/** Maximum characters of the file's own name in a temporary name. A name has at most 255 bytes. */
const MAX_NAME = 50;
const PERMISSIONS = 0o7777;

/**
 * Writes a file as a whole or not at all: beside its place, synced, then renamed. An existing file keeps its mode, and
 * its content until the new content is on the disk. A link keeps pointing to its file. Devices and pipes are written
 * directly.
 * @throws {WriteError} after the unfinished file was removed.
 */
export async function replaceFile(
	file: string,
	content: FileContent,
	{ inputs = new Map() }: ReplaceOptions = {},
): Promise<void> {
	await refuseInput(file, inputs);
	const present = await stat(file).catch(() => undefined);
	if (present && !present.isFile()) {
		await writeDevice(file, present, content);
		return;
	}
	const target = present ? await realpath(file) : file;
	const temporary = temporaryBeside(target);
	try {
		if (present) {
			// Renaming would replace a file that its owner has protected.
			await access(target, constants.W_OK);
		}
		await writeNew(temporary, content, present);
		await renameOver(temporary, target);
	} catch (error) {
		await rm(temporary, { force: true });
		throw asWriteError(file, error);
	}
}

/** Returns a new hidden name in the folder of a file. */
export function temporaryBeside(file: string): string {
	const { dir, base } = path.parse(file);
	return path.join(dir, `.${base.slice(0, MAX_NAME)}.${randomBytes(6).toString('hex')}.part`);
}

/**
 * Refuses to write to a file that is read. Compares identities of files, because links, hard links and spellings give a
 * file many paths.
 * @throws {WriteError}
 */
export async function refuseInput(file: string, inputs: Identities): Promise<void> {
	const written = await identity(file);
	const input = written === undefined ? undefined : inputs.get(written);
	if (input !== undefined) {
		const same = path.resolve(input) === path.resolve(file) ? '' : ` as ${input}`;
		throw new WriteError(`${file} is read by this command${same}: choose another name for the output.`);
	}
}

/**
 * Refuses two purposes of the same file, because the second would destroy the first.
 * @param files absolute paths; undefined for a purpose that is not used
 * @throws {WriteError}
 */
export async function requireSeparateFiles(files: readonly (string | undefined)[]): Promise<void> {
	const seen = new Set<string>();
	for (const file of files.filter((name) => name !== undefined)) {
		const keys = [path.resolve(file), await identity(file)].filter((key) => key !== undefined);
		if (keys.some((key) => seen.has(key)) && !(await isSpecial(file))) {
			throw new WriteError(`${file} is named for two purposes: choose another name for one of them.`);
		}
		for (const key of keys) {
			seen.add(key);
		}
	}
}

/** True for a device or pipe, which any number of outputs may share. */
async function isSpecial(file: string): Promise<boolean> {
	const stats = await stat(file).catch(() => undefined);
	return stats !== undefined && !stats.isFile() && !stats.isDirectory();
}

/** Files by their identity, device and inode. */
export type Identities = ReadonlyMap<string, string>;

/** Returns the identities of the files that exist. */
export async function identities(files: readonly string[]): Promise<Identities> {
	const found = new Map<string, string>();
	for (const file of files) {
		const key = await identity(file);
		if (key !== undefined) {
			found.set(key, file);
		}
	}
	return found;
}

/** Lists the files that an earlier path names, too, each with that path. */
export async function sameFiles(files: readonly string[]): Promise<(readonly [file: string, earlier: string])[]> {
	const seen = new Map<string, string>();
	const repeated: (readonly [string, string])[] = [];
	for (const file of files) {
		const key = await identity(file);
		const earlier = key === undefined ? undefined : seen.get(key);
		if (earlier !== undefined) {
			repeated.push([file, earlier]);
		} else if (key !== undefined) {
			seen.set(key, file);
		}
	}
	return repeated;
}

async function identity(file: string): Promise<string | undefined> {
	const stats = await stat(file, { bigint: true }).catch(() => undefined);
	return stats?.isFile() ? `${stats.dev} ${stats.ino}` : undefined;
}

/** Writes and syncs a file that must not exist; it gets the mode, and where permitted the owner, of `like`. */
export async function writeNew(file: string, content: FileContent, like?: Stats): Promise<void> {
	const handle = await open(file, 'wx');
	try {
		await writeAll(handle, content);
		if (like) {
			await copyOwner(handle, like);
			await handle.chmod(like.mode & PERMISSIONS);
		}
		await handle.sync();
	} finally {
		await handle.close();
	}
}

async function copyOwner(handle: FileHandle, like: Stats): Promise<void> {
	const { uid, gid } = await handle.stat();
	if (uid !== like.uid || gid !== like.gid) {
		// Only the superuser may give a file away. The content counts more than the owner.
		await handle.chown(like.uid, like.gid).catch(() => {});
	}
}

async function writeAll(handle: FileHandle, content: FileContent): Promise<void> {
	for await (const piece of piecesOf(content)) {
		// Unlike `write`, `writeFile` continues after a short write.
		await handle.writeFile(piece);
	}
}

/** Returns the content in pieces. */
export function piecesOf(content: FileContent): Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array> {
	return typeof content === 'string' || content instanceof Uint8Array ? [content] : content;
}

async function writeDevice(file: string, present: Stats, content: FileContent): Promise<void> {
	if (present.isDirectory()) {
		throw new WriteError(`${file} cannot be written: it is a folder.`);
	}
	const handle = await open(file, 'w').catch((error) => {
		throw asWriteError(file, error);
	});
	try {
		await writeAll(handle, content);
	} catch (error) {
		throw asWriteError(file, error);
	} finally {
		await handle.close();
	}
}
