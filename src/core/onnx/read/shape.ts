import type { ByteSpan } from '../model.js';
import type { ReadSession } from './read-session.js';

/** Place of a field that stays in the file. */
export interface FieldPlace {
	/** Span from the tag on, up to the next field. */
	readonly record: ByteSpan;
	/** Without tag and length. */
	readonly payload: ByteSpan;
	/** A length-delimited field: a packed list, bytes or a message. */
	readonly delimited: boolean;
}

/** An entered message with the target of its fields. */
export interface Opened {
	readonly shape: Shape<unknown>;
	readonly target: unknown;
	readonly close?: () => void;
}

/**
 * Reader of a field into the target of its message. `put` and `open` are methods so that a shape of a known target can
 * be held as a shape of an unknown target: the walker keeps each target beside its shape.
 */
export type Field<T> = IntegerField<T> | FloatField<T> | NameField<T> | BytesField<T> | PlaceField<T> | MessageField<T>;

interface IntegerField<T> {
	readonly kind: 'integer';
	readonly name: string;
	/** Repeated: packed or not. */
	readonly list: boolean;
	put(target: T, value: number, session: ReadSession): void;
	omit?(target: T): void;
}

interface FloatField<T> {
	readonly kind: 'float';
	readonly name: string;
	readonly list: boolean;
	put(target: T, value: number, session: ReadSession): void;
	omit?(target: T): void;
}

interface NameField<T> {
	readonly kind: 'name';
	readonly name: string;
	put(target: T, value: string, session: ReadSession): void;
}

interface BytesField<T> {
	readonly kind: 'bytes';
	readonly name: string;
	put(target: T, value: Uint8Array | undefined): void;
}

interface PlaceField<T> {
	readonly kind: 'place';
	readonly name: string;
	/** Wire type of an element of a repeated, unpacked number. */
	readonly element: number | undefined;
	put(target: T, place: FieldPlace, session: ReadSession): void;
}

export interface MessageField<T> {
	readonly kind: 'message';
	readonly name: string;
	open(target: T, payload: ByteSpan, session: ReadSession): Opened;
}

export interface Shape<T> {
	/** Name of the message in onnx.proto. */
	readonly name: string;
	/** Fields by number. Unlisted fields are skipped. */
	readonly fields: Readonly<Record<number, Field<T>>>;
}

/** A varint, signed; beyond 2^53 it is rounded. */
export function integer<T>(name: string, put: IntegerField<T>['put']): Field<T> {
	return { kind: 'integer', name, list: false, put };
}

/**
 * Describes a list of integers. A packed list longer than a value may be calls `omit` instead of `put`, or is refused
 * without it.
 */
export function integers<T>(name: string, put: IntegerField<T>['put'], omit?: (target: T) => void): Field<T> {
	return { kind: 'integer', name, list: true, put, ...(omit && { omit }) };
}

export function float<T>(name: string, put: FloatField<T>['put']): Field<T> {
	return { kind: 'float', name, list: false, put };
}

export function floats<T>(name: string, put: FloatField<T>['put'], omit: (target: T) => void): Field<T> {
	return { kind: 'float', name, list: true, put, omit };
}

/** A string that identifies something: refused when it is longer than a name may be. */
export function name<T>(title: string, put: NameField<T>['put']): Field<T> {
	return { kind: 'name', name: title, put };
}

/**
 * Describes bytes or text. The value is only valid during the call, and undefined if it is longer than a value may be.
 */
export function bytes<T>(title: string, put: BytesField<T>['put']): Field<T> {
	return { kind: 'bytes', name: title, put };
}

/** Describes a field that stays in the file: bytes, or numbers of the wire type `element`, packed or not. */
export function place<T>(title: string, put: PlaceField<T>['put'], element?: number): Field<T> {
	return { kind: 'place', name: title, element, put };
}

/**
 * Describes a message. `open` makes a target, or returns an existing target to merge into. Protobuf's rule says so for
 * a repeated message that should be single.
 */
export function message<T>(title: string, open: MessageField<T>['open']): Field<T> {
	return { kind: 'message', name: title, open };
}
