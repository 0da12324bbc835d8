/**
 * plotly.js and the map library inside of it (4.1.2) add style elements of their own, which a content security policy
 * without inline styles refuses, unless elements with these ids say that the page brings the rules along.
 */
const STYLE_IDS = ['plotly.js-style-global', 'ce8d464691048653ffe3a57c6c18ab566e8366f186677868cf724621a857b4fe'];

/** To be called before plotly.js runs, in a page that has media/plotly.css. There are no maps. */
export function bringOwnPlotlyStyles(document: Document): void {
	for (const id of STYLE_IDS) {
		const mark = document.createElement('meta');
		mark.id = id;
		mark.className = 'no-inline-styles';
		document.head.appendChild(mark);
	}
}
