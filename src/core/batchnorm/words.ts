/** Numbers and lists as findings say them. */

/** Three significant digits, no trailing zeros: "0.0012"; "2.78e-5" where zeros would have to be counted. */
export function shortNumber(value: number): string {
	const rounded = Number(value.toPrecision(3));
	return rounded !== 0 && Math.abs(rounded) < 1e-4 ? rounded.toExponential() : String(rounded);
}

/** "channel 3", "channels 3 and 5", "12 of 64 channels", "all 64 channels"; as a subject with its verb where asked. */
export function countChannels(channels: readonly number[], total: number, withVerb = false): string {
	const verb = withVerb ? (channels.length === 1 ? ' is' : ' are') : '';
	if (channels.length === total && total > 1) {
		return `${withVerb ? 'All' : 'all'} ${total} channels${verb}`;
	}
	const noun = withVerb ? 'Channel' : 'channel';
	if (channels.length === 1) {
		return `${noun} ${channels[0]}${verb}`;
	}
	return channels.length <= 3
		? `${noun}s ${joinWords(channels.map(String))}${verb}`
		: `${channels.length} of ${total} channels${verb}`;
}

/** "gamma", "gamma and beta", "gamma, beta and mean". */
export function joinWords(words: readonly string[]): string {
	return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

/** Median of the absolute values, the upper one of two in the middle; 0 of none. */
export function median(values: Float64Array): number {
	const sorted = values.map(Math.abs).sort();
	return sorted[sorted.length >> 1] ?? 0;
}
