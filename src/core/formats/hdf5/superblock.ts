import { CheckpointError, truncated } from '../errors.js';
import { Cursor } from './cursor.js';
import type { StructureReader } from './structure.js';

export const HDF5_SIGNATURE = '\x89HDF\r\n\x1a\n';

const HEAD_BYTES = 96;

/** Smallest superblock: version 2 with addresses of 4 bytes. */
const MIN_BYTES = 12 + 4 * 4 + 4;

/**
 * Reads the superblock and sets widths and base address of the reader.
 * Format: HDF5 File Format Specification 3.0, section II.A. Only files without a user block in front are read.
 * @returns the address of the root group's object header
 * @throws {CheckpointError} `truncated`, `malformed` or `unsupported`
 */
export async function readSuperblock(reader: StructureReader): Promise<number> {
	const { storage, path } = reader;
	if (storage.bytes < MIN_BYTES) {
		throw truncated(path, storage.bytes, 'the superblock of an HDF5 file');
	}
	const cursor = await reader.readUpTo(0, HEAD_BYTES, 'the superblock');
	if (!decodesSignature(cursor)) {
		throw reader.malformed('its signature is missing');
	}
	const version = cursor.uint8();
	if (version > 3) {
		throw new CheckpointError(
			'unsupported',
			`${path} is an HDF5 file of the unknown version ${version}: save the model again with Keras.`,
		);
	}
	return version < 2 ? readOld(reader, cursor, version) : readNew(reader, cursor);
}

function decodesSignature(cursor: Cursor): boolean {
	return String.fromCharCode(...cursor.view(HDF5_SIGNATURE.length)) === HDF5_SIGNATURE;
}

function readOld(reader: StructureReader, cursor: Cursor, version: number): number {
	// Versions of free space, root group, and shared messages, each with a reserved byte where there is none.
	cursor.skip(4);
	const sized = withWidths(reader, cursor);
	// Reserved byte, two ranks of B-trees, consistency flags; version 1 adds a third rank.
	sized.skip(1 + 4 + 4 + (version === 1 ? 4 : 0));
	const base = sized.target();
	sized.address();
	const end = sized.address();
	sized.address();
	// The entry of the root group: name offset, then header.
	sized.address();
	const root = sized.target();
	finish(reader, base, end);
	return root;
}

function readNew(reader: StructureReader, cursor: Cursor): number {
	const sized = withWidths(reader, cursor);
	sized.skip(1);
	const base = sized.target();
	sized.address();
	const end = sized.address();
	const root = sized.target();
	finish(reader, base, end);
	return root;
}

/** Reads the widths; returns a cursor over the rest with them. */
function withWidths(reader: StructureReader, cursor: Cursor): Cursor {
	const widths = { address: cursor.uint8(), length: cursor.uint8() };
	if (![widths.address, widths.length].every((width) => width === 2 || width === 4 || width === 8)) {
		throw reader.malformed(`its addresses have ${widths.address} bytes and its lengths ${widths.length}`);
	}
	reader.widths = widths;
	return new Cursor(cursor.view(cursor.remaining), reader, 'the superblock');
}

function finish(reader: StructureReader, base: number, end: number | undefined): void {
	if (end === undefined || base + end > reader.storage.bytes) {
		throw truncated(reader.path, reader.storage.bytes, `an HDF5 file of ${end ?? 'unknown'} bytes`);
	}
	reader.base = base;
}
