import type { Stats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { OnnxError } from '../core/onnx/errors.js';
import type { ByteSource } from '../core/onnx/source.js';
import { messageOf } from '../core/text/sentences.js';

/** An open file on disk. Reads keep returning its bytes even when another file takes its name. */
export interface FileSource extends ByteSource {
	close(): Promise<void>;
}

/**
 * Opens a regular file for positional reads.
 * @param flags of open(2); default: read only
 * @throws {OnnxError} `io` with the reason in words
 */
export async function openFile(path: string, flags: string | number = 'r'): Promise<FileSource> {
	const cannotOpen = (error: unknown): never => {
		throw new OnnxError('io', `${path} cannot be opened: ${reasonOf(error)}.`);
	};
	// Checked first, because opening a pipe waits for a writer.
	requireRegular(await stat(path).catch(cannotOpen), path);
	const handle = await open(path, flags).catch(cannotOpen);
	try {
		const stats = await handle.stat();
		requireRegular(stats, path);
		return {
			name: path,
			size: stats.size,
			// Every read has its own buffer: several reads run at once.
			read: async (offset, length) => {
				const buffer = Buffer.allocUnsafe(length);
				await fill(buffer, offset, handle, path);
				return buffer;
			},
			readInto: (target, offset) => fill(target, offset, handle, path),
			close: () => handle.close(),
		};
	} catch (error) {
		await handle.close();
		throw error;
	}
}

function requireRegular(stats: Stats, path: string): void {
	if (stats.isDirectory()) {
		throw new OnnxError('io', `${path} is a folder: choose the .onnx file in it.`);
	}
	if (!stats.isFile()) {
		throw new OnnxError('io', `${path} is a device or pipe, not a file.`);
	}
}

/** Fills the whole buffer from `offset` of the file on. */
async function fill(buffer: Uint8Array, offset: number, handle: FileHandle, path: string): Promise<void> {
	for (let done = 0; done < buffer.length; ) {
		const { bytesRead } = await handle
			.read(buffer, done, buffer.length - done, offset + done)
			.catch((error: unknown): never => {
				throw new OnnxError('io', `${path} cannot be read: ${reasonOf(error)}.`, offset + done);
			});
		if (bytesRead === 0) {
			const end = offset + done;
			throw new OnnxError('io', `${path} became shorter while it was read: it now ends at byte ${end}.`, end);
		}
		done += bytesRead;
	}
}

const REASONS: Readonly<Record<string, string>> = {
	ENOENT: 'it does not exist',
	ENOTDIR: 'a part of its path is not a folder',
	EACCES: 'reading it is not permitted',
	EPERM: 'reading it is not permitted',
	EISDIR: 'it is a folder',
	EBUSY: 'another program has locked it; close it there and try again',
	EMFILE: 'too many files are open',
	ELOOP: 'it is a symbolic link, or a chain of them',
	EIO: 'the disk reports an error',
};

/** Returns the reason of a file system error, for a sentence's end. */
export function reasonOf(error: unknown): string {
	const code = error instanceof Error && 'code' in error ? String(error.code) : '';
	return REASONS[code] ?? messageOf(error);
}
