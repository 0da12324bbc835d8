import { bringOwnPlotlyStyles, type Plotly } from '../view/index.js';

/**
 * Gets plotly.js from the extension host, in a message, and runs it. A URL would do too, were it not for what happens to a
 * tab that is replaced while 4.8 MB are on their way: VS Code's service worker waits 30 s for an answer to the page that
 * is gone, and meanwhile the next tab's worker, and with it that tab, stays empty.
 */
export class PlotlyLoader {
	readonly #document: Document;
	readonly #nonce: string;
	readonly #ask: () => void;
	readonly #waiting: ((script: Uint8Array<ArrayBuffer> | null) => void)[] = [];

	/**
	 * @param nonce The page's, which its policy asks of every script.
	 * @param ask Makes the host send the script, to be handed to {@link receive}.
	 */
	constructor(document: Document, nonce: string, ask: () => void) {
		this.#document = document;
		this.#nonce = nonce;
		this.#ask = ask;
	}

	/** @throws Error when the script is missing or does not run. */
	async load(): Promise<Plotly> {
		bringOwnPlotlyStyles(this.#document);
		const script = await new Promise<Uint8Array<ArrayBuffer> | null>((resolve) => {
			this.#waiting.push(resolve);
			this.#ask();
		});
		if (script === null) {
			throw new Error('the plotting library could not be loaded');
		}
		// A file of its own, not text in the page: the browser then compiles it beside what the page does.
		const url = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
		try {
			return await run(this.#document, url, this.#nonce);
		} finally {
			URL.revokeObjectURL(url);
		}
	}

	/** @param script The text of plotly.min.js in UTF-8; null when it cannot be had. */
	receive(script: Uint8Array<ArrayBuffer> | null): void {
		for (const resolve of this.#waiting.splice(0)) {
			resolve(script);
		}
	}
}

/** It registers itself as a global, which is taken away again: nothing else needs to find it. */
function run(document: Document, url: string, nonce: string): Promise<Plotly> {
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
