/**
 * Maximum number of compared pairs from two lists: 512 operators or layers of the same shape in each model, more than
 * published networks have.
 */
const MAX_PAIRS = 1 << 18;

/**
 * Returns a function that gives the partners to try for an element of a list: a range of positions in the other list. Up to
 * {@link MAX_PAIRS} pairs it is the whole list, beyond that the positions nearest to the element's own place.
 */
export function nearPlaces(length: number, others: number): (index: number) => { first: number; end: number } {
	if (length * others <= MAX_PAIRS) {
		return () => ({ first: 0, end: others });
	}
	const reach = Math.max(1, Math.floor(MAX_PAIRS / length / 2));
	return (index) => {
		const place = Math.floor((index * others) / length);
		return { first: Math.max(0, place - reach), end: Math.min(others, place + reach) };
	};
}
