import type { FloatType } from '../core/numbers/float-formats.js';
import { widen } from '../core/numbers/small-floats.js';
import { createArray } from './arrays.js';
import type { Values } from './spans.js';
import type { FloatData, Kernel, Layout, Moments, StatisticsAxes } from './types.js';

/** A tensor before and after a normalization. */
export interface MethodData {
	readonly x: FloatData;
	readonly y: FloatData;
	readonly type: FloatType;
	readonly layout: Layout;
	/** Moments of x per channel, where they are known already. */
	readonly moments?: Moments;
	/** About how many values to judge; statistics are taken over all that they are defined over. Default: all values. */
	readonly most?: number;
}

/**
 * A tensor's first images at some channels and places, with the statistics of the whole: those per location and per
 * activation need all that they average over at a place, and nothing from other places.
 */
export interface MethodSample {
	/** Shape (some images, some channels, some places), as stored and as numbers. */
	readonly data: { readonly x: FloatData; readonly y: FloatData };
	readonly x: Values;
	readonly y: Values;
	readonly type: FloatType;
	readonly layout: Layout;
	/** At the sample's channels and places. */
	readonly statistics: Readonly<Record<StatisticsAxes, Moments>>;
	/** A layer's values, one a channel or one an activation, at the sample's channels and places. */
	pick(values: Float64Array): Float64Array;
}

/** A sample has at least so many channels, where there are as many: some of a layer's may be dead. */
const FEWEST_CHANNELS = 16;

/** @param fewest images, and places, that a sample has at least where there are as many */
export function takeSample(kernel: Kernel, whole: MethodData, fewest: number): MethodSample {
	const { x, y, type, layout, moments, most = Number.POSITIVE_INFINITY } = whole;
	const { batch, channels, inner } = layout;
	const share = (of: number, least: number) => Math.max(least, Math.floor(most / Math.max(1, of)));
	const places = spread(inner, share(batch * channels, fewest), RUN);
	const images = Math.min(batch, share(channels * places.length, fewest));
	const picked = spread(channels, share(images * places.length, FEWEST_CHANNELS), 1);
	const pickedLayout = { batch: images, channels: picked.length, inner: places.length };
	const column = gather(x, type, { layout, images: batch, places });
	const activations = gather(x, type, { layout, images: batch, channels: picked, places });
	const ofChannels = moments ?? kernel.moments(x, type, layout);
	const data = {
		x: activations.subarray(0, images * picked.length * places.length),
		y: gather(y, type, { layout, images, channels: picked, places }),
	};
	return {
		data,
		x: toValues(data.x, type),
		y: toValues(data.y, type),
		type,
		layout: pickedLayout,
		statistics: {
			location: kernel.moments(column, type, { ...layout, inner: places.length }, 'location'),
			activation: kernel.moments(activations, type, { ...pickedLayout, batch }, 'activation'),
			channel: pickMoments(ofChannels, picked),
		},
		pick: (values) =>
			values.length > channels
				? (gather(values, 'float64', { layout, images: 1, channels: picked, places }) as Float64Array)
				: pickValues(values, picked),
	};
}

/** Neighbouring places that are taken together: what one cache line holds of float32. */
const RUN = 16;

/** Up to `most` of the numbers below `all`, ascending: runs of `run` neighbours with equal gaps between them. */
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
	/** Of the whole tensor. */
	readonly layout: Layout;
	/** How many, from the first on. */
	readonly images: number;
	/** Default: all. */
	readonly channels?: Int32Array;
	readonly places: Int32Array;
}

/** A part's values, shape (images, channels, places); a view where it leaves out nothing but images. */
function gather(data: FloatData, type: FloatType, { layout, images, channels, places }: Part): FloatData {
	const count = channels?.length ?? layout.channels;
	const length = images * count * places.length;
	if (count === layout.channels && places.length === layout.inner) {
		return data.subarray(0, length);
	}
	const values = createArray(type, length);
	for (let n = 0, to = 0; n < images; n++) {
		for (let k = 0; k < count; k++) {
			const start = (n * layout.channels + (channels ? channels[k] : k)) * layout.inner;
			for (let i = 0; i < places.length; i++) {
				values[to++] = data[start + places[i]];
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

/** Loops like this one, not Float64Array.from: a model has layers for milliseconds only, and callbacks start slow. */
function pickValues(values: Float64Array, picked: Int32Array): Float64Array {
	const found = new Float64Array(picked.length);
	for (let i = 0; i < picked.length; i++) {
		found[i] = values[picked[i]];
	}
	return found;
}

function toValues(data: FloatData, type: FloatType): Values {
	return data instanceof Uint16Array
		? widen(data, type === 'float16' ? 'float16' : 'bfloat16', { start: 0, stride: 1, length: data.length })
		: data;
}
