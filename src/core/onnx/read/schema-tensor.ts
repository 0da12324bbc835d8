import type { ByteSpan, DataTypeCode, TensorRecord, TensorStorage, TypedChunk } from '../model.js';
import { decodeText } from '../text.js';
import { typedField } from '../types.js';
import { WIRE } from '../wire.js';
import type { ReadSession } from './read-session.js';
import {
	bytes,
	type Field,
	type FieldPlace,
	integer,
	integers,
	message,
	name,
	type Opened,
	place,
	type Shape,
} from './shape.js';

/** A TensorProto while its fields are read. */
export interface TensorDraft {
	name: string;
	dataType: DataTypeCode;
	readonly dims: number[];
	/** The last raw_data counts, as protobuf specifies. */
	raw: ByteSpan | undefined;
	/** Typed fields by number. Only the data type's field counts. */
	typed?: Map<number, TypedChunk[]>;
	external?: Map<string, string>;
	isExternal: boolean;
	isSegmented: boolean;
	readonly span: ByteSpan;
}

export function openTensor(span: ByteSpan): TensorDraft {
	return {
		name: '',
		dataType: 0,
		dims: [],
		raw: undefined,
		isExternal: false,
		isSegmented: false,
		span,
	};
}

export function closeTensor(draft: TensorDraft): TensorRecord {
	const { name, dataType, dims, span } = draft;
	const record = { name, dataType, dims, storage: storageOf(draft), span };
	return draft.isSegmented ? { ...record, segmented: true } : record;
}

function storageOf({ dataType, raw, typed, external, isExternal }: TensorDraft): TensorStorage {
	if (isExternal) {
		const length = external?.get('length');
		return {
			kind: 'external',
			location: external?.get('location') ?? '',
			offset: Number(external?.get('offset') ?? 0),
			length: length === undefined ? undefined : Number(length),
		};
	}
	// Writers that set every field leave an empty raw_data beside a typed field; ignore it.
	if (typed && !raw?.length) {
		const own = typedField(dataType);
		const [field, chunks] = [...typed].find(([number]) => number === own) ?? [...typed][0] ?? [own, []];
		return { kind: 'typed', field, chunks };
	}
	return raw ? { kind: 'raw', span: raw } : { kind: 'none' };
}

/**
 * Joins consecutive unpacked elements into a chunk, because a chunk per element would cost twenty times its bytes in
 * the file.
 * @returns true when a chunk was added
 */
function addChunk(chunks: TypedChunk[], { record, payload, delimited }: FieldPlace): boolean {
	const last = chunks.at(-1);
	if (!delimited && last && !last.packed && last.span.offset + last.span.length === record.offset) {
		const span = { offset: last.span.offset, length: last.span.length + record.length };
		chunks[chunks.length - 1] = { span, packed: false };
		return false;
	}
	chunks.push({ span: delimited ? payload : record, packed: delimited });
	return true;
}

/** A typed field; `element` is the wire type of its unpacked elements. */
function elements(title: string, number: number, element?: number): Field<TensorDraft> {
	return place(
		title,
		(tensor, where, session) => {
			tensor.typed ??= new Map();
			const chunks = tensor.typed.get(number) ?? [];
			tensor.typed.set(number, chunks);
			if (addChunk(chunks, where)) {
				session.countRecords(1);
			}
		},
		element,
	);
}

export const TENSOR: Shape<TensorDraft> = {
	name: 'TensorProto',
	fields: {
		1: integers('dims', (tensor, value, session) => {
			tensor.dims.push(value);
			session.require('rank', 'the number of dimensions of a tensor', tensor.dims.length);
		}),
		2: integer('data_type', (tensor, value) => {
			tensor.dataType = value;
		}),
		3: message('segment', (tensor) => {
			tensor.isSegmented = true;
			return { shape: NOTHING, target: undefined };
		}),
		4: elements('float_data', 4, WIRE.fixed32),
		5: elements('int32_data', 5, WIRE.varint),
		6: elements('string_data', 6),
		7: elements('int64_data', 7, WIRE.varint),
		8: name('name', (tensor, value) => {
			tensor.name = value;
		}),
		9: place('raw_data', (tensor, { payload }) => {
			tensor.raw = payload;
		}),
		10: elements('double_data', 10, WIRE.fixed64),
		11: elements('uint64_data', 11, WIRE.varint),
		13: message('external_data', (tensor) => {
			tensor.external ??= new Map();
			return openEntry(tensor.external);
		}),
		14: integer('data_location', (tensor, value) => {
			tensor.isExternal = value === 1;
		}),
	},
};

const NOTHING: Shape<undefined> = { name: 'TensorProto.Segment', fields: {} };

/** A tensor in a repeated field, passed on when complete. */
export function tensorField<T>(
	title: string,
	put: (target: T, record: TensorRecord, session: ReadSession) => void,
): Field<T> {
	return message(title, (target, span, session) => {
		const draft = openTensor(span);
		return { shape: TENSOR, target: draft, close: () => put(target, closeTensor(draft), session) };
	});
}

interface EntryDraft {
	key: string;
	value: string;
}

/** Entry of external data and of metadata. A value that is too long stays empty. */
const ENTRY: Shape<EntryDraft> = {
	name: 'StringStringEntryProto',
	fields: {
		1: name('key', (entry, value) => {
			entry.key = value;
		}),
		2: bytes('value', (entry, value) => {
			entry.value = value ? decodeText(value) : '';
		}),
	},
};

export function openEntry(into: Map<string, string>): Opened {
	const entry: EntryDraft = { key: '', value: '' };
	return { shape: ENTRY, target: entry, close: () => into.set(entry.key, entry.value) };
}
