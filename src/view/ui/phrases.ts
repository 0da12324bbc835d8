import type { Child, ElementBuilder } from './dom.js';

/** Numbers with a hyphen in them, "4.14e-6" or "-0.3", which browsers would break at the hyphen. */
const UNBREAKABLE = /(\S*\d?-\d\S*)/;

/** Returns a sentence whose numbers stay whole when the line breaks. */
export function phrases(h: ElementBuilder, sentence: string): Child[] {
	return sentence
		.split(UNBREAKABLE)
		.map((part, i) => (i % 2 === 1 && part.length < 40 ? h('span', { class: 'bnl-nowrap' }, part) : part));
}

/** Number of characters at the end of a name that are never cut, because the end differs between layers of a block. */
const TAIL = 8;

/** Returns a name whose two ends stay visible when it is too long for its place. */
export function bothEnds(h: ElementBuilder, name: string): HTMLElement {
	const tail = name.length > 2 * TAIL ? TAIL : 0;
	const [head, end] = [name.slice(0, name.length - tail), name.slice(name.length - tail)];
	return h('span', { class: 'bnl-name' }, h('span', {}, head), h('span', {}, end));
}

/** Returns a path whose segments stay whole when the line breaks. */
export function breakable(h: ElementBuilder, path: string): Child[] {
	return path.split(/(?<=[/.])/).flatMap((segment, i) => (i > 0 ? [h('wbr'), segment] : [segment]));
}
