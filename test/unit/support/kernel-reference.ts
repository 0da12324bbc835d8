/**
 * What the kernels compute, written out one element at a time with nothing shared with them but the types: the other
 * side of every comparison in test/unit/kernel.
 */
import type { FloatType } from '../../../src/core/numbers/float-formats.js';
import type { FloatData, Layout, StatisticsAxes, VerifyRequest } from '../../../src/kernel/index.js';
import { bfloat16Bits, float16Bits } from './elements.js';

/** Elements as numbers, by the formats' definitions. */
export function toNumbers(data: FloatData, dtype: FloatType): number[] {
	return Array.from(data, (bits) => {
		if (dtype === 'float16') {
			const magnitude = bits & 0x7fff;
			const sign = bits & 0x8000 ? -1 : 1;
			if (magnitude >= 0x7c00) {
				return magnitude > 0x7c00 ? Number.NaN : sign * Number.POSITIVE_INFINITY;
			}
			const fraction = magnitude & 0x3ff;
			return sign * (magnitude < 0x400 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** ((magnitude >> 10) - 25));
		}
		return dtype === 'bfloat16' ? new Float32Array(Uint32Array.of(bits << 16).buffer)[0] : bits;
	});
}

export function fromNumbers(values: readonly number[], dtype: FloatType): FloatData {
	switch (dtype) {
		case 'float32':
			return Float32Array.from(values);
		case 'float64':
			return Float64Array.from(values);
		case 'float16':
			return Uint16Array.from(values, float16Bits);
		case 'bfloat16':
			return Uint16Array.from(values, bfloat16Bits);
	}
}

const FORMATS = {
	float64: { fractionBits: 52, minExponent: -1022, tiny: 2 ** -1074, max: Number.MAX_VALUE },
	float32: { fractionBits: 23, minExponent: -126, tiny: 2 ** -149, max: 3.4028234663852886e38 },
	float16: { fractionBits: 10, minExponent: -14, tiny: 2 ** -24, max: 65504 },
	bfloat16: { fractionBits: 7, minExponent: -126, tiny: 2 ** -133, max: 3.3895313892515355e38 },
};

/** Distance from |value|, rounded to the type, to the next larger number of its binade; on overflow, of the last. */
function ulp(value: number, dtype: FloatType): number {
	const { fractionBits, minExponent, max } = FORMATS[dtype];
	const rounded = Math.min(max, toNumbers(fromNumbers([Math.abs(value)], dtype), dtype)[0]);
	let exponent = Math.max(minExponent, Math.floor(Math.log2(rounded)) - 1);
	while (2 ** (exponent + 1) <= rounded) {
		exponent++;
	}
	return 2 ** (exponent - fractionBits);
}

export function layoutOf(batch: number, channels: number, planeSize: number): Layout {
	return { batch, channels, planeSize };
}

export function sizeOf({ batch, channels, planeSize }: Layout): number {
	return batch * channels * planeSize;
}

/** Where element `index` is, and which parameter is its own. */
function place({ channels, planeSize }: Layout, index: number, perActivation: boolean | undefined) {
	const c = Math.floor(index / planeSize) % channels;
	const i = index % planeSize;
	return {
		c,
		parameter: perActivation ? c * planeSize + i : c,
		within: Math.floor(index / (channels * planeSize)) * planeSize + i,
	};
}

/** One channel of a VerifyResult. */
export interface ChannelReference {
	maxAbs: number;
	boundRatio: number;
	bound: number;
	sumSquares: number;
	maxUlp: number;
	maxRel: number;
	firstBad: number;
	nonFiniteX: number;
	nonFiniteY: number;
	values: number[];
}

export function verifyReference(request: VerifyRequest): ChannelReference[] {
	const { layout, dtype, perActivation } = request;
	const x = toNumbers(request.x, dtype);
	const y = toNumbers(request.y, dtype);
	const channels = Array.from({ length: layout.channels }, (): ChannelReference => {
		const zeros = { maxAbs: 0, boundRatio: 0, bound: 0, sumSquares: 0, maxUlp: 0, maxRel: 0 };
		return { ...zeros, firstBad: -1, nonFiniteX: 0, nonFiniteY: 0, values: [] };
	});
	for (let index = 0; index < x.length; index++) {
		const { c, parameter, within } = place(layout, index, perActivation);
		const channel = channels[c];
		const ref = request.scale[parameter] * x[index] + request.shift[parameter];
		const bound = request.boundSlope[parameter] * Math.abs(x[index]) + request.boundOffset[parameter];
		channel.nonFiniteX += Number.isFinite(x[index]) ? 0 : 1;
		channel.nonFiniteY += Number.isFinite(y[index]) ? 0 : 1;
		if (Number.isFinite(x[index])) {
			channel.values.push(x[index]);
			channel.bound = Math.max(channel.bound, bound);
		}
		let error = Math.abs(y[index] - ref);
		if (!Number.isFinite(error)) {
			const [rounded] = toNumbers(fromNumbers([ref + Math.sign(ref) * bound], dtype), dtype);
			error = Object.is(y[index], rounded) ? 0 : Number.POSITIVE_INFINITY;
		}
		const wrong = error === Number.POSITIVE_INFINITY;
		if ((wrong || error > bound) && channel.firstBad < 0) {
			channel.firstBad = within;
		}
		channel.maxAbs = Math.max(channel.maxAbs, error);
		channel.sumSquares += wrong ? 0 : error * error;
		if (error > 0) {
			channel.boundRatio = Math.max(channel.boundRatio, wrong ? error : error / bound);
			channel.maxUlp = Math.max(channel.maxUlp, wrong ? error : error / ulp(ref, dtype));
			channel.maxRel = Math.max(channel.maxRel, wrong ? error : error / Math.max(Math.abs(ref), FORMATS[dtype].tiny));
		}
	}
	return channels;
}

/** Index of the statistic that element `index` belongs to. */
export function statisticOf(layout: Layout, axes: StatisticsAxes, index: number): number {
	const { c, parameter, within } = place(layout, index, axes === 'activation');
	return { channel: c, activation: parameter, location: within % layout.planeSize }[axes];
}

/** Count, mean and sum of squared deviations, summed in order of size. */
export function momentsReference(values: readonly number[]) {
	const sum = (numbers: readonly number[]) =>
		numbers.toSorted((a, b) => Math.abs(a) - Math.abs(b)).reduce((total, value) => total + value, 0);
	const mean = values.length > 0 ? sum(values) / values.length : 0;
	return { count: values.length, mean, m2: sum(values.map((value) => (value - mean) ** 2)) };
}
