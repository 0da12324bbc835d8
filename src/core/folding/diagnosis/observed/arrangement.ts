import {
	alongAxis,
	alongGroupedAxis,
	type ChannelLayout,
	channelCount,
	elementCount,
	sameLayout,
} from '../../operators/layout.js';
import { CAUSE_BITS, type Deviation, VARIANT_BITS } from './deviation.js';

/** Original row and channel of the parameters behind every deployed row. */
export interface Arrangement {
	/** null: as it should be. */
	readonly deviation: Deviation | null;
	/** Elements that share a scale: output channels or, by mistake, another division. */
	readonly layout: ChannelLayout;
	/** Original row behind each deployed row; its own when absent. */
	readonly source?: Int32Array;
	/** Channel with the parameters that scale each row, shape (rows); the row's own channel if absent. */
	readonly scaleOf?: Int32Array;
	/**
	 * Channel with the parameters and operator bias that make each row's bias, shape (rows); the row's own channel if
	 * absent.
	 */
	readonly shiftOf?: Int32Array;
	readonly operatorBiasOf?: Int32Array;
}

/** Lists the axes and orders along which weights may have been scaled instead of the output channels. */
export function wrongAxes(dims: readonly number[], right: ChannelLayout): readonly Arrangement[] {
	const channels = channelCount(right);
	const candidates: [ChannelLayout, Readonly<Record<string, number | string>>][] = [];
	dims.forEach((size, axis) => {
		if (size === channels) {
			candidates.push([alongAxis(dims, axis), { axis }]);
		}
	});
	for (let groups = 2; groups <= (dims[0] ?? 0) && dims.length > 1; groups++) {
		if (dims[0] % groups === 0 && groups * dims[1] === channels) {
			candidates.push([alongGroupedAxis(dims, groups), { axis: 1, groups }]);
		}
	}
	const elements = elementCount(right);
	if (channels > 0 && elements % channels === 0) {
		// Broadcast against the last axis of the flattened tensor.
		const layout = { groups: 1, outer: elements / channels, perGroup: channels, inner: 1 };
		candidates.push([layout, { order: 'flattened, last axis' }]);
		// A view of shape (channels, -1) cuts memory into chunks, not rows.
		const chunks = { groups: 1, outer: 1, perGroup: channels, inner: elements / channels };
		candidates.push([chunks, { order: `memory, in a view of (${channels}, -1)` }]);
	}
	const seen: ChannelLayout[] = [right];
	return candidates.flatMap(([layout, values]) => {
		if (seen.some((other) => sameLayout(other, layout))) {
			return [];
		}
		seen.push(layout);
		const bits = CAUSE_BITS + VARIANT_BITS;
		return [{ deviation: { code: 'wrong-axis' as const, bits, values }, layout }];
	});
}

/**
 * Lists wrong orders of parameters that groups suggest. Axis 1 of a grouped weight may be scaled by the first channels
 * only. Channels may be counted across the groups instead of within them. Rows stay multiples of the originals.
 */
export function wrongGroupOrders(layout: ChannelLayout, groups: readonly number[]): readonly Arrangement[] {
	const channels = channelCount(layout);
	return groups
		.filter((count) => count > 1 && count < channels && channels % count === 0)
		.flatMap((count) => {
			const size = channels / count;
			const orders: [string, (channel: number) => number][] = [
				['first group repeated', (channel) => channel % size],
				['across groups', (channel) => (channel % count) * size + Math.floor(channel / count)],
				['within groups', (channel) => (channel % size) * count + Math.floor(channel / size)],
			];
			return orders.flatMap(([order, of]) => {
				const scaleOf = Int32Array.from({ length: channels }, (_, channel) => of(channel));
				const values = { groups: count, order };
				const axis = { code: 'wrong-axis' as const, bits: CAUSE_BITS + VARIANT_BITS, values };
				return [
					{ deviation: axis, layout, scaleOf },
					{ deviation: { ...axis, bits: axis.bits + VARIANT_BITS }, layout, scaleOf, shiftOf: scaleOf },
				];
			});
		});
}

/** Bits of a permutation of `channels` with `moved` channels out of place. */
export function permutationBits(channels: number, moved: number): number {
	let bits = 0;
	for (let index = 0; index < moved; index++) {
		bits += Math.log2(channels - index);
	}
	return CAUSE_BITS + bits;
}

/** The channels that a permutation moves. */
export function movedChannels(permutation: Int32Array): number[] {
	return Array.from(permutation.keys()).filter((channel) => permutation[channel] !== channel);
}

/** Maximum number of channels listed in details. */
const LISTED = 512;

export function permutationDeviation(
	code: 'parameters-permuted' | 'channels-permuted',
	permutation: Int32Array,
	extraBits = 0,
): Deviation {
	const moved = movedChannels(permutation).length;
	return {
		code,
		bits: permutationBits(permutation.length, moved) + extraBits,
		values: { moved, permutation: Array.from(permutation.subarray(0, LISTED)) },
	};
}
