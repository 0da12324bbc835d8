import type { Child, ElementBuilder } from './dom.js';

/** Numbers with a hyphen in them, "4.14e-6" or "-0.3", which browsers would break at the hyphen. */
const UNBREAKABLE = /(\S*\d?-\d\S*)/;

/** A sentence whose numbers stay in one piece when the line breaks. */
export function phrases(h: ElementBuilder, sentence: string): Child[] {
	return sentence
		.split(UNBREAKABLE)
		.map((part, i) => (i % 2 === 1 && part.length < 40 ? h('span', { class: 'bnl-nowrap' }, part) : part));
}

/** Characters at a name's end that stay when it is cut: the end tells layers of a block apart. */
const TAIL = 8;

/** A name whose ends both stay in sight where there is no room for all of it. */
export function bothEnds(h: ElementBuilder, name: string): HTMLElement {
	const tail = name.length > 2 * TAIL ? TAIL : 0;
	const [head, end] = [name.slice(0, name.length - tail), name.slice(name.length - tail)];
	return h('span', { class: 'bnl-name' }, h('span', {}, head), h('span', {}, end));
}

/** A path whose segments stay in one piece when the line breaks. */
export function breakable(h: ElementBuilder, path: string): Child[] {
	return path.split(/(?<=[/.])/).flatMap((segment, i) => (i > 0 ? [h('wbr'), segment] : [segment]));
}
