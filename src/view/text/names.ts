import { shorten, visible } from '../../core/text/names.js';

/** Makes a name from a model safe and short enough for a line of text. Tooltips show the whole name. */
export function label(name: string, length = 120): string {
	return shorten(visible(shorten(name, 4 * length)), length);
}

/** Makes a text safe and short for a tooltip or sentence. */
export function fullLabel(name: string): string {
	return label(name, 1000);
}

export interface DistinctNames {
	/** Common beginning and end of all names, cut at a separator; '' if too short to leave out. */
	readonly prefix: string;
	readonly suffix: string;
}

/** Smallest number of characters worth leaving out. */
const WORTH_CUTTING = 6;

/**
 * Finds the beginning and end that all names share, in whole segments. Exported names are long and alike, for example
 * "/features/features.3/conv/conv.0.1/BatchNormalization"; cut at the end they would look the same.
 */
export function sharedParts(names: readonly string[]): DistinctNames {
	const separator = names.every((name) => name.includes('/')) ? '/' : '.';
	const lists = names.map((name) => name.split(separator));
	const shortest = Math.min(...lists.map(({ length }) => length));
	const [first = []] = lists;
	if (names.length < 2) {
		return { prefix: '', suffix: '' };
	}
	let head = 0;
	while (head < shortest - 1 && lists.every((list) => list[head] === first[head])) {
		head++;
	}
	let tail = 0;
	while (tail < shortest - 1 - head && lists.every((list) => list.at(-1 - tail) === first.at(-1 - tail))) {
		tail++;
	}
	const left = (list: readonly string[]): string => list.slice(head, list.length - tail).join(separator);
	// A number alone, such as "12", says too little, so a shared part stays.
	while (head + tail > 0 && lists.some((list) => !/\p{L}/u.test(left(list)))) {
		head > 0 ? head-- : tail--;
	}
	const prefix = head > 0 ? first.slice(0, head).join(separator) + separator : '';
	const suffix = tail > 0 ? separator + first.slice(first.length - tail).join(separator) : '';
	return {
		prefix: prefix.length >= WORTH_CUTTING ? prefix : '',
		suffix: suffix.length >= WORTH_CUTTING ? suffix : '',
	};
}

export function withoutShared(name: string, { prefix, suffix }: DistinctNames): string {
	return name.slice(prefix.length, name.length - suffix.length);
}
