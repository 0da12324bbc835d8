import type { Child, ElementBuilder } from './dom.js';

/** Numbers with a hyphen in them, "4.14e-6" or "-0.3", which browsers would break at the hyphen. */
const UNBREAKABLE = /(\S*\d?-\d\S*)/;

/** Returns a sentence with numbers that stay whole when the line breaks. */
export function phrases(h: ElementBuilder, sentence: string): Child[] {
	return sentence
		.split(UNBREAKABLE)
		.map((part, i) => (i % 2 === 1 && part.length < 40 ? h('span', { class: 'bnl-nowrap' }, part) : part));
}

/** Signs that stand for the marks of a plot. */
const SIGNS = /([●○□◆✕])/;

/** Returns a sentence whose signs can have the colors of the marks that they stand for. */
export function withSigns(h: ElementBuilder, sentence: string): Child[] {
	return sentence.split(SIGNS).map((part, i) => (i % 2 === 1 ? h('span', { data: { sign: part } }, part) : part));
}

/**
 * Smallest and largest number of characters at the end of a name that are never cut, because the end differs between
 * layers of a block.
 */
const MIN_TAIL = 4;
const TAIL = 8;
const MAX_TAIL = 14;

/** Returns a name that keeps both ends visible when it is too long for its place. */
export function bothEnds(h: ElementBuilder, name: string): HTMLElement {
	const tail = name.length > 2 * TAIL ? tailLength(name) : 0;
	const [head, end] = [name.slice(0, name.length - tail), name.slice(name.length - tail)];
	return h('span', { class: 'bnl-name' }, h('span', {}, head), h('span', {}, end));
}

/** Returns the length of the last segments of a name, so that the visible end begins with a separator. */
function tailLength(name: string): number {
	const starts = [...name.matchAll(/[/.]/g)].map(({ index }) => name.length - index);
	const fitting = starts.filter((length) => length >= MIN_TAIL && length <= MAX_TAIL);
	return fitting.length > 0 ? Math.max(...fitting) : TAIL;
}

/** Returns a path with segments that stay whole when the line breaks. */
export function breakable(h: ElementBuilder, path: string): Child[] {
	return path.split(/(?<=[/.])/).flatMap((segment, i) => (i > 0 ? [h('wbr'), segment] : [segment]));
}
