import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeText, encodeText } from '../../../../src/core/onnx/text.js';

/** All but surrogates, which UTF-8 cannot encode. */
const codePoints = fc.oneof(
	fc.integer({ min: 0, max: 0x7f }),
	fc.integer({ min: 0x80, max: 0xd7ff }),
	fc.integer({ min: 0xe000, max: 0x10ffff }),
);

test('any bytes survive decoding and encoding', () => {
	fc.assert(
		fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
			assert.deepEqual(encodeText(decodeText(bytes)), bytes);
		}),
		{ numRuns: 1000 },
	);
});

test('valid UTF-8 is decoded as everywhere else, a byte order mark kept', () => {
	fc.assert(
		fc.property(fc.array(codePoints, { maxLength: 60 }), (codes) => {
			const text = String.fromCodePoint(...codes);
			assert.equal(decodeText(new TextEncoder().encode(text)), text);
		}),
	);
	assert.equal(decodeText(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)), '\ufeffa');
});

test('a part of the bytes is decoded as that part alone', () => {
	const bytes = new TextEncoder().encode(`short, then ${'é'.repeat(30)} and an end`);
	for (const [start, end] of [
		[0, 5],
		[12, 72],
		[13, 73],
		[76, bytes.length],
	]) {
		assert.equal(decodeText(bytes, start, end), decodeText(bytes.slice(start, end)));
	}
});

test('a megabyte of invalid UTF-8 takes no longer than reading it', () => {
	// Found by the fuzzer: a strict decoder that throws for each byte needs ten seconds.
	const start = process.cpuUsage();
	assert.equal(decodeText(new Uint8Array(2 ** 20).fill(0xff)).length, 2 ** 20);
	assert.ok(process.cpuUsage(start).user < 2e6);
});

test('bytes that UTF-8 forbids are escaped one by one', () => {
	const cases: [number[], string][] = [
		[[0x61, 0xe9, 0x62], 'a\udce9b'],
		// Overlong encoding of "/", an encoded surrogate, and a sequence cut short.
		[[0xc0, 0xaf], '\udcc0\udcaf'],
		[[0xed, 0xb2, 0x80], '\udced\udcb2\udc80'],
		[[0xe2, 0x82], '\udce2\udc82'],
		[[0xf5, 0x80, 0x80, 0x80], '\udcf5\udc80\udc80\udc80'],
		[[0xc3, 0xa9, 0xff], 'é\udcff'],
	];
	for (const [bytes, text] of cases) {
		assert.equal(decodeText(Uint8Array.from(bytes)), text);
	}
});
