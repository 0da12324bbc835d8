import type { Cursor } from './cursor.js';
import type { StructureReader } from './structure.js';

/** Types of messages, section IV.A.2 of the format. */
export const MESSAGE = {
	dataspace: 0x01,
	linkInfo: 0x02,
	datatype: 0x03,
	link: 0x06,
	externalFiles: 0x07,
	layout: 0x08,
	filters: 0x0b,
	attribute: 0x0c,
	continuation: 0x10,
	symbolTable: 0x11,
	attributeInfo: 0x15,
} as const;

/** A message of an object header. */
export interface Message {
	readonly type: number;
	/** True if `body` refers to a message of another object. */
	readonly shared: boolean;
	readonly body: Cursor;
}

/** A group or a dataset: messages, at an address. */
export interface Hdf5Object {
	readonly address: number;
	readonly messages: readonly Message[];
}

/** Bytes read at first: most headers of h5py are shorter. */
const FIRST_BYTES = 512;

/** Maximum bytes of a header. A message has at most 64 KB, and all messages of Keras together have less. */
const MAX_BYTES = 1 << 21;

const SHARED = 0x02;

/**
 * Reads an object header of version 1 or 2 with its continuations; the checksums of version 2 are not compared.
 * @throws {CheckpointError} `truncated`, `malformed` or `limit`
 */
export async function readObject(reader: StructureReader, address: number): Promise<Hdf5Object> {
	const head = await reader.readUpTo(address, FIRST_BYTES, 'an object header');
	const messages: Message[] = [];
	const parse = head.accept('OHDR')
		? await readVersion2(reader, address, head)
		: await readVersion1(reader, address, head);
	const chunks = [parse.first];
	let total = 0;
	for (let chunk = chunks.pop(); chunk; chunk = chunks.pop()) {
		total = checkLength(reader, total + chunk.remaining);
		const found = parse.messages(chunk);
		messages.push(...found.filter(({ type }) => type !== MESSAGE.continuation));
		for (const { body } of found.filter(({ type }) => type === MESSAGE.continuation)) {
			const start = body.target();
			const length = checkLength(reader, body.length());
			chunks.push(parse.continuation(await reader.read(start, length, 'an object header')));
		}
	}
	return { address, messages };
}

function checkLength(reader: StructureReader, length: number): number {
	if (length > MAX_BYTES) {
		throw reader.malformed(`an object header is longer than ${MAX_BYTES} bytes`);
	}
	return length;
}

interface HeaderParser {
	/** Messages of the first chunk. */
	readonly first: Cursor;
	/** Returns a cursor over the messages in a continuation, without signature and checksum. */
	continuation(chunk: Cursor): Cursor;
	messages(chunk: Cursor): readonly Message[];
}

async function readVersion1(reader: StructureReader, address: number, head: Cursor): Promise<HeaderParser> {
	const version = head.uint8();
	if (version !== 1) {
		throw reader.malformed(`an object header has the unknown version ${version}`);
	}
	// A reserved byte, the number of messages, and the number of links to the object.
	head.skip(1 + 2 + 4);
	const length = head.uint32();
	head.skip(4);
	return {
		first: await chunkOf(reader, address, head, length),
		continuation: (chunk) => chunk,
		messages: messagesOfVersion1,
	};
}

/** Returns the chunk behind the prefix that was read, which is read again if it is longer than the first bytes. */
async function chunkOf(reader: StructureReader, address: number, head: Cursor, length: number): Promise<Cursor> {
	return length <= head.remaining
		? head.part(length)
		: reader.read(address + head.at, checkLength(reader, length), 'an object header');
}

function messagesOfVersion1(chunk: Cursor): readonly Message[] {
	const messages: Message[] = [];
	while (chunk.remaining >= 8) {
		const type = chunk.uint16();
		const length = chunk.uint16();
		const flags = chunk.uint8();
		chunk.skip(3);
		messages.push({ type, shared: (flags & SHARED) !== 0, body: chunk.part(length) });
	}
	return messages;
}

const TIMES = 0x20;
const PHASES = 0x10;
const CREATION_ORDER = 0x04;
const CHECKSUM_BYTES = 4;

async function readVersion2(reader: StructureReader, address: number, head: Cursor): Promise<HeaderParser> {
	const version = head.uint8();
	if (version !== 2) {
		throw reader.malformed(`an object header has the unknown version ${version}`);
	}
	const flags = head.uint8();
	head.skip(((flags & TIMES) !== 0 ? 16 : 0) + ((flags & PHASES) !== 0 ? 4 : 0));
	const length = head.unsigned(1 << (flags & 3));
	const ordered = (flags & CREATION_ORDER) !== 0;
	return {
		first: await chunkOf(reader, address, head, length),
		continuation(chunk) {
			chunk.expect('OCHK');
			return chunk.part(Math.max(0, chunk.remaining - CHECKSUM_BYTES));
		},
		messages: (chunk) => messagesOfVersion2(chunk, ordered),
	};
}

function messagesOfVersion2(chunk: Cursor, ordered: boolean): readonly Message[] {
	const messages: Message[] = [];
	// A gap too short for a message ends a chunk.
	while (chunk.remaining >= (ordered ? 6 : 4)) {
		const type = chunk.uint8();
		const length = chunk.uint16();
		const flags = chunk.uint8();
		chunk.skip(ordered ? 2 : 0);
		messages.push({ type, shared: (flags & SHARED) !== 0, body: chunk.part(length) });
	}
	return messages;
}

/** Returns the body of an object's first message of a type. */
export function messageOf({ messages }: Hdf5Object, type: number): Cursor | undefined {
	const found = messages.find((message) => message.type === type);
	if (!found) {
		return undefined;
	}
	found.body.at = 0;
	return found.body;
}
