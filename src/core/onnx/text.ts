/**
 * Decodes names as they are in the file. Some writers use other encodings than UTF-8 in name fields, and runtimes
 * compare bytes, so two names must stay distinct here. Invalid bytes become lone surrogates U+DC80 … U+DCFF, which
 * valid UTF-8 never yields (the `surrogateescape` of PEP 383), so that {@link encodeText} restores the bytes exactly.
 */

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const encoder = new TextEncoder();

/** The platform decoder's replacement character, also valid in names. */
const REPLACEMENT = '\ufffd';
const ESCAPED = /[\udc80-\udcff]/u;

/** Length in bytes up to which building a string by hand is faster than calling the platform's decoder. */
const SHORT = 24;

/** The text in `bytes`, or in a part of them. */
export function decodeText(bytes: Uint8Array, start = 0, end = bytes.length): string {
	const short = end - start <= SHORT ? decodeAscii(bytes, start, end) : undefined;
	if (short !== undefined) {
		return short;
	}
	const part = bytes.subarray(start, end);
	const text = decoder.decode(part);
	return text.includes(REPLACEMENT) ? decodeEscaped(part) : text;
}

/** Inverse of {@link decodeText}. */
export function encodeText(text: string): Uint8Array {
	if (!ESCAPED.test(text)) {
		return encoder.encode(text);
	}
	const bytes: number[] = [];
	for (const character of text) {
		if (ESCAPED.test(character)) {
			bytes.push(character.charCodeAt(0) & 0xff);
		} else {
			bytes.push(...encoder.encode(character));
		}
	}
	return Uint8Array.from(bytes);
}

function decodeAscii(bytes: Uint8Array, start: number, end: number): string | undefined {
	const codes = new Array<number>(end - start);
	for (let at = start; at < end; at++) {
		const byte = bytes[at] ?? 0;
		if (byte > 0x7f) {
			return undefined;
		}
		codes[at - start] = byte;
	}
	return String.fromCharCode.apply(null, codes);
}

function decodeEscaped(bytes: Uint8Array): string {
	let text = '';
	let codes: number[] = [];
	for (let at = 0; at < bytes.length; ) {
		const length = sequenceLength(bytes, at);
		codes.push(length > 0 ? codePoint(bytes, at, length) : 0xdc00 | (bytes[at] ?? 0));
		at += Math.max(1, length);
		// The number of arguments is limited; adding single characters is slow.
		if (codes.length === 4096 || at >= bytes.length) {
			text += String.fromCodePoint(...codes);
			codes = [];
		}
	}
	return text;
}

/**
 * Returns the length of the valid UTF-8 sequence at `at`, or 0 (Unicode Standard, table 3-7). Catching an exception of
 * a strict decoder per invalid byte would be simpler, and a hundred times slower.
 */
function sequenceLength(bytes: Uint8Array, at: number): number {
	const lead = bytes[at] ?? 0;
	if (lead < 0x80) {
		return 1;
	}
	const second = bytes[at + 1] ?? 0;
	// Accepts the shortest form only, no surrogates, and no code point beyond U+10FFFF.
	const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
	const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
	if (lead < 0xc2 || lead > 0xf4 || second < low || second > high) {
		return 0;
	}
	if (lead < 0xe0) {
		return 2;
	}
	if (!isContinuation(bytes[at + 2])) {
		return 0;
	}
	return lead < 0xf0 ? 3 : isContinuation(bytes[at + 3]) ? 4 : 0;
}

function isContinuation(byte = 0): boolean {
	return (byte & 0xc0) === 0x80;
}

function codePoint(bytes: Uint8Array, at: number, length: number): number {
	const lead = bytes[at] ?? 0;
	let code = length === 1 ? lead : lead & (0x7f >> length);
	for (let next = at + 1; next < at + length; next++) {
		code = (code << 6) | ((bytes[next] ?? 0) & 0x3f);
	}
	return code;
}
