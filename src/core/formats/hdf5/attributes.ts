import { elementCount } from '../tensor.js';
import type { Cursor } from './cursor.js';
import { type ElementType, readDatatype, readDims } from './datatype.js';
import { readDense } from './dense.js';
import type { GlobalHeap } from './global-heap.js';
import { type Hdf5Object, MESSAGE, messageOf } from './object-header.js';
import type { StructureReader } from './structure.js';

/** An attribute. Its value is read on demand. */
export interface Attribute {
	readonly name: string;
	readonly type: ElementType | undefined;
	readonly dims: readonly number[];
	readonly data: Cursor;
}

/** Maximum number of texts of an attribute, which are names of layers. */
const MAX_TEXTS = 200_000;

/** Returns the attributes of an object. @throws {CheckpointError} */
export async function readAttributes(reader: StructureReader, object: Hdf5Object): Promise<readonly Attribute[]> {
	const bodies = object.messages.filter(({ type, shared }) => type === MESSAGE.attribute && !shared);
	const attributes = bodies.map(({ body }) => parseAttribute(body));
	const info = messageOf(object, MESSAGE.attributeInfo);
	if (info) {
		info.skip(1);
		const ordered = (info.uint8() & 1) !== 0;
		info.skip(ordered ? 2 : 0);
		const dense = await readDense(reader, { heap: info.address(), index: info.address() });
		attributes.push(...dense.map(parseAttribute));
	}
	return attributes;
}

/** Reads an attribute message, section IV.A.2.m of the format. */
function parseAttribute(cursor: Cursor): Attribute {
	cursor.at = 0;
	const version = cursor.uint8();
	if (version < 1 || version > 3) {
		throw cursor.error(`has an attribute of the unknown version ${version}`);
	}
	const shared = version > 1 && (cursor.bytes[1] ?? 0) !== 0;
	cursor.skip(1);
	const nameLength = cursor.uint16();
	const typeLength = cursor.uint16();
	const spaceLength = cursor.uint16();
	cursor.skip(version === 3 ? 1 : 0);
	const part = (length: number): Cursor => {
		const found = cursor.part(length);
		if (version === 1) {
			cursor.align();
		}
		return found;
	};
	const name = untilZero(part(nameLength));
	const typeCursor = part(typeLength);
	const space = part(spaceLength);
	const type = shared ? undefined : readDatatype(typeCursor);
	return {
		name,
		type: type?.ok ? type.value : undefined,
		dims: shared ? [0] : readDims(space),
		data: cursor.part(cursor.remaining),
	};
}

/**
 * Returns the texts of an attribute in order; none for numbers.
 * @throws {CheckpointError}
 */
export async function textsOf({ type, dims, data }: Attribute, heap: GlobalHeap): Promise<readonly string[]> {
	const count = elementCount(dims);
	if (type?.kind !== 'text' && type?.kind !== 'heap-text') {
		return [];
	}
	if (count > MAX_TEXTS) {
		throw data.error(`has an attribute of ${count} texts`);
	}
	data.at = 0;
	const texts: string[] = [];
	for (let index = 0; index < count; index++) {
		if (type.kind === 'text') {
			texts.push(untilZero(data.part(type.size)));
		} else {
			const length = data.uint32();
			const address = data.address();
			const object = data.uint32();
			texts.push(address === undefined || length === 0 ? '' : await heap.text(address, object, length));
		}
	}
	return texts;
}

/** Returns the text up to the first zero or the end. */
function untilZero(cursor: Cursor): string {
	const end = cursor.bytes.indexOf(0);
	return cursor.text(end < 0 ? cursor.remaining : end);
}
