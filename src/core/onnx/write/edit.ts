import { OnnxError } from '../errors.js';
import type { ByteSpan, Graph } from '../model.js';
import { LONGEST_HEADER, type ScannedField, scanField } from '../read/field-scan.js';
import { ReadWindow } from '../read/read-window.js';
import type { ByteSource } from '../source.js';
import { encodeText } from '../text.js';
import { WireReader } from '../wire.js';
import type { MessageBytes } from './encode.js';

/** Something that the reader located in the file: a node, an initializer, a declared value. */
export interface Located {
	readonly span?: ByteSpan;
	/** Of a tensor: a sparse initializer is replaced by a dense initializer. */
	readonly storage?: { readonly kind: string };
}

/** Repeated fields of GraphProto to which a message can be added. */
const GRAPH_FIELDS = { node: 1, initializer: 5, input: 11, output: 12, valueInfo: 13 } as const;
export type GraphField = keyof typeof GRAPH_FIELDS;

/** A change of a model file, anchored at the bytes of a message. The functions below make it. */
export interface Edit {
	/** Span of the message to replace or remove, or of the message before or in which to insert. */
	readonly at: ByteSpan;
	readonly kind: 'replace' | 'remove' | 'before' | 'append';
	/** The new message, with the number of its field; 0: the field of the replaced message. */
	readonly message: MessageBytes;
	readonly field: number;
}

export function replaceMessage(record: Located, message: MessageBytes): Edit {
	const field = record.storage?.kind === 'sparse' ? GRAPH_FIELDS.initializer : 0;
	return { kind: 'replace', at: spanOf(record), message, field };
}

export function removeMessage(record: Located): Edit {
	return { kind: 'remove', at: spanOf(record), message: [], field: 0 };
}

/** Adds a message to a graph: last, or before a node. */
export function addToGraph(graph: Graph, field: GraphField, message: MessageBytes, before?: Located): Edit {
	const at = before ? spanOf(before) : spanOf({ span: graph.spans?.at(-1) });
	return { kind: before ? 'before' : 'append', at, message, field: GRAPH_FIELDS[field] };
}

/** Field of a NodeProto with its outputs. */
const NODE_OUTPUT = 2;

/** Adds outputs to a node, behind its own. */
export function addNodeOutputs(node: Located, names: readonly string[]): Edit[] {
	const at = spanOf(node);
	return names.map((name) => ({ kind: 'append', at, message: [encodeText(name)], field: NODE_OUTPUT }));
}

function spanOf({ span }: { readonly span?: ByteSpan | undefined }): ByteSpan {
	if (!span) {
		throw new Error('Only what was read from a file can be edited in it.');
	}
	return span;
}

/** A planned file: ranges of the original and new bytes, in order. */
export interface EditPlan {
	readonly pieces: readonly (ByteSpan | Uint8Array)[];
	/** Length of the result, in bytes. */
	readonly length: number;
}

/** protobuf's own bound: no runtime opens a larger message. */
const LARGEST_MODEL = 2 ** 31 - 1;

/** Bytes copied at once: large for the disk, small beside models. */
const COPY_BYTES = 1024 * 1024;

/**
 * Plans the model file that differs from `source` only by `edits`. Recomputes the lengths of surrounding messages and
 * keeps every other byte. Without edits the result is the file itself.
 * @param source the file that was read, unchanged since
 * @throws {OnnxError} `io` when the messages are not where they were; `limit` when the result would be too large
 */
export async function planEdits(source: ByteSource, edits: readonly Edit[]): Promise<EditPlan> {
	const pieces = await new Planner(source).rewrite({ offset: 0, length: source.size }, edits);
	const length = totalLength(pieces);
	if (length > LARGEST_MODEL) {
		throw new OnnxError('limit', `The result would take ${length} bytes; an ONNX file has at most ${LARGEST_MODEL}.`);
	}
	return { pieces, length };
}

/**
 * Plans the content of a single message of the file, with the edits inside it.
 * @throws {OnnxError} `io` when the messages are not where they were
 */
export async function planMessage(source: ByteSource, message: ByteSpan, edits: readonly Edit[]): Promise<EditPlan> {
	const end = message.offset + message.length;
	const inside = edits.filter(({ at }) => at.offset >= message.offset && at.offset + at.length <= end);
	const pieces = await new Planner(source).rewrite(message, inside);
	return { pieces, length: totalLength(pieces) };
}

/** Returns a planned file's bytes in an array, then `tail`. */
export async function editedBytes(
	plan: EditPlan,
	source: ByteSource,
	tail: Uint8Array = new Uint8Array(0),
): Promise<Uint8Array> {
	const bytes = new Uint8Array(plan.length + tail.length);
	let at = 0;
	for await (const chunk of renderEdits(plan, source)) {
		bytes.set(chunk, at);
		at += chunk.length;
	}
	bytes.set(tail, at);
	return bytes;
}

/** Yields the bytes of a planned file in chunks of at most 1 MB, and reads `source` along the way. */
export async function* renderEdits(plan: EditPlan, source: ByteSource): AsyncGenerator<Uint8Array> {
	for (const piece of plan.pieces) {
		if (piece instanceof Uint8Array) {
			yield piece;
			continue;
		}
		const end = piece.offset + piece.length;
		for (let offset = piece.offset; offset < end; offset += COPY_BYTES) {
			yield await source.read(offset, Math.min(COPY_BYTES, end - offset));
		}
	}
}

type Piece = ByteSpan | Uint8Array;

class Planner {
	readonly #window: ReadWindow;
	readonly #wire: WireReader;
	readonly #name: string;

	constructor(source: ByteSource) {
		this.#name = source.name;
		this.#window = new ReadWindow(source);
		this.#wire = new WireReader(this.#window, () => this.#changed());
	}

	/** Returns a message's content with the edits inside it. */
	async rewrite(message: ByteSpan, edits: readonly Edit[]): Promise<Piece[]> {
		const pieces: Piece[] = [];
		const appended = edits.filter((edit) => edit.kind === 'append' && isSame(edit.at, message));
		const pending = edits.filter((edit) => !appended.includes(edit)).sort((a, b) => a.at.offset - b.at.offset);
		const end = message.offset + message.length;
		let copied = message.offset;
		for (let position = message.offset; pending.length > 0; ) {
			if (position >= end) {
				throw this.#changed();
			}
			const field = await this.#scan(position, end);
			const inside = takeInside(pending, field);
			if (inside.length > 0) {
				pieces.push({ offset: copied, length: position - copied }, ...(await this.#rewriteField(field, inside)));
				copied = field.end;
			}
			position = field.end;
		}
		pieces.push({ offset: copied, length: end - copied });
		pieces.push(...appended.flatMap(encodeField));
		return pieces.filter(({ length }) => length > 0);
	}

	async #rewriteField(field: ScannedField, edits: readonly Edit[]): Promise<Piece[]> {
		const own = edits.filter(({ at, kind }) => kind !== 'append' && isSame(at, field.payload));
		const inner = edits.filter((edit) => !own.includes(edit));
		const changes = own.filter(({ kind }) => kind !== 'before');
		if (changes.length > 1 || (changes.length === 1 && inner.length > 0)) {
			throw new Error(`Two edits want to change the message at byte ${field.payload.offset}.`);
		}
		const before = own.filter(({ kind }) => kind === 'before').flatMap(encodeField);
		const [change] = changes;
		if (change?.kind === 'remove') {
			return before;
		}
		const content = change?.message ?? (inner.length > 0 ? await this.rewrite(field.payload, inner) : [field.payload]);
		const tag = change && change.field > 0 ? varint(change.field * 8 + 2) : field.tag;
		return [...before, tag, varint(totalLength(content)), ...content];
	}

	async #scan(position: number, end: number): Promise<ScannedField> {
		const header = Math.min(LONGEST_HEADER, end - position);
		if (position < this.#window.start || position + header > this.#window.end) {
			await this.#window.load(position, header);
		}
		return scanField(this.#wire, position, end);
	}

	#changed(): OnnxError {
		return new OnnxError('io', `${this.#name} was changed since it was read: open it again.`);
	}
}

/** Takes the edits at or inside a field from the front of a sorted list. */
function takeInside(pending: Edit[], { payload, delimited }: ScannedField): Edit[] {
	const end = payload.offset + payload.length;
	const count = pending.findIndex(({ at }) => !delimited || at.offset < payload.offset || at.offset + at.length > end);
	return pending.splice(0, count < 0 ? pending.length : count);
}

function isSame(a: ByteSpan, b: ByteSpan): boolean {
	return a.offset === b.offset && a.length === b.length;
}

/** A whole field: tag, length, message. */
function encodeField({ field, message }: Edit): Uint8Array[] {
	return [varint(field * 8 + 2), varint(totalLength(message)), ...message];
}

function totalLength(pieces: readonly { readonly length: number }[]): number {
	return pieces.reduce((total, { length }) => total + length, 0);
}

/** LEB128, for numbers up to 2^53. */
function varint(value: number): Uint8Array {
	const bytes: number[] = [];
	let rest = value;
	for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) {
		bytes.push((rest % 0x80) | 0x80);
	}
	return Uint8Array.of(...bytes, rest);
}
