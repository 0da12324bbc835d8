import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { crc32, deflateSync } from 'node:zlib';
import { encode as encodePng } from 'fast-png';
import { encode as encodeJpeg } from 'jpeg-js';
import { decodeImage } from '../../../../../src/engine/child/inputs/decode-image.js';
import { type ImageOptions, readImage } from '../../../../../src/engine/child/inputs/image-file.js';
import { resample } from '../../../../../src/engine/child/inputs/resample.js';
import type { RuntimeValue } from '../../../../../src/engine/child/tensors/tensor.js';

let folder: string;
before(async () => {
	folder = await mkdtemp(path.join(tmpdir(), 'bnl-images-'));
});
after(() => rm(folder, { recursive: true }));

const round = (values: ArrayLike<number>, digits = 3) =>
	Array.from(values, (value) => Math.round(value * 10 ** digits) / 10 ** digits);

test("resizing equals Pillow's BILINEAR, shrinking and growing", () => {
	const from = { width: 5, height: 3 };
	const plane = Float32Array.of(0, 50, 100, 150, 200, 255, 5, 80, 40, 20, 30, 60, 90, 120, 250);
	// numpy.asarray(Image.fromarray(plane, mode="F").resize((width, height), Image.BILINEAR)), Pillow 9.4
	for (const [width, height, expected] of [
		[2, 2, [69.943, 109.176, 76.193, 110.313]],
		[3, 1, [81.735, 77.619, 118.775]],
		[1, 1, [90.489]],
		[7, 3, [0, 28.571, 64.286, 100, 135.714, 171.429, 200, 255, 112.143, 26.429, 80, 51.429, 31.429, 20]],
		[8, 5, [0, 21.875, 53.125, 84.375, 115.625, 146.875, 178.125, 200, 102, 71.375, 35.75, 73.25, 96.375, 105.125]],
	] as const) {
		const resized = resample(plane, from, { width, height });
		assert.equal(resized.length, width * height);
		for (const [i, value] of expected.entries()) {
			assert.ok(Math.abs(resized[i] - value) <= 1e-3, `${width} x ${height}: ${resized[i]} at ${i}, not ${value}`);
		}
	}
	assert.deepEqual(resample(plane, from, from), plane);
	// Of two equal rows, two rows are averaged into the same row.
	const row = plane.slice(0, 5);
	const twice = Float32Array.of(...row, ...row);
	assert.deepEqual(resample(twice, { width: 5, height: 2 }, { width: 5, height: 1 }), row);
});

/** A PNG of the chunks that matter, as no encoder at hand writes it: of any depth, with a palette. */
function rawPng(
	header: { width: number; height: number; depth: number; color: number },
	rows: readonly number[][],
	palette?: number[],
) {
	const chunk = (type: string, data: Uint8Array) => {
		const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
		const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
		length.writeUInt32BE(data.length);
		check.writeUInt32BE(crc32(body));
		return Buffer.concat([length, body, check]);
	};
	const first = Buffer.alloc(13);
	first.writeUInt32BE(header.width, 0);
	first.writeUInt32BE(header.height, 4);
	first.set([header.depth, header.color, 0, 0, 0], 8);
	return Buffer.concat([
		Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
		chunk('IHDR', first),
		...(palette ? [chunk('PLTE', Uint8Array.from(palette))] : []),
		// Each row begins with its filter: none.
		chunk('IDAT', deflateSync(Uint8Array.from(rows.flatMap((row) => [0, ...row])))),
		chunk('IEND', new Uint8Array(0)),
	]);
}

test('PNG of every kind of pixel comes out in one scale', () => {
	const planes = (bytes: Uint8Array) => decodeImage(bytes, 'a.png').planes.map((plane) => round(plane, 1));
	const rgb = encodePng({ width: 2, height: 1, channels: 3, data: Uint8Array.of(255, 0, 10, 1, 2, 3) });
	assert.deepEqual(planes(rgb), [
		[255, 1],
		[0, 2],
		[10, 3],
	]);
	const transparent = encodePng({ width: 1, height: 1, channels: 4, data: Uint8Array.of(9, 8, 7, 0) });
	assert.deepEqual(planes(transparent), [[9], [8], [7]]);
	const deep = encodePng({ width: 2, height: 1, channels: 1, depth: 16, data: Uint16Array.of(65535, 257) });
	assert.deepEqual(planes(deep), [[255, 1]]);
	// Five gray pixels of two bits: 0, 1, 2, 3 and, in the next byte, 1.
	const shallow = rawPng({ width: 5, height: 2, depth: 2, color: 0 }, [
		[0b00011011, 0b01000000],
		[0b11111111, 0b11000000],
	]);
	assert.deepEqual(planes(shallow), [[0, 85, 170, 255, 85, 255, 255, 255, 255, 255]]);
	const indexed = rawPng({ width: 3, height: 1, depth: 1, color: 3 }, [[0b01000000]], [1, 2, 3, 200, 100, 0]);
	assert.deepEqual(planes(indexed), [
		[1, 200, 1],
		[2, 100, 2],
		[3, 0, 3],
	]);
});

test('JPEG is read to within its own loss', () => {
	const data = Buffer.alloc(16 * 16 * 4);
	for (let i = 0; i < 256; i++) {
		data.set([200, 100, 50, 255], i * 4);
	}
	const { width, height, planes } = decodeImage(encodeJpeg({ width: 16, height: 16, data }, 95).data, 'a.jpg');
	assert.deepEqual([width, height, planes.length], [16, 16, 3]);
	for (const [channel, value] of [200, 100, 50].entries()) {
		assert.ok(planes[channel].every((pixel) => Math.abs(pixel - value) <= 3));
	}
});

test('a file that is no image, or too large for memory, is refused with its name', async () => {
	const bomb = rawPng({ width: 100_000, height: 100_000, depth: 8, color: 0 }, []);
	const whole = encodePng({ width: 9, height: 9, channels: 1, data: Uint8Array.from({ length: 81 }, (_, i) => i * 3) });
	for (const [bytes, message] of [
		[Uint8Array.of(1, 2, 3), /: a\.png is not a PNG or JPEG image that can be read: .*\.$/],
		[encodePng({ width: 1, height: 1, channels: 1, data: Uint8Array.of(1) }).subarray(0, 20), /: a\.png is not/],
		[bomb, /100000 x 100000 pixels, more than 100 million/],
		[Uint8Array.of(), /can be read: it is empty\.$/],
		[Buffer.from('GIF89a'), /can be read: it begins as neither of them does\.$/],
		[bomb.subarray(0, 20), /can be read: it is cut short\.$/],
		[whole.subarray(0, whole.length >> 1), /can be read: it is cut short\.$/],
		[rawPng({ width: 0, height: 0, depth: 8, color: 0 }, []), /says that it has 0 x 0 pixels/],
	] as const) {
		assert.throws(() => decodeImage(bytes, 'a.png'), message);
	}
	await assert.rejects(read({ shape: [1, 3, 2, 2] }, {}, path.join(folder, 'none.png')), /none\.png cannot be read/);
});

test('compressed data beyond the size in the header are refused without inflating them', () => {
	const most = 2 ** 26;
	const chunk = (type: string, data: Uint8Array) => {
		const frame = Buffer.alloc(12 + data.length);
		frame.writeUInt32BE(data.length, 0);
		frame.write(type, 4, 'latin1');
		frame.set(data, 8);
		frame.writeUInt32BE(crc32(frame.subarray(4, 8 + data.length)), 8 + data.length);
		return frame;
	};
	const png = encodePng({ width: 1, height: 1, channels: 1, data: Uint8Array.of(7) });
	const zeros = deflateSync(Buffer.alloc(most));
	const header = Buffer.from(png.subarray(0, 33));
	const end = chunk('IEND', new Uint8Array());
	const before = process.memoryUsage().arrayBuffers;
	const bomb = Buffer.concat([header, chunk('IDAT', zeros), end]);
	assert.throws(
		() => decodeImage(bomb, 'a.png'),
		/a\.png is not .*: its data take more than the \d+ bytes of its size\.$/,
	);
	// Texts and color profiles are compressed, too, and no pixel needs them.
	const text = chunk('zTXt', Buffer.concat([Buffer.from('Comment\0\0', 'latin1'), zeros]));
	const profile = chunk('iCCP', Buffer.concat([Buffer.from('profile\0\0', 'latin1'), zeros]));
	const harmless = Buffer.concat([header, profile, text, Buffer.from(png.subarray(33))]);
	assert.equal(decodeImage(harmless, 'a.png').planes[0][0], 7);
	assert.ok(process.memoryUsage().arrayBuffers - before < most);
	const deep = rawPng({ width: 9000, height: 9000, depth: 16, color: 6 }, []);
	assert.throws(() => decodeImage(deep, 'a.png'), /its pixels take \d+ bytes, more than 320000000\.$/);
});

/** Two pixels high, three wide: red rises along the rows, green down the columns, blue is full. */
async function read(input: Partial<RuntimeValue>, options: ImageOptions = {}, file?: string) {
	const name = file ?? path.join(folder, 'six.png');
	if (file === undefined) {
		const data = Uint8Array.from(
			[0, 51, 102].flatMap((r) => [r, 0, 255]).concat([0, 51, 102].flatMap((r) => [r, 204, 255])),
		);
		await writeFile(name, encodePng({ width: 3, height: 2, channels: 3, data }));
	}
	return readImage(name, { name: 'image', type: 'float32', shape: ['N', 3, 'H', 'W'], ...input }, options);
}

test('axes follow the input; sizes follow the input, the request, or the image', async () => {
	const planes = { red: [0, 0.2, 0.4, 0, 0.2, 0.4], green: [0, 0, 0, 0.8, 0.8, 0.8], blue: [1, 1, 1, 1, 1, 1] };
	const options = { normalize: '0..1' } as const;
	const first = await read({}, options);
	assert.deepEqual(first.array.shape, [1, 3, 2, 3]);
	assert.deepEqual(round(first.array.data as Float32Array), [...planes.red, ...planes.green, ...planes.blue]);
	assert.match(first.from, /six\.png \(3 x 2, 0\.\.1\)$/);
	const last = await read({ shape: ['N', 'H', 'W', 3] }, options);
	assert.deepEqual(last.array.shape, [1, 2, 3, 3]);
	assert.deepEqual(round((last.array.data as Float32Array).subarray(0, 6)), [0, 0, 1, 0.2, 0, 1]);
	const unbatched = await read({ shape: [3, 'H', 'W'] }, options);
	assert.deepEqual(unbatched.array.shape, [3, 2, 3]);
	const fixed = await read({ shape: ['N', 3, 1, 1] }, options);
	assert.deepEqual(round(fixed.array.data as Float32Array), [0.2, 0.4, 1]);
	assert.match(fixed.from, /3 x 2 resized to 1 x 1/);
	const asked = await read({}, { ...options, dimensions: { H: 4, 'image:3': 5 } });
	assert.deepEqual(asked.array.shape, [1, 3, 4, 5]);
});

test('the order of the colors is reversed behind the normalization of each color', async () => {
	const normalize = { mean: [0, 0, 1], deviation: [1, 0.5, 1] };
	const { array, from } = await read({ shape: [1, 3, 1, 1] }, { normalize, colors: 'bgr' });
	assert.deepEqual(round(array.data as Float32Array), [0, 0.8, 0.2]);
	assert.match(from, /, BGR\)$/);
	const rgb = await read({ shape: [1, 3, 1, 1] }, { normalize, colors: 'rgb' });
	assert.deepEqual(round(rgb.array.data as Float32Array), [0.2, 0.8, 0]);
	assert.doesNotMatch(rgb.from, /BGR/);
	assert.doesNotMatch((await read({ shape: [1, 1, 2, 3] }, { colors: 'bgr' })).from, /BGR/);
});

test('one channel is luma, and gray images fill three', async () => {
	const gray = await read({ shape: [1, 1, 2, 3] });
	assert.deepEqual(gray.array.shape, [1, 1, 2, 3]);
	const luma = (r: number, g: number) => 0.299 * r + 0.587 * g + 0.114;
	assert.deepEqual(
		round(gray.array.data as Float32Array),
		round([luma(0, 0), luma(0.2, 0), luma(0.4, 0), luma(0, 0.8), luma(0.2, 0.8), luma(0.4, 0.8)]),
	);
	const file = path.join(folder, 'gray.png');
	await writeFile(file, encodePng({ width: 1, height: 1, channels: 1, data: Uint8Array.of(51) }));
	const filled = await read({}, { normalize: '0..1' }, file);
	assert.deepEqual(round(filled.array.data as Float32Array), [0.2, 0.2, 0.2]);
});

test('pixels are normalized as asked for, by default as the input suggests', async () => {
	const corner = async (input: Partial<RuntimeValue>, options: ImageOptions = {}) => {
		const { array, from } = await read(input, options);
		const values = [0, 6, 12].map((i) => Number(array.data[i]));
		return [round(values), from.replace(/.*, /, '').replace(/\)$/, '')];
	};
	const imagenet = [-0.485 / 0.229, -0.456 / 0.224, (1 - 0.406) / 0.225];
	assert.deepEqual(await corner({}), [round(imagenet), 'imagenet']);
	assert.deepEqual(await corner({}, { normalize: '-1..1' }), [[-1, -1, 1], '-1..1']);
	assert.deepEqual(await corner({}, { normalize: 'none' }), [[0, 0, 255], '0 to 255']);
	const free = { mean: [0.1], deviation: [0.5, 1, 0.25] };
	assert.deepEqual((await corner({}, { normalize: free }))[0], round([-0.2, -0.1, 3.6]));
	const bytes = await read({ type: 'uint8' });
	assert.deepEqual([bytes.array.type, bytes.array.data[1], bytes.array.data[17]], ['uint8', 51, 255]);
	const half = await read({ type: 'float16' }, { normalize: '0..1' });
	// 1.0 as float16 is 0x3c00.
	assert.equal(half.array.data[17], 0x3c00);
});

test('inputs that are no pictures do not take any', async () => {
	for (const shape of [[1, 10], [1, 4, 8, 8], [1, 3, 2, 2, 2], undefined]) {
		await assert.rejects(read({ shape }), /six\.png is an image, but input "image" takes .* of 1 or 3 channels/);
	}
});
