import type { Handle } from './attributes.js';

/**
 * Options of the element builder. Text becomes text nodes, never markup, because names may come from hostile files. There
 * are no inline styles, because the page's content security policy refuses style attributes.
 */
export interface ElementOptions {
	readonly class?: string;
	readonly bnl?: Handle;
	readonly data?: Readonly<Record<string, string>>;
	readonly attributes?: Readonly<Record<string, string>>;
	readonly on?: { readonly [K in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[K]) => void };
}

export type Child = Node | string | null | undefined | false;

export type ElementBuilder = <K extends keyof HTMLElementTagNameMap>(
	tag: K,
	options?: ElementOptions,
	...children: readonly Child[]
) => HTMLElementTagNameMap[K];

export function elementBuilder(document: Document): ElementBuilder {
	return (tag, options = {}, ...children) => {
		const element = document.createElement(tag);
		if (options.class !== undefined) {
			element.className = options.class;
		}
		if (options.bnl !== undefined) {
			element.dataset.bnl = options.bnl;
		}
		Object.assign(element.dataset, options.data);
		setAttributes(element, options.attributes ?? {});
		for (const [type, listener] of Object.entries(options.on ?? {})) {
			element.addEventListener(type, listener as EventListener);
		}
		append(element, children);
		return element;
	};
}

export function append(parent: Node, children: readonly Child[]): void {
	for (const child of children) {
		if (typeof child === 'string') {
			parent.appendChild((parent.ownerDocument as Document).createTextNode(child));
		} else if (child) {
			parent.appendChild(child);
		}
	}
}

export function replaceChildren(parent: Element, ...children: readonly Child[]): void {
	parent.replaceChildren();
	append(parent, children);
}

const SVG = 'http://www.w3.org/2000/svg';

export function svgElement<K extends keyof SVGElementTagNameMap>(
	document: Document,
	tag: K,
	attributes: Readonly<Record<string, string>>,
	...children: readonly Child[]
): SVGElementTagNameMap[K] {
	const element = document.createElementNS(SVG, tag);
	setAttributes(element, attributes);
	append(element, children);
	return element;
}

function setAttributes(element: Element, attributes: Readonly<Record<string, string>>): void {
	for (const [name, value] of Object.entries(attributes)) {
		element.setAttribute(name, value);
	}
}

/** Shows or hides an element and keeps it in the document. */
export function setVisible(element: HTMLElement, visible: boolean): void {
	element.hidden = !visible;
}

/** Returns content that a click on its title shows. */
export function disclosure(h: ElementBuilder, title: string, content: HTMLElement): HTMLDetailsElement {
	return h('details', { class: 'bnl-disclosure' }, h('summary', {}, title), content);
}
