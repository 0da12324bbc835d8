import { bringOwnPlotlyStyles, type Plotly } from '../view/index.js';

/** Unpacks the compressed plotly.js in the page and runs it, half a second after which plots can be drawn. */
export async function loadPlotly(document: Document): Promise<Plotly> {
	bringOwnPlotlyStyles(document);
	const script = document.createElement('script');
	// The policy contains the hash of exactly this text.
	script.textContent = await unpack(document.getElementById('plotly')?.textContent ?? '');
	document.head.appendChild(script);
	script.remove();
	const plotly = (window as unknown as { Plotly?: Plotly }).Plotly;
	if (!plotly) {
		throw new Error('the plotting library did not start');
	}
	return plotly;
}

async function unpack(base64: string): Promise<string> {
	const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
	const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
	return new Response(stream).text();
}
