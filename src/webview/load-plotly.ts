import { bringOwnPlotlyStyles, type Plotly } from '../view/index.js';

/**
 * Gets plotly.js (4.8 MB) from the extension host in a message and runs it. A URL would block the next tab if this tab is
 * replaced during the download: VS Code's service worker waits 30 s for an answer to the page that is gone, and the
 * worker of the next tab does not start before.
 */
export class PlotlyLoader {
	readonly #document: Document;
	readonly #nonce: string;
	readonly #ask: () => void;
	readonly #waiting: ((script: Uint8Array<ArrayBuffer> | null) => void)[] = [];

	/**
	 * @param nonce Nonce of the page, which its policy requires of every script.
	 * @param ask Asks the host for the script; pass the answer to {@link receive}.
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
		// The browser compiles a separate file in parallel to the page, but not inline text.
		const url = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
		try {
			return await run(this.#document, url, this.#nonce);
		} finally {
			URL.revokeObjectURL(url);
		}
	}

	/** @param script Text of plotly.min.js in UTF-8; null if it could not be read. */
	receive(script: Uint8Array<ArrayBuffer> | null): void {
		for (const resolve of this.#waiting.splice(0)) {
			resolve(script);
		}
	}
}

/** Runs plotly.js and removes the global that it registers, which no other code needs. */
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
