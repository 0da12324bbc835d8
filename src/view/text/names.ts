import { shorten, visible } from '../../core/text/names.js';

/** A name from a model, safe and short enough for a line of text. The whole name belongs into a title. */
export function label(name: string, length = 120): string {
	return shorten(visible(shorten(name, 4 * length)), length);
}

/** For title attributes: everything that a person could want to read, nothing that hangs a tooltip. */
export function fullLabel(name: string): string {
	return label(name, 1000);
}

export interface DistinctNames {
	/** What all names begin and end with, cut at a separator; '' when there is nothing worth leaving out. */
	readonly prefix: string;
	readonly suffix: string;
}

/** Shared parts shorter than this stay: leaving them out would cost more than it gains. */
const WORTH_CUTTING = 6;

/**
 * Exported names are long and alike ("/features/features.3/conv/conv.0.1/BatchNormalization"): what tells layers apart
 * is lost when they are cut at the end. Finds the parts that all names share, in whole segments.
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
	// "12" alone says nothing: then a shared part stays after all.
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
