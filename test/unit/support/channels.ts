import { type ChannelLayout, elementCount, forEachRun } from '../../../src/core/folding/operators/layout.js';

/** Returns the channel of every element, in memory order, shape (elements). */
export function channelOfElements(layout: ChannelLayout): Int32Array {
	const channels = new Int32Array(elementCount(layout));
	forEachRun(layout, (channel, start) => {
		channels.fill(channel, start, start + layout.inner);
	});
	return channels;
}
