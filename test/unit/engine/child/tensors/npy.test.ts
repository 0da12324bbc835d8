import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeNpy, parseNpy } from '../../../../../src/engine/child/tensors/npy.js';

/** A version 1.0 file as numpy.lib.format lays it out, header given as text. */
function file(header: string, data: ArrayBufferView): Uint8Array {
	const bytes = new Uint8Array(10 + header.length + data.byteLength);
	bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length & 0xff, header.length >> 8]);
	bytes.set(new TextEncoder().encode(header), 10);
	bytes.set(new Uint8Array(data.buffer), 10 + header.length);
	return bytes;
}

test('reads files of numpy.save, at any alignment', () => {
	const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";
	const array = parseNpy(file(header, Float32Array.of(1, 2, 3, 4, 5, 6)), 'x.npy');
	assert.deepEqual(array, { type: 'float32', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) });
});

test('reads a Buffer, as files arrive, like any other bytes', () => {
	const bytes = Buffer.from(encodeNpy({ type: 'float32', shape: [2], data: Float32Array.of(1, 2) }));
	assert.deepEqual(parseNpy(bytes, 'x.npy').data, Float32Array.of(1, 2));
});

test('Fortran order is turned into row-major', () => {
	const header = "{'descr': '<i4', 'fortran_order': True, 'shape': (2, 3), }\n";
	const array = parseNpy(file(header, Int32Array.of(1, 4, 2, 5, 3, 6)), 'x.npy');
	assert.deepEqual(array.data, Int32Array.of(1, 2, 3, 4, 5, 6));
});

test('scalars and vectors keep their shape through writing and reading', () => {
	for (const array of [
		{ type: 'float64', shape: [], data: Float64Array.of(Math.PI) },
		{ type: 'int64', shape: [2], data: BigInt64Array.of(-1n, 2n ** 60n) },
		{ type: 'float32', shape: [1, 0, 4], data: new Float32Array(0) },
		{ type: 'float16', shape: [3, 1], data: Uint16Array.of(0x3c00, 0x7c01, 0x8000) },
	]) {
		const bytes = encodeNpy(array);
		assert.deepEqual(parseNpy(bytes, 'x.npy'), array);
		const headerEnd = bytes.indexOf(10) + 1;
		assert.equal(headerEnd % 64, 0, 'data are aligned');
	}
});

test('an unreadable file is named with the next step', () => {
	const short = file("{'descr': '<f8', 'fortran_order': False, 'shape': (4,), }\n", Float64Array.of(1, 2));
	assert.throws(
		() => parseNpy(short, 'a.npy'),
		/a\.npy ends early: shape \(4,\) of <f8 needs 32 bytes of data, 16 are there/,
	);
	const big = file("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }\n", Float32Array.of(1));
	assert.throws(() => parseNpy(big, 'b.npy'), /NumPy type >f4.*astype/);
	const negative = file("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }\n", Float32Array.of(1));
	assert.throws(() => parseNpy(negative, 'c.npy'), /c\.npy has shape \(-1,\), which no array has/);
	assert.throws(() => parseNpy(new Uint8Array([1, 2, 3]), 'd.npy'), /d\.npy is not a \.npy file/);
	assert.throws(() => parseNpy(short.slice(0, 9), 'e.npy'), /e\.npy ends inside its header/);
	assert.throws(() => parseNpy(file('{}\n', Float32Array.of(1)), 'f.npy'), /header that cannot be read/);
});

test('a header longer than NumPy reads is refused at once', () => {
	const start = performance.now();
	const header = "'shape':(".repeat(7000);
	assert.throws(
		() => parseNpy(file(header, Float32Array.of(1)), 'a.npy'),
		/a\.npy has a header of \d+ bytes, more than/,
	);
	assert.ok(performance.now() - start < 500);
});
