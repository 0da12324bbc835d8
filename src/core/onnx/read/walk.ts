import type { OnnxError } from '../errors.js';
import type { ByteSpan } from '../model.js';
import { decodeText } from '../text.js';
import { LONGEST_VARINT, WIRE, WireReader } from '../wire.js';
import type { ReadSession } from './read-session.js';
import type { ReadWindow } from './read-window.js';
import type { Field, MessageField, Opened } from './shape.js';

/** A message that is being read. */
interface Frame {
	readonly opened: Opened;
	readonly end: number;
}

/**
 * Walks a protobuf message depth first with a stack of its own, so that nesting uses no call stack. Stops only for
 * missing bytes, so that the window's content is parsed without a promise.
 */
export class Walker {
	/** Offset of the next field. */
	#position = 0;
	readonly #window: ReadWindow;
	readonly #session: ReadSession;
	readonly #wire: WireReader;
	readonly #stack: Frame[];
	#frame: Frame;

	constructor(root: Opened, size: number, { window, session }: { window: ReadWindow; session: ReadSession }) {
		this.#window = window;
		this.#session = session;
		this.#wire = new WireReader(window, (what) => session.error('malformed', what));
		this.#frame = { opened: root, end: size };
		this.#stack = [this.#frame];
	}

	/** @throws {OnnxError} */
	async run(): Promise<void> {
		for (let need = this.#advance(); need > 0; need = this.#advance()) {
			await this.#window.load(this.#position, need);
		}
	}

	/** @returns 0 at the end, else how many bytes from the position on are needed to go on */
	#advance(): number {
		for (;;) {
			while (this.#position >= this.#frame.end) {
				this.#frame.opened.close?.();
				this.#stack.pop();
				const parent = this.#stack.at(-1);
				if (!parent) {
					return 0;
				}
				this.#frame = parent;
			}
			// A tag, and a number or a length.
			const header = Math.min(2 * LONGEST_VARINT, this.#frame.end - this.#position);
			const need = this.#has(header) ? this.#field() : header;
			if (need > 0) {
				return need;
			}
		}
	}

	#has(length: number): boolean {
		return this.#position >= this.#window.start && this.#position + length <= this.#window.end;
	}

	/** Reads the field at the position and moves behind it, or returns the number of bytes that it needs. */
	#field(): number {
		this.#session.offset = this.#position;
		this.#wire.varint(this.#position, this.#frame.end);
		const tag = this.#wire.unsigned;
		const number = Math.floor(tag / 8);
		const wire = tag % 8;
		if (number === 0 || tag >= 2 ** 32) {
			throw this.#session.error('malformed', `there is no field with tag ${tag}`);
		}
		const field = this.#frame.opened.shape.fields[number];
		const payload = this.#wire.after;
		switch (wire) {
			case WIRE.varint:
				this.#wire.varint(payload, this.#frame.end);
				return this.#scalar(field, wire, payload, this.#wire.after);
			case WIRE.fixed64:
				return this.#scalar(field, wire, payload, payload + 8);
			case WIRE.fixed32:
				return this.#scalar(field, wire, payload, payload + 4);
			case WIRE.bytes:
				return this.#delimited(field, payload);
			default:
				throw this.#wrongWire(field, wire);
		}
	}

	#scalar(field: Field<unknown> | undefined, wire: number, start: number, end: number): number {
		if (end > this.#frame.end) {
			throw this.#beyond(field, end - start);
		}
		if (field?.kind === 'place' && wire === field.element) {
			this.#locate(field, { offset: start, length: end - start }, false);
		} else if (field?.kind === 'integer' && wire === WIRE.varint) {
			field.put(this.#frame.opened.target, this.#wire.signed, this.#session);
		} else if (field?.kind === 'float' && wire === WIRE.fixed32) {
			field.put(this.#frame.opened.target, this.#wire.float32(start), this.#session);
		} else if (field) {
			throw this.#wrongWire(field, wire);
		}
		this.#position = end;
		return 0;
	}

	#delimited(field: Field<unknown> | undefined, at: number): number {
		this.#wire.varint(at, this.#frame.end);
		const start = this.#wire.after;
		const length = this.#wire.unsigned;
		const end = start + length;
		if (end > this.#frame.end) {
			throw this.#beyond(field, length);
		}
		if (field?.kind === 'message') {
			this.#enter(field, { offset: start, length });
			return 0;
		}
		if (field?.kind === 'place') {
			this.#locate(field, { offset: start, length }, true);
		} else if (field && !this.#staysInFile(field, length)) {
			if (!this.#has(end - this.#position)) {
				return end - this.#position;
			}
			this.#value(field, start, end);
		}
		this.#position = end;
		return 0;
	}

	#locate(field: Field<unknown> & { kind: 'place' }, payload: ByteSpan, delimited: boolean): void {
		const record = { offset: this.#position, length: payload.offset + payload.length - this.#position };
		field.put(this.#frame.opened.target, { record, payload, delimited }, this.#session);
	}

	#enter(field: MessageField<unknown>, payload: ByteSpan): void {
		this.#session.require('nesting', 'the number of messages inside each other', this.#stack.length);
		this.#session.countRecords(1);
		const opened = field.open(this.#frame.opened.target, payload, this.#session);
		this.#frame = { opened, end: payload.offset + payload.length };
		this.#stack.push(this.#frame);
		this.#position = payload.offset;
	}

	/** Records at the target a value that is too long to keep, or refuses the value if the target needs it. */
	#staysInFile(field: Field<unknown>, length: number): boolean {
		const limit = field.kind === 'name' ? 'nameBytes' : 'valueBytes';
		if (length <= this.#session.limits[limit]) {
			return false;
		}
		if (field.kind === 'bytes') {
			field.put(this.#frame.opened.target, undefined);
		} else if ('omit' in field && field.omit) {
			field.omit(this.#frame.opened.target);
		} else {
			this.#session.require(limit, `the length of ${this.#title(field)}`, length);
		}
		return true;
	}

	/** Reads a string, bytes or packed list in the window. */
	#value(field: Field<unknown>, start: number, end: number): void {
		const { target } = this.#frame.opened;
		const { bytes, start: base } = this.#window;
		if (field.kind === 'name') {
			this.#session.countRecords(1);
			field.put(target, decodeText(bytes, start - base, end - base), this.#session);
		} else if (field.kind === 'bytes') {
			field.put(target, bytes.subarray(start - base, end - base));
		} else if (field.kind === 'integer' && field.list) {
			for (let position = start; position < end; position = this.#wire.after) {
				this.#wire.varint(position, end);
				field.put(target, this.#wire.signed, this.#session);
			}
		} else if (field.kind === 'float' && field.list && (end - start) % 4 === 0) {
			for (let position = start; position < end; position += 4) {
				field.put(target, this.#wire.float32(position), this.#session);
			}
		} else {
			throw this.#wrongWire(field, WIRE.bytes);
		}
	}

	#beyond(field: Field<unknown> | undefined, length: number): OnnxError {
		const { end } = this.#frame;
		const what = `${this.#title(field)} takes ${length} bytes`;
		return this.#stack.length === 1
			? this.#session.error('truncated', `${what} but the file ends at byte ${end}: it was cut short, copy it again`)
			: this.#session.error('malformed', `${what} but the message around it ends at byte ${end}`);
	}

	#wrongWire(field: Field<unknown> | undefined, wire: number): OnnxError {
		return this.#session.error('malformed', `${this.#title(field)} has the wrong wire type ${wire}`);
	}

	#title(field: Field<unknown> | undefined): string {
		return field
			? `${this.#frame.opened.shape.name}.${field.name}`
			: `an unknown field of ${this.#frame.opened.shape.name}`;
	}
}
