/** A number for a sentence: three significant digits, "1e-5" rather than "0.00001". */
export function shortNumber(value: number): string {
	if (!Number.isFinite(value) || value === 0) {
		return String(value);
	}
	const magnitude = Math.abs(value);
	if (magnitude >= 1e-2 && magnitude < 1e5) {
		return String(Number(value.toPrecision(magnitude >= 100 ? 6 : 3)));
	}
	const [mantissa, exponent] = value.toExponential(2).split('e');
	return `${Number(mantissa)}e${exponent.replace('+', '')}`;
}

/** Channels named in a sentence before it only counts. */
const NAMED = 5;

/** "channel 3", "channels 3, 17 and 20", "channels 3, 17, 20, 21, 22 and 12 more". */
export function channelWords(channels: readonly number[]): string {
	if (channels.length === 1) {
		return `channel ${channels[0]}`;
	}
	const named = channels.slice(0, NAMED).map(String);
	const last = channels.length > NAMED ? `${channels.length - NAMED} more` : (named.pop() ?? '');
	return `channels ${named.join(', ')} and ${last}`;
}

/** "1 channel", "64 channels". */
export function count(number: number, noun: string): string {
	return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
