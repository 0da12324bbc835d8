import type { ColorOrder, Normalization } from '../../../core/report/run-choices.js';
import { fromNumbers } from '../tensors/elements.js';
import { InputError } from '../tensors/errors.js';
import type { NpyArray } from '../tensors/npy.js';
import type { RuntimeValue } from '../tensors/tensor.js';
import { decodeImage, type Image } from './decode-image.js';
import { chooseShape } from './dimensions.js';
import { readWhole } from './input-files.js';
import { isFloat } from './random-input.js';
import { resample } from './resample.js';

export interface ImageOptions {
	readonly dimensions?: Readonly<Record<string, number>>;
	readonly normalize?: Normalization;
	readonly colors?: ColorOrder;
}

/** An image as a sample, and its origin for the report. */
export interface ReadImage {
	readonly array: NpyArray;
	readonly from: string;
}

/** True for the name of an image file. */
export function isImageFile(file: string): boolean {
	return /\.(png|jpe?g)$/i.test(file);
}

/**
 * Reads an image as a sample of a model input, (1, C, H, W) or (1, H, W, C) as the input declares it. Resizes it to the
 * input's height and width, if fixed (without keeping the aspect ratio), normalizes each color, and puts the colors into
 * their order.
 * @throws {InputError} one sentence naming the file.
 */
export async function readImage(file: string, input: RuntimeValue, options: ImageOptions): Promise<ReadImage> {
	const image = decodeImage(await readWhole(file), file);
	const place = placeOf(input, options, file);
	const width = place.width ?? image.width;
	const height = place.height ?? image.height;
	const channels = place.channels ?? image.planes.length;
	const planes = withChannels(image, channels).map((plane) => resample(plane, image, { width, height }));
	const normalization = options.normalize ?? defaultNormalization(input, channels);
	const isBgr = options.colors === 'bgr' && channels === 3;
	const colors = normalize(planes, normalization);
	const normalized = isBgr ? colors.toReversed() : colors;
	const values = place.channelsLast ? interleave(normalized) : concatenate(normalized);
	const pixels = isFloat(input.type) ? values : values.map((value) => Math.max(0, Math.round(value)));
	const sample = place.channelsLast ? [height, width, channels] : [channels, height, width];
	const resized = width === image.width && height === image.height ? '' : ` resized to ${width} x ${height}`;
	return {
		array: {
			type: input.type,
			shape: place.batched ? [1, ...sample] : sample,
			data: input.type === 'float32' ? pixels : fromNumbers(pixels, input.type, file),
		},
		from: `${file} (${image.width} x ${image.height}${resized}, ${describe(normalization)}${isBgr ? ', BGR' : ''})`,
	};
}

/** Positions of an input's axes, and the sizes that it fixes. */
interface Place {
	readonly batched: boolean;
	readonly channelsLast: boolean;
	readonly channels: number | undefined;
	readonly height: number | undefined;
	readonly width: number | undefined;
}

function placeOf(input: RuntimeValue, { dimensions }: ImageOptions, file: string): Place {
	// Unknown sizes are taken from the image.
	const unknown = -1;
	const sizes = chooseShape(input, { batch: 1, unknownSize: unknown, ...(dimensions && { dimensions }) });
	const batched = sizes?.length === 4;
	const [a, b, c] = (batched ? sizes?.slice(1) : sizes) ?? [];
	const isChannels = (size: number | undefined) => size === 1 || size === 3;
	if (c === undefined || (sizes?.length ?? 0) > 4 || !(isChannels(a) || isChannels(c) || a === unknown)) {
		const takes = input.shape === undefined ? 'no tensor' : `[${input.shape.join(', ')}]`;
		throw new InputError(
			`${file} is an image, but input "${input.name}" takes ${takes}, not (N, C, H, W) or (N, H, W, C) of 1 or 3 channels.`,
		);
	}
	const channelsLast = !isChannels(a) && isChannels(c);
	const known = (size: number) => (size === unknown ? undefined : size);
	const [channels, height, width] = channelsLast ? [c, a, b] : [a, b, c];
	return { batched, channelsLast, channels: known(channels), height: known(height), width: known(width) };
}

/** Luma of ITU-R BT.601, as image libraries turn colors into gray. */
const LUMA = [0.299, 0.587, 0.114];

function withChannels({ planes }: Image, channels: number): readonly Float32Array[] {
	if (planes.length === channels) {
		return planes;
	}
	const [red, green, blue] = planes;
	return channels === 3
		? [red, red, red]
		: [red.map((value, i) => LUMA[0] * value + LUMA[1] * green[i] + LUMA[2] * blue[i])];
}

/** Statistics of the ImageNet training set, as in torchvision. */
const IMAGENET = { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };

function defaultNormalization({ type }: RuntimeValue, channels: number): Normalization {
	if (!isFloat(type)) {
		return 'none';
	}
	return channels === 3 ? 'imagenet' : '0..1';
}

function normalize(planes: readonly Float32Array[], normalization: Normalization): readonly Float32Array[] {
	if (normalization === 'none') {
		return planes;
	}
	const { mean, deviation } = statistics(normalization);
	const of = (list: readonly number[], channel: number) => list[channel % list.length];
	return planes.map((plane, channel) => {
		const [center, unit] = [of(mean, channel), of(deviation, channel)];
		const values = new Float32Array(plane.length);
		for (let index = 0; index < plane.length; index++) {
			values[index] = (plane[index] / 255 - center) / unit;
		}
		return values;
	});
}

function statistics(normalization: Exclude<Normalization, 'none'>) {
	switch (normalization) {
		case 'imagenet':
			return IMAGENET;
		case '0..1':
			return { mean: [0], deviation: [1] };
		case '-1..1':
			return { mean: [0.5], deviation: [0.5] };
		default:
			return normalization;
	}
}

function describe(normalization: Normalization): string {
	if (normalization === 'none') {
		return '0 to 255';
	}
	return typeof normalization === 'string'
		? normalization
		: `mean ${normalization.mean.join(', ')}, deviation ${normalization.deviation.join(', ')}`;
}

function concatenate(planes: readonly Float32Array[]): Float32Array {
	const size = planes[0].length;
	const values = new Float32Array(size * planes.length);
	planes.forEach((plane, channel) => {
		values.set(plane, channel * size);
	});
	return values;
}

function interleave(planes: readonly Float32Array[]): Float32Array {
	const values = new Float32Array(planes[0].length * planes.length);
	planes.forEach((plane, channel) => {
		plane.forEach((value, index) => {
			values[index * planes.length + channel] = value;
		});
	});
	return values;
}
