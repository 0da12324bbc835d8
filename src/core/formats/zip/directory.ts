import type { ByteSource } from '../../onnx/source.js';
import { decodeText } from '../../onnx/text.js';
import { CheckpointError, truncated } from '../errors.js';
import type { CheckpointLimits } from '../limits.js';

/** An entry of the central directory. Sizes and offsets in bytes. */
export interface ZipEntry {
	readonly name: string;
	readonly flags: number;
	readonly method: number;
	readonly compressedSize: number;
	readonly size: number;
	/** Offset of the local header in the file. */
	readonly offset: number;
	/** Offset at which the next entry or the directory begins. */
	readonly end: number;
}

const END = 0x06054b50;
const END_BYTES = 22;
const MAX_COMMENT_BYTES = 0xffff;
const LOCATOR_64 = 0x07064b50;
const LOCATOR_64_BYTES = 20;
const END_64 = 0x06064b50;
const END_64_BYTES = 56;
const HEADER = 0x02014b50;
const HEADER_BYTES = 46;
const LOCAL_HEADER_BYTES = 30;
const EXTRA_64 = 1;
const IN_EXTRA_16 = 0xffff;
const IN_EXTRA_32 = 0xffffffff;

/**
 * Reads the directory at the end of a zip archive: at most two reads and the directory itself.
 * Format: APPNOTE.TXT 6.3.10, sections 4.3.12 to 4.3.16 and 4.5.3.
 * @returns the entries by name, in the directory's order; they do not overlap
 * @throws {CheckpointError} `truncated`, `malformed` or `limit`
 */
export async function readDirectory(
	source: ByteSource,
	limits: CheckpointLimits,
): Promise<ReadonlyMap<string, ZipEntry>> {
	const { count, offset, length } = await findDirectory(source);
	if (count > limits.zipEntries || length > limits.zipDirectoryBytes) {
		throw new CheckpointError(
			'limit',
			`${source.name} has a directory of ${count} entries and ${length} bytes, more than the limits of ${limits.zipEntries} (zipEntries) and ${limits.zipDirectoryBytes} (zipDirectoryBytes).`,
			offset,
		);
	}
	const entries = parseEntries(await source.read(offset, length), { count, path: source.name, offset });
	return checkEntries(entries, source.name, offset);
}

interface Directory {
	readonly count: number;
	readonly offset: number;
	readonly length: number;
}

async function findDirectory(source: ByteSource): Promise<Directory> {
	const { name, size } = source;
	const tailLength = Math.min(size, END_BYTES + MAX_COMMENT_BYTES + LOCATOR_64_BYTES);
	const tailStart = size - tailLength;
	const tail = viewOf(await source.read(tailStart, tailLength));
	const at = findEnd(tail);
	if (at === undefined) {
		throw truncated(name, size, 'a zip archive, whose directory should be at the end');
	}
	let count = tail.getUint16(at + 10, true);
	let length = tail.getUint32(at + 12, true);
	let offset = tail.getUint32(at + 16, true);
	let end = tailStart + at;
	if (count === IN_EXTRA_16 || length === IN_EXTRA_32 || offset === IN_EXTRA_32 || hasLocator(tail, at)) {
		const end64 = hasLocator(tail, at) ? safe(tail, at - LOCATOR_64_BYTES + 8) : size;
		if (end64 + END_64_BYTES > end) {
			throw malformed(name, 'its zip64 directory is missing', end);
		}
		const record = viewOf(await source.read(end64, END_64_BYTES));
		if (record.getUint32(0, true) !== END_64) {
			throw malformed(name, 'its zip64 directory is not where the file says', end64);
		}
		count = safe(record, 32);
		length = safe(record, 40);
		offset = safe(record, 48);
		end = end64;
	}
	if (offset + length > end) {
		throw malformed(name, `its directory of ${length} bytes at byte ${offset} does not fit before byte ${end}`, end);
	}
	return { count, offset, length };
}

/** Finds the end record with a comment that ends with the file, because a comment may contain the signature as well. */
function findEnd(tail: DataView): number | undefined {
	for (let at = tail.byteLength - END_BYTES; at >= 0; at--) {
		if (tail.getUint32(at, true) === END && at + END_BYTES + tail.getUint16(at + 20, true) === tail.byteLength) {
			return at;
		}
	}
	return undefined;
}

function hasLocator(tail: DataView, end: number): boolean {
	return end >= LOCATOR_64_BYTES && tail.getUint32(end - LOCATOR_64_BYTES, true) === LOCATOR_64;
}

interface Parsing {
	readonly count: number;
	/** Name of the file in messages. */
	readonly path: string;
	/** Offset of the directory in the file. */
	readonly offset: number;
}

type OpenEntry = Omit<ZipEntry, 'end'>;

function parseEntries(bytes: Uint8Array, { count, path, offset: start }: Parsing): readonly OpenEntry[] {
	const view = viewOf(bytes);
	const entries: OpenEntry[] = [];
	let at = 0;
	for (let index = 0; index < count; index++) {
		if (at + HEADER_BYTES > bytes.length || view.getUint32(at, true) !== HEADER) {
			throw malformed(path, `entry ${index} of its directory is missing`, start + at);
		}
		const nameEnd = at + HEADER_BYTES + view.getUint16(at + 28, true);
		const extraEnd = nameEnd + view.getUint16(at + 30, true);
		const next = extraEnd + view.getUint16(at + 32, true);
		if (next > bytes.length) {
			throw malformed(path, `entry ${index} of its directory reaches beyond the end`, start + at);
		}
		const sizes = {
			size: view.getUint32(at + 24, true),
			compressedSize: view.getUint32(at + 20, true),
			offset: view.getUint32(at + 42, true),
		};
		entries.push({
			name: decodeText(bytes, at + HEADER_BYTES, nameEnd),
			flags: view.getUint16(at + 8, true),
			method: view.getUint16(at + 10, true),
			...widen(sizes, view, { start: nameEnd, end: extraEnd }),
		});
		at = next;
	}
	return entries;
}

type Sizes = Pick<ZipEntry, 'size' | 'compressedSize' | 'offset'>;

/** Replaces sizes that do not fit in 32 bits. The zip64 extra field lists only their values, in order. */
function widen(sizes: Sizes, view: DataView, { start, end }: { start: number; end: number }): Sizes {
	const wide = { ...sizes };
	const missing = (['size', 'compressedSize', 'offset'] as const).filter((key) => sizes[key] === IN_EXTRA_32);
	for (let at = start; missing.length > 0 && at + 4 <= end; at += 4 + view.getUint16(at + 2, true)) {
		const fieldEnd = Math.min(end, at + 4 + view.getUint16(at + 2, true));
		if (view.getUint16(at, true) === EXTRA_64) {
			for (let field = at + 4; field + 8 <= fieldEnd && missing.length > 0; field += 8) {
				wide[missing.shift() ?? 'size'] = safe(view, field);
			}
		}
	}
	return wide;
}

/** Refuses duplicate names and overlapping entries, which make small files inflate without end. */
function checkEntries(
	entries: readonly OpenEntry[],
	path: string,
	directoryOffset: number,
): ReadonlyMap<string, ZipEntry> {
	const sorted = entries.slice().sort((a, b) => a.offset - b.offset);
	const ends = new Map<OpenEntry, number>();
	for (const [index, entry] of sorted.entries()) {
		const end = sorted[index + 1]?.offset ?? directoryOffset;
		// The local header repeats the name; its extra field may be longer and is checked when the entry is read.
		if (entry.offset + LOCAL_HEADER_BYTES + entry.compressedSize > end) {
			throw malformed(path, `entry "${entry.name}" overlaps the next one or the directory`, entry.offset);
		}
		ends.set(entry, end);
	}
	const named = new Map<string, ZipEntry>();
	for (const entry of entries) {
		if (named.has(entry.name)) {
			throw malformed(path, `it has two entries named "${entry.name}"`, entry.offset);
		}
		named.set(entry.name, { ...entry, end: ends.get(entry) ?? directoryOffset });
	}
	return named;
}

/** Reads a uint64. Values beyond 2^53 become Infinity, so that every comparison with a size refuses them. */
function safe(view: DataView, at: number): number {
	const value = Number(view.getBigUint64(at, true));
	return Number.isSafeInteger(value) ? value : Number.POSITIVE_INFINITY;
}

function viewOf(bytes: Uint8Array): DataView {
	return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function malformed(path: string, problem: string, offset: number): CheckpointError {
	return new CheckpointError(
		'malformed',
		`${path} is a broken zip archive, because ${problem}: copy or save it again.`,
		offset,
	);
}
