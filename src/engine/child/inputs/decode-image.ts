import { deflateSync, inflateSync } from 'node:zlib';
import { convertIndexedToRgb, type DecodedPng, decode as decodePng, hasPngSignature } from 'fast-png';
import { decode as decodeJpeg } from 'jpeg-js';
import { InputError } from '../tensors/errors.js';

/** Pixels as planes of full scale 255, without transparency. */
export interface Image {
	readonly width: number;
	readonly height: number;
	/** A gray plane, or red, green and blue planes; row-major, each width * height values. */
	readonly planes: readonly Float32Array[];
}

/** Maximum size of an image, in megapixels: far above any camera's, far below the demand of a forged header. */
const MAX_MEGAPIXELS = 100;
const MAX_JPEG_MEGABYTES = 1024;
/** Maximum bytes of decoded pixels: the largest image in 8-bit color. */
const MAX_IMAGE_BYTES = 320e6;

/**
 * Decodes any PNG, or a baseline or progressive JPEG.
 * @throws {InputError} one sentence naming the file.
 */
export function decodeImage(bytes: Uint8Array, file: string): Image {
	try {
		if (hasPngSignature(bytes.subarray(0, PNG_SIZE))) {
			return complete(fromPng(decodePng(essentialPng(bytes))));
		}
		if (JPEG_START.some((byte, i) => bytes[i] !== byte)) {
			throw new Error(bytes.length === 0 ? 'it is empty' : 'it begins as neither of them does');
		}
		const { width, height, data } = decodeJpeg(bytes, {
			useTArray: true,
			formatAsRGBA: false,
			maxResolutionInMP: MAX_MEGAPIXELS,
			maxMemoryUsageInMB: MAX_JPEG_MEGABYTES,
		});
		return complete({ width, height, planes: split(data, { channels: 3, kept: 3, full: 255 }) });
	} catch (error) {
		const message = error instanceof Error ? error.message.split('\n')[0].replace(/[.:]$/, '') : String(error);
		const why = /outside the bounds/.test(message) ? 'it is cut short' : message;
		throw new InputError(`${file} is not a PNG or JPEG image that can be read: ${why}.`);
	}
}

/** A PNG's signature, and the place of width and height. */
const PNG_SIZE = 8;
const PNG_WIDTH = 16;
const JPEG_START = [0xff, 0xd8];

const PIXELS = 'IDAT';
/** Other chunks that make an image. The rest may be bombs of their own, such as compressed texts and profiles. */
const ESSENTIAL: ReadonlySet<string> = new Set(['IHDR', 'PLTE', 'tRNS', 'IEND']);

/** Length, type and checksum of a chunk, in bytes. */
const CHUNK_FRAME = 12;

/** Channels of a pixel by color type. */
const PNG_CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/** Maximum number of passes of an interlaced image. Each row of each pass begins with a filter byte. */
const MAX_PASSES = 7;

/**
 * Returns a PNG with the chunks that make its pixels only. Their data are inflated here and stored uncompressed, since
 * Node inflates several times as fast as the decoder.
 * @throws {Error} if the header claims too many pixels, or if the pixels inflate to more than the header claims
 */
function essentialPng(bytes: Uint8Array): Uint8Array {
	const most = checkPngSize(bytes);
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const before: Uint8Array[] = [bytes.subarray(0, PNG_SIZE)];
	const after: Uint8Array[] = [];
	const data: Uint8Array[] = [];
	const chunks: Uint8Array[] = [];
	for (let at = PNG_SIZE; at + CHUNK_FRAME <= bytes.length; ) {
		const length = view.getUint32(at);
		const end = Math.min(at + CHUNK_FRAME + length, bytes.length);
		const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
		if (type === PIXELS) {
			chunks.push(bytes.subarray(at, end));
			data.push(bytes.subarray(at + 8, Math.max(at + 8, end - 4)));
		} else if (ESSENTIAL.has(type)) {
			(data.length > 0 ? after : before).push(bytes.subarray(at, end));
		}
		at = end;
	}
	try {
		const stored = deflateSync(inflateSync(Buffer.concat(data), { maxOutputLength: most }), { level: 0 });
		return Buffer.concat([...before, pixelChunk(stored), ...after]);
	} catch (error) {
		if (error instanceof RangeError) {
			throw new Error(`its data take more than the ${most} bytes of its size`);
		}
		// The decoder names the damage, or reads the pixels in front of it.
		return Buffer.concat([...before, ...chunks, ...after]);
	}
}

/** Returns a chunk of pixel data. Its checksum is 0, because the decoder does not read it. */
function pixelChunk(data: Uint8Array): Uint8Array {
	const chunk = Buffer.alloc(data.length + CHUNK_FRAME);
	chunk.writeUInt32BE(data.length);
	chunk.write(PIXELS, 4, 'latin1');
	chunk.set(data, 8);
	return chunk;
}

/** @returns the most bytes that the pixels of the claimed size take */
function checkPngSize(bytes: Uint8Array): number {
	if (bytes.length < PNG_WIDTH + 8) {
		throw new Error('it is cut short');
	}
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const [width, height] = [view.getUint32(PNG_WIDTH), view.getUint32(PNG_WIDTH + 4)];
	if (width * height > MAX_MEGAPIXELS * 1e6) {
		throw new Error(`it has ${width} x ${height} pixels, more than ${MAX_MEGAPIXELS} million`);
	}
	const [depth, color] = [bytes[PNG_WIDTH + 8], bytes[PNG_WIDTH + 9]];
	const rowBits = width * depth * (PNG_CHANNELS[color] ?? 4);
	const most = MAX_PASSES * (height + width + 1) + height * Math.ceil(rowBits / 8) + height * MAX_PASSES;
	if (most > MAX_IMAGE_BYTES) {
		throw new Error(`its pixels take ${most} bytes, more than ${MAX_IMAGE_BYTES}`);
	}
	return most;
}

/** Checks the number of pixels, because decoders may return fewer for damaged files, or none. */
function complete(image: Image): Image {
	const { width, height, planes } = image;
	if (width * height === 0 || planes.some((plane) => plane.length !== width * height)) {
		throw new Error(`it says that it has ${width} x ${height} pixels, and has ${planes[0]?.length ?? 0}`);
	}
	return image;
}

function fromPng(png: DecodedPng): Image {
	const { width, height, depth, palette } = png;
	if (palette) {
		const channels = palette[0]?.length ?? 3;
		return { width, height, planes: split(convertIndexedToRgb(png), { channels, kept: 3, full: 255 }) };
	}
	const samples = depth < 8 ? unpack(png) : png.data;
	const kept = png.channels < 3 ? 1 : 3;
	return { width, height, planes: split(samples, { channels: png.channels, kept, full: 2 ** depth - 1 }) };
}

/**
 * Unpacks gray values of fewer than 8 bits. The first pixel is in a byte's high bits, and rows are padded to whole
 * bytes.
 */
function unpack({ data, width, height, depth }: DecodedPng): Uint8Array {
	const rowBytes = Math.ceil((width * depth) / 8);
	return new Uint8Array(width * height).map((_, index) => {
		const bit = (index % width) * depth;
		const byte = data[Math.floor(index / width) * rowBytes + (bit >> 3)];
		return (byte >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
	});
}

interface Interleaved {
	readonly channels: number;
	/** Channels taken, from the first on: the rest is transparency. */
	readonly kept: number;
	/** Value of a pixel at full scale. */
	readonly full: number;
}

function split(samples: ArrayLike<number>, { channels, kept, full }: Interleaved): Float32Array[] {
	const pixels = samples.length / channels;
	return Array.from({ length: kept }, (_, channel) => {
		const plane = new Float32Array(pixels);
		for (let index = 0; index < pixels; index++) {
			plane[index] = (samples[index * channels + channel] / full) * 255;
		}
		return plane;
	});
}
