import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { OnnxErrorCode } from '../../../../../src/core/onnx/errors.js';
import type { TensorRecord } from '../../../../../src/core/onnx/model.js';
import { type ExternalFiles, memorySource } from '../../../../../src/core/onnx/source.js';
import { readRawTensor, readTensor } from '../../../../../src/core/onnx/tensor/tensor.js';
import { bfloat16Bits, type ElementTypeName, float16Bits, rawElements } from '../../../support/elements.js';
import type { TensorForm, TensorSpec } from '../../../support/model-builder.js';
import { openGraph } from '../../../support/open.js';

/** Writes a tensor as initializer and reads it back; `files` are the external data beside the model. */
async function read(spec: TensorSpec, files: Record<string, Uint8Array> = {}) {
	const { model, source } = await openGraph({ initializers: [{ name: 't', ...spec }] });
	const record = model.graph.initializers.get('t') as TensorRecord;
	const external: ExternalFiles = { open: async (location) => memorySource(files[location] as Uint8Array, location) };
	const access = { source, external };
	return { tensor: await readTensor(record, access), raw: await readRawTensor(record, access) };
}

async function rejects(spec: TensorSpec, code: OnnxErrorCode, message: RegExp, files = {}): Promise<void> {
	await assert.rejects(read(spec, files), { name: 'OnnxError', code, message });
}

const FLOAT16_VALUES = Array.from({ length: 65_536 }, (_, bits) => float16Value(bits));

/** Reference decoding, straight from IEEE 754. */
function float16Value(bits: number): number {
	const sign = bits & 0x8000 ? -1 : 1;
	const exponent = (bits >> 10) & 31;
	const fraction = bits & 1023;
	if (exponent === 31) {
		return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
	}
	return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function bfloat16Value(bits: number): number {
	return new Float32Array(new Uint32Array([bits << 16]).buffer)[0] ?? 0;
}

/** Arbitrary elements of a type: values that it can hold exactly. */
const ELEMENTS: Partial<Record<ElementTypeName, fc.Arbitrary<number>>> = {
	float32: fc.float(),
	float64: fc.double(),
	float16: fc.integer({ min: 0, max: 65_535 }).map((bits) => FLOAT16_VALUES[bits] ?? 0),
	bfloat16: fc.integer({ min: 0, max: 65_535 }).map(bfloat16Value),
	int8: fc.integer({ min: -128, max: 127 }),
	uint8: fc.integer({ min: 0, max: 255 }),
	int16: fc.integer({ min: -32_768, max: 32_767 }),
	uint16: fc.integer({ min: 0, max: 65_535 }),
	int32: fc.integer(),
	uint32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
	int64: fc.maxSafeInteger(),
	uint64: fc.maxSafeNat(),
	bool: fc.integer({ min: 0, max: 1 }),
	int4: fc.integer({ min: -8, max: 7 }),
	uint4: fc.integer({ min: 0, max: 15 }),
};

const tensors = fc.constantFrom(...(Object.keys(ELEMENTS) as ElementTypeName[])).chain((dtype) =>
	fc.record({
		dtype: fc.constant(dtype),
		form: fc.constantFrom<TensorForm>('raw', 'packed', 'unpacked', 'chunked'),
		values: fc.array(ELEMENTS[dtype] ?? fc.constant(0), { maxLength: 40 }),
	}),
);

test('every type in every storage form reads back the same numbers and the same bytes', async () => {
	await fc.assert(
		fc.asyncProperty(tensors, async ({ dtype, form, values }) => {
			const { tensor, raw } = await read({ dtype, form, values });
			assert.deepEqual(Array.from(tensor.data), values);
			if (!values.some(Number.isNaN)) {
				assert.deepEqual(raw.bytes, rawElements(dtype, integral(dtype, values)));
			}
		}),
		{ numRuns: 400 },
	);
});

function integral(dtype: ElementTypeName, values: number[]): (number | bigint)[] {
	return dtype.endsWith('int64') ? values.map(BigInt) : values;
}

test('all 65,536 float16 and bfloat16 patterns decode exactly, signed zeros and subnormals included', async () => {
	const raw = new Uint8Array(new Uint16Array(65_536).map((_, bits) => bits).buffer);
	const half = await read({ dtype: 'float16', dims: [65_536], raw });
	const brain = await read({ dtype: 'bfloat16', dims: [65_536], raw });
	for (let bits = 0; bits < 65_536; bits++) {
		assert.ok(Object.is(half.tensor.data[bits], FLOAT16_VALUES[bits]), `float16 ${bits.toString(16)}`);
		assert.ok(Object.is(brain.tensor.data[bits], bfloat16Value(bits)), `bfloat16 ${bits.toString(16)}`);
	}
	assert.equal(float16Bits(half.tensor.data[1] ?? 0), 1);
	assert.equal(bfloat16Bits(brain.tensor.data[1] ?? 0), 1);
});

test('8-bit and 4-bit floats follow their tables', async () => {
	// Codes with the values that the ONNX documentation (Float stored in 8 bits) and the OCP specification list.
	const cases: [number, Uint8Array, number[]][] = [
		[17, Uint8Array.of(0x7e, 0x7f, 0xff, 0x01, 0x80, 0x38), [448, Number.NaN, Number.NaN, 2 ** -9, -0, 1]],
		[18, Uint8Array.of(0x7f, 0x80, 0x01, 0xff, 0x40), [240, Number.NaN, 2 ** -10, -240, 1]],
		[19, Uint8Array.of(0x7b, 0x7c, 0xfc, 0x7d, 0x01), [57_344, Infinity, -Infinity, Number.NaN, 2 ** -16]],
		[20, Uint8Array.of(0x7f, 0x80, 0x01, 0xff), [57_344, Number.NaN, 2 ** -17, -57_344]],
		[24, Uint8Array.of(0, 127, 254, 255), [2 ** -127, 1, 2 ** 127, Number.NaN]],
	];
	for (const [dataType, raw, expected] of cases) {
		const { tensor } = await read({ dataType, dims: [raw.length], raw });
		assert.deepEqual(Array.from(tensor.data), expected, `type ${dataType}`);
	}
	const { tensor } = await read({ dataType: 23, dims: [5], raw: Uint8Array.of(0x71, 0xf2, 0x05) });
	assert.deepEqual(Array.from(tensor.data), [0.5, 6, 1, -6, 3]);
	const two = await read({ dataType: 26, dims: [5], raw: Uint8Array.of(0b11_10_01_00, 0b01) });
	assert.deepEqual(Array.from(two.tensor.data), [0, 1, -2, -1, 1]);
});

test('bool is 0 or 1, and any byte but 0 is true', async () => {
	const { tensor } = await read({ dtype: 'bool', dims: [3], raw: Uint8Array.of(0, 1, 255) });
	assert.deepEqual(Array.from(tensor.data), [0, 1, 1]);
});

test('a scalar has one element, a tensor with a dimension of 0 has none', async () => {
	assert.deepEqual(Array.from((await read({ dims: [], values: [5] })).tensor.data), [5]);
	assert.equal((await read({ dims: [2 ** 40, 0, 2 ** 40], values: [] })).tensor.data.length, 0);
	assert.equal((await read({ dims: [0], form: 'packed', values: [] })).tensor.data.length, 0);
});

test('the numbers handed out are not a view of the file', async () => {
	const { model, source, bytes } = await openGraph({ initializers: [{ name: 't', values: [1, 2] }] });
	const tensor = await readTensor(model.graph.initializers.get('t') as TensorRecord, { source });
	bytes.fill(0);
	assert.deepEqual(Array.from(tensor.data), [1, 2]);
});

test('dims, type and data that disagree are refused with the figures', async () => {
	await rejects(
		{ dims: [3], values: [1, 2] },
		'bad-tensor',
		/"t" of model\.onnx has 8 bytes .* 3 elements of float32 take 12 bytes/,
	);
	await rejects({ dims: [1], values: [1, 2] }, 'bad-tensor', /8 bytes/);
	await rejects(
		{ dims: [3], values: [1, 2], form: 'packed' },
		'bad-tensor',
		/at most 8 bytes of data where its dims ask for 12/,
	);
	await rejects({ dims: [1], values: [1, 2], form: 'unpacked' }, 'bad-tensor', /more than 4 bytes/);
	const three: TensorSpec = { dtype: 'int32', dims: [3], values: [1, 2], form: 'unpacked' };
	await rejects(three, 'bad-tensor', /only 8 bytes of data where 3 elements take 12/);
	await rejects({ dims: [3], values: [], form: 'packed' }, 'bad-tensor', /should hold 12 bytes but has no data/);
	await rejects({ dims: [-1, 2], values: [1, 2] }, 'bad-tensor', /negative dimension -1 in \[-1, 2\]/);
	await rejects({ dims: [2 ** 40, 2 ** 40], values: [1] }, 'bad-tensor', /product overflows/);
	await rejects({ dataType: 0, values: [1] }, 'bad-tensor', /no element type/);
	await rejects({ dtype: 'float64', form: 'packed', values: [1], dataType: 1 }, 'bad-tensor', /field of another type/);
	await rejects({ dtype: 'int32', form: 'packed', values: [300], dataType: 2 }, 'bad-tensor', /entry 300, too large/);
});

test('dims that ask for more than the file can hold get no memory', async () => {
	const before = process.memoryUsage().arrayBuffers;
	const huge = 2 ** 29 - 1;
	await rejects(
		{ dims: [huge], values: [1, 2], form: 'packed' },
		'bad-tensor',
		/only 8 bytes of data for its 536870911 elements/,
	);
	await rejects({ dims: [huge], values: [1, 2], form: 'unpacked' }, 'bad-tensor', /only \d+ bytes/);
	await rejects({ dims: [huge], values: [1, 2] }, 'bad-tensor', /8 bytes/);
	await rejects({ dims: [huge], external: { location: 'w' } }, 'external-data', /only 4 bytes/, {
		w: new Uint8Array(4),
	});
	assert.ok(process.memoryUsage().arrayBuffers - before < 2 ** 25);
});

test('a tensor without numbers names its content', async () => {
	await rejects({ dtype: 'string', values: ['a'] }, 'unsupported', /holds strings/);
	await rejects({ dataType: 99, values: [1] }, 'unsupported', /element type 99, newer than this reader/);
	await rejects({ dataType: 14, dims: [1], raw: new Uint8Array(8) }, 'unsupported', /complex64/);
	await rejects({ dtype: 'int64', values: [2n ** 53n] }, 'unsupported', /9007199254740992, too large to be exact/);
	await rejects(
		{ dims: [2 ** 30], raw: new Uint8Array(4) },
		'limit',
		/4294967296 bytes, more than the limit of 2147483647/,
	);
});

test('64-bit integers beyond 2^53 can still be read as bytes', async () => {
	const values = [2n ** 63n - 1n, -(2n ** 63n)];
	for (const form of ['raw', 'unpacked'] as const) {
		const { model, source } = await openGraph({ initializers: [{ name: 't', dtype: 'int64', values, form }] });
		const raw = await readRawTensor(model.graph.initializers.get('t') as TensorRecord, { source });
		assert.deepEqual(raw.bytes, rawElements('int64', values), form);
	}
});

test('external data is read at its offset', async () => {
	const file = rawElements('float32', [9, 1, 2, 3]);
	const one = await read({ dims: [2], external: { location: 'a/w.bin', offset: 8, length: 8 } }, { 'a/w.bin': file });
	assert.deepEqual(Array.from(one.tensor.data), [2, 3]);
	const rest = await read({ dims: [4], external: { location: 'w.bin' } }, { 'w.bin': file });
	assert.deepEqual(Array.from(rest.tensor.data), [9, 1, 2, 3]);
});

test('external data that does not reach, lies elsewhere or has odd numbers is refused', async () => {
	const files = { w: new Uint8Array(16) };
	const at = (external: NonNullable<TensorSpec['external']>): TensorSpec => ({ dims: [4], external });
	await rejects(
		at({ location: 'w', offset: 4 }),
		'external-data',
		/needs bytes 4 to 20 of "w", which has only 16 bytes/,
		files,
	);
	await rejects(at({ location: 'w', offset: -4 }), 'external-data', /offset -4/, files);
	await rejects(at({ location: 'w', offset: Number.NaN }), 'external-data', /offset NaN/, files);
	await rejects(
		at({ location: 'w', length: 12 }),
		'bad-tensor',
		/12 bytes of data where 4 elements of float32 take 16/,
		files,
	);
	for (const location of ['', '../w', 'a/../../w', '/etc/passwd', 'C:\\w', '\\\\server\\w', 'a\\..\\w', 'w\0']) {
		await rejects(at({ location }), 'external-data', /is refused/, files);
	}
});

test('without access to other files only the external tensors fail', async () => {
	const { model, source } = await openGraph({
		initializers: [
			{ name: 'inside', values: [1] },
			{ name: 'outside', dims: [1], external: { location: 'weights.bin' } },
		],
	});
	const [inside, outside] = [...model.graph.initializers.values()];
	assert.deepEqual(Array.from((await readTensor(inside as TensorRecord, { source })).data), [1]);
	await assert.rejects(readTensor(outside as TensorRecord, { source }), {
		code: 'external-data',
		message: 'Tensor "outside" of model.onnx is in the file "weights.bin", which cannot be reached from here.',
	});
});

test('a tensor without a name takes the name that the caller gives', async () => {
	const { model, source } = await openGraph({ initializers: [{ name: '', dims: [2], values: [1] }] });
	const record = model.graph.initializers.get('') as TensorRecord;
	await assert.rejects(readTensor(record, { source, name: 'Constant_3' }), /Tensor "Constant_3" of model.onnx/);
});
