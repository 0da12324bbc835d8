/** Text made of a model's strings and numbers. Names come from files that anyone may have made: see {@link visible}. */

/**
 * Makes every character seen: control characters (terminal escapes, newlines), direction marks, invisible characters and
 * broken halves of a surrogate pair become `\uXXXX` (`\u{XXXXX}` beyond that). The result is one line, safe for a
 * terminal, and XML can hold it.
 */
export function visible(text: string): string {
	return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029\ufffe\uffff]/gu, (character) => {
		const code = (character.codePointAt(0) ?? 0).toString(16).padStart(4, '0');
		return code.length > 4 ? `\\u{${code}}` : `\\u${code}`;
	});
}

/** At most `width` UTF-16 units, cut in the middle: ends of layer names are what tells them apart. */
export function shorten(text: string, width: number): string {
	if (text.length <= width) {
		return text;
	}
	const tail = Math.ceil((width - 1) * 0.6);
	return `${text.slice(0, width - 1 - tail)}…${text.slice(text.length - tail)}`;
}

/** Four significant digits, as short as they can be. */
export function formatNumber(value: number): string {
	if (!Number.isFinite(value)) {
		return String(value);
	}
	const magnitude = Math.abs(value);
	return magnitude !== 0 && (magnitude < 1e-3 || magnitude >= 1e5)
		? value.toExponential(1)
		: String(Number(value.toPrecision(4)));
}

/** "-0.12 … 3.4": smallest and largest, with a word for what is neither. */
export function formatRange(values: ArrayLike<number>): string {
	let low = Number.POSITIVE_INFINITY;
	let high = Number.NEGATIVE_INFINITY;
	let nonFinite = 0;
	for (let i = 0; i < values.length; i++) {
		if (Number.isFinite(values[i])) {
			low = Math.min(low, values[i]);
			high = Math.max(high, values[i]);
		} else {
			nonFinite += 1;
		}
	}
	const range = low > high ? '' : low === high ? formatNumber(low) : `${formatNumber(low)} … ${formatNumber(high)}`;
	return [range, nonFinite > 0 ? `${nonFinite} not finite` : ''].filter((part) => part !== '').join(', ');
}

const ENTITIES: Readonly<Record<string, string>> = {
	'&': '&amp;',
	'<': '&lt;',
	'>': '&gt;',
	'"': '&quot;',
	"'": '&#39;',
};

/** For text and quoted attributes of HTML and XML. */
export function escapeMarkup(text: string): string {
	return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
