/** Returns "1 channel" or "64 channels". */
export function count(number: number, noun: string): string {
	return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** Joins words: "gamma", "gamma and beta", "gamma, beta and mean". */
export function joinWords(words: readonly string[]): string {
	return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

/** Turns a sentence into a clause. The name of an operator at its beginning keeps its capitals, such as QLinearConv. */
export function asClause(sentence: string): string {
	const clause = sentence.endsWith('.') ? sentence.slice(0, -1) : sentence;
	return /^[A-Z][a-z]/.test(clause) ? clause.charAt(0).toLowerCase() + clause.slice(1) : clause;
}

/** Returns the text with its first letter in upper case. */
export function capitalize(text: string): string {
	return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Returns the message of any thrown value. */
export function messageOf(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}

/**
 * Names up to three channels and counts more: "channel 3", "channels 3 and 5", "12 of 64 channels", "all 64 channels".
 * @param channels indices of channels, from 0
 * @param total number of channels in the layer
 * @param withVerb true for the beginning of a sentence: "Channel 3 is", "All 64 channels are"
 */
export function countChannels(channels: readonly number[], total: number, withVerb = false): string {
	const verb = withVerb ? (channels.length === 1 ? ' is' : ' are') : '';
	if (channels.length === total && total > 1) {
		const all = `${allOf(total)} channels${verb}`;
		return withVerb ? capitalize(all) : all;
	}
	const noun = withVerb ? 'Channel' : 'channel';
	if (channels.length === 1) {
		return `${noun} ${channels[0]}${verb}`;
	}
	return channels.length <= 3
		? `${noun}s ${joinWords(channels.map(String))}${verb}`
		: `${channels.length} of ${total} channels${verb}`;
}

/** Maximum number of channels that {@link listChannels} names. */
const MAX_NAMED_CHANNELS = 5;

/** Lists channels by index: "channel 3", "channels 3, 17 and 20", "channels 3, 17, 20, 21, 22 and 12 more". */
export function listChannels(channels: readonly number[]): string {
	if (channels.length === 1) {
		return `channel ${channels[0]}`;
	}
	const named = channels.slice(0, MAX_NAMED_CHANNELS).map(String);
	const rest = channels.length - named.length;
	return `channels ${joinWords(rest > 0 ? [...named, `${rest} more`] : named)}`;
}

/** Returns "both" or, for other numbers than 2, "all 3". The noun follows. */
export function allOf(total: number): string {
	return total === 2 ? 'both' : `all ${total}`;
}
