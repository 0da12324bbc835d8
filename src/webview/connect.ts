import { unpack } from '../protocol/packing.js';
import type { Plotly } from '../view/index.js';
import { PlotlyLoader } from './load-plotly.js';

/** What every page tells the extension host, whatever it shows. */
type FromEveryPage =
	| { readonly type: 'ready' }
	| { readonly type: 'get-plotly' }
	| { readonly type: 'error'; readonly message: string };
/** What every page is told. */
type PlotlyMessage = { readonly type: 'plotly'; readonly script: Uint8Array<ArrayBuffer> | null };

/** The extension host, as a page sees it. */
export interface Host<ToHost> {
	readonly send: (message: ToHost | FromEveryPage) => void;
	readonly state: unknown;
	/** Keeps something over hiding and reloading. */
	readonly keep: (state: unknown) => void;
	readonly loadPlotly: () => Promise<Plotly>;
}

const MAX_ERROR = 2000;
const script = document.currentScript as HTMLScriptElement;

/** Where the page puts what it shows. */
export const root = document.getElementById('app') ?? document.body;

/**
 * Connects a page to the extension host. What throws in the page is told to the host, for the log; when it was a message
 * that could not be shown, to the view as well.
 * @param createView makes the view, which shows messages and errors of its own.
 */
export function connect<ToHost, FromHost extends { readonly type: string }>(
	createView: (host: Host<ToHost>) => {
		receive(message: Exclude<FromHost, PlotlyMessage>): void;
		showError(error: unknown): void;
	},
): void {
	const host = acquireVsCodeApi();
	const send = (message: ToHost | FromEveryPage): void => host.postMessage(message);
	const plotly = new PlotlyLoader(document, script.nonce || (script.dataset.nonce ?? ''), () =>
		send({ type: 'get-plotly' }),
	);
	const view = createView({
		send,
		state: host.getState(),
		keep: (state) => host.setState(state),
		loadPlotly: () => plotly.load(),
	});
	const reportError = (error: unknown): void => {
		const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
		send({ type: 'error', message: text.slice(0, MAX_ERROR) });
	};
	window.addEventListener('message', ({ data }) => {
		try {
			const message = unpack<Exclude<FromHost, PlotlyMessage> | PlotlyMessage>(data);
			if (isPlotly(message)) {
				plotly.receive(message.script);
			} else {
				view.receive(message);
			}
		} catch (error) {
			reportError(error);
			view.showError(error);
		}
	});
	window.addEventListener('error', ({ error, message }) => reportError(error ?? message));
	window.addEventListener('unhandledrejection', ({ reason }) => reportError(reason));
	send({ type: 'ready' });
}

function isPlotly(message: { readonly type: string }): message is PlotlyMessage {
	return message.type === 'plotly';
}
