import { bringOwnPlotlyStyles, type Plotly } from '../view/index.js';

/**
 * Loads plotly.js by a script element that carries the page's nonce. It registers itself as a global, which is taken
 * away again: nothing else needs to find it.
 */
export function loadPlotly(document: Document, { url, nonce }: { url: string; nonce: string }): Promise<Plotly> {
	bringOwnPlotlyStyles(document);
	return new Promise((resolve, reject) => {
		const script = document.createElement('script');
		script.src = url;
		script.nonce = nonce;
		script.onload = () => {
			const scope = window as unknown as Record<string, unknown>;
			const plotly = scope.Plotly as Plotly | undefined;
			delete scope.Plotly;
			delete scope.moduleName;
			script.remove();
			plotly ? resolve(plotly) : reject(new Error('the plotting library did not start'));
		};
		script.onerror = () => reject(new Error('the plotting library could not be loaded'));
		document.head.appendChild(script);
	});
}
