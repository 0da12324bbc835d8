import type { FloatType } from '../../core/numbers/float-formats.js';
import type { Moments } from '../../core/numbers/moments.js';
import { widen } from '../../core/numbers/small-floats.js';
import { createArray } from '../arrays.js';
import type { Values } from '../spans.js';
import type { FloatData, Kernel, Layout, StatisticsAxes } from '../types.js';

/** A tensor before (x) and after (y) a normalization. Shape: `layout`. */
export interface MethodData {
	readonly x: FloatData;
	readonly y: FloatData;
	readonly dtype: FloatType;
	readonly layout: Layout;
	/** Moments of x per channel, if they are already known. */
	readonly moments?: Moments;
	/** Approximate number of values to judge. Statistics always cover their full axes. Default: all values. */
	readonly maxValues?: number;
}

/**
 * Part of a tensor: its first images at some channels and positions, with the statistics of the whole tensor. Statistics
 * per location and per activation need all images or channels at a position, and no other positions.
 */
export interface MethodSample {
	/** Shape (some images, some channels, some positions), elements as stored. */
	readonly data: { readonly x: FloatData; readonly y: FloatData };
	/** The same elements as numbers, also for half types. */
	readonly x: Values;
	readonly y: Values;
	readonly dtype: FloatType;
	readonly layout: Layout;
	/** Statistics at the sample's channels and positions. */
	readonly statistics: Readonly<Record<StatisticsAxes, Moments>>;
	/** Selects the sampled values from a layer's (length C, or C * planeSize). */
	pick(values: Float64Array): Float64Array;
}

/** Minimum number of channels of a sample. Some channels may be dead. */
const MIN_CHANNELS = 16;

/** Neighboring positions sampled together: a cache line of float32. */
const RUN = 16;

/** @param minimum smallest number of images, and of positions, of the sample if the tensor has as many */
export function takeSample(kernel: Kernel, whole: MethodData, minimum: number): MethodSample {
	const { x, y, dtype, layout, moments, maxValues = Number.POSITIVE_INFINITY } = whole;
	const { batch, channels, planeSize } = layout;
	const share = (parts: number, least: number) => Math.max(least, Math.floor(maxValues / Math.max(1, parts)));
	const positions = spread(planeSize, share(batch * channels, minimum), RUN);
	const images = Math.min(batch, share(channels * positions.length, minimum));
	const picked = spread(channels, share(images * positions.length, MIN_CHANNELS), 1);
	const pickedLayout = { batch: images, channels: picked.length, planeSize: positions.length };
	const allChannels = gather(x, dtype, { layout, images: batch, positions });
	const allImages = gather(x, dtype, { layout, images: batch, channels: picked, positions });
	const ofChannels = moments ?? kernel.moments(x, dtype, layout);
	const data = {
		x: allImages.subarray(0, images * picked.length * positions.length),
		y: gather(y, dtype, { layout, images, channels: picked, positions }),
	};
	return {
		data,
		x: toValues(data.x, dtype),
		y: toValues(data.y, dtype),
		dtype,
		layout: pickedLayout,
		statistics: {
			location: kernel.moments(allChannels, dtype, { ...layout, planeSize: positions.length }, 'location'),
			activation: kernel.moments(allImages, dtype, { ...pickedLayout, batch }, 'activation'),
			channel: pickMoments(ofChannels, picked),
		},
		pick: (values) =>
			values.length > channels
				? (gather(values, 'float64', { layout, images: 1, channels: picked, positions }) as Float64Array)
				: pickValues(values, picked),
	};
}

/** Up to `most` integers below `all`, ascending: runs of `run` neighbors, evenly spaced. */
function spread(all: number, most: number, run: number): Int32Array {
	const count = Math.min(all, most);
	const gaps = Math.max(1, Math.ceil(count / run) - 1);
	const numbers = new Int32Array(count);
	for (let i = 0; i < count; i++) {
		numbers[i] = i + Math.floor((Math.floor(i / run) * (all - count)) / gaps);
	}
	return numbers;
}

interface Part {
	/** Layout of the whole tensor. */
	readonly layout: Layout;
	/** Number of images, from the first on. */
	readonly images: number;
	/** Channel indices. Default: all channels. */
	readonly channels?: Int32Array;
	/** Indices in a plane. */
	readonly positions: Int32Array;
}

/** Copies a part's values, shape (images, channels, positions). Returns a view if the part only leaves out images. */
function gather(data: FloatData, dtype: FloatType, { layout, images, channels, positions }: Part): FloatData {
	const count = channels?.length ?? layout.channels;
	const length = images * count * positions.length;
	if (count === layout.channels && positions.length === layout.planeSize) {
		return data.subarray(0, length);
	}
	const values = createArray(dtype, length);
	for (let n = 0, to = 0; n < images; n++) {
		for (let k = 0; k < count; k++) {
			const start = (n * layout.channels + (channels ? channels[k] : k)) * layout.planeSize;
			for (let i = 0; i < positions.length; i++) {
				values[to++] = data[start + positions[i]];
			}
		}
	}
	return values;
}

function pickMoments({ count, mean, m2, nonFinite }: Moments, picked: Int32Array): Moments {
	return {
		count: pickValues(count, picked),
		mean: pickValues(mean, picked),
		m2: pickValues(m2, picked),
		nonFinite: pickValues(nonFinite, picked),
	};
}

/** A loop, because models end before V8 optimizes the callback of Float64Array.from. */
function pickValues(values: Float64Array, picked: Int32Array): Float64Array {
	const found = new Float64Array(picked.length);
	for (let i = 0; i < picked.length; i++) {
		found[i] = values[picked[i]];
	}
	return found;
}

function toValues(data: FloatData, dtype: FloatType): Values {
	return data instanceof Uint16Array
		? widen(data, dtype === 'float16' ? 'float16' : 'bfloat16', { start: 0, stride: 1, length: data.length })
		: data;
}
