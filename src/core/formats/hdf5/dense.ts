import { readIndex } from './btree2.js';
import type { Cursor } from './cursor.js';
import { FractalHeap } from './fractal-heap.js';
import type { StructureReader } from './structure.js';

/** Storage of a group's links or an object's attributes, if many. */
export interface DensePlace {
	/** Address of the fractal heap; undefined without dense storage. */
	readonly heap: number | undefined;
	/** Address of the B-tree that lists the heap's objects by name. */
	readonly index: number | undefined;
}

/** Records by type: offset of the heap ID in the record, section III.A.2 of the format. */
const ID_OFFSETS: Readonly<Record<number, number>> = { 5: 4, 8: 0 };

/** Returns the messages of dense storage by hash of their names. @throws {CheckpointError} */
export async function readDense(reader: StructureReader, { heap, index }: DensePlace): Promise<readonly Cursor[]> {
	if (heap === undefined || index === undefined) {
		return [];
	}
	const objects = await FractalHeap.open(reader, heap);
	const messages: Cursor[] = [];
	for (const { type, record } of await readIndex(reader, index)) {
		const offset = ID_OFFSETS[type];
		if (offset === undefined) {
			throw reader.malformed(`an index of names has records of type ${type}`);
		}
		record.skip(offset);
		messages.push(await objects.read(record));
	}
	return messages;
}
