/**
 * Ids of style elements that plotly.js and the map library inside it (4.1.2) add unless they exist. A content security
 * policy without inline styles refuses these elements, so media/plotly.css contains their rules.
 */
const STYLE_IDS = ['plotly.js-style-global', 'ce8d464691048653ffe3a57c6c18ab566e8366f186677868cf724621a857b4fe'];

/** Stops plotly.js from adding styles. Call it before plotly.js runs, in a page with media/plotly.css. */
export function bringOwnPlotlyStyles(document: Document): void {
	for (const id of STYLE_IDS) {
		const mark = document.createElement('meta');
		mark.id = id;
		mark.className = 'no-inline-styles';
		document.head.appendChild(mark);
	}
}
