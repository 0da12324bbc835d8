import { unpack } from '../protocol/packing.js';
import type { HostToPage, PageToHost } from '../protocol/page.js';
import type { Plotly } from '../view/index.js';
import { PlotlyLoader } from './load-plotly.js';

/** Messages that the connection sends by itself. */
type FromEveryPage = Extract<PageToHost, { type: 'ready' | 'get-plotly' | 'error' }>;
type PlotlyMessage = Extract<HostToPage, { type: 'plotly' }>;

/** Connection of a page to the extension host. */
export interface Host<ToHost> {
	readonly send: (message: ToHost | FromEveryPage) => void;
	readonly state: unknown;
	/** Keeps a state over hiding and reloading. */
	readonly keep: (state: unknown) => void;
	readonly loadPlotly: () => Promise<Plotly>;
}

/** Time after loading without a message from which the page asks for its state again, in ms. */
const SILENCE = 1000;
/** Longest error message sent to the host, in characters. */
const MAX_ERROR = 2000;
const script = document.currentScript as HTMLScriptElement;

/** Element that the view fills. */
export const root = document.getElementById('app') ?? document.body;

/**
 * Connects a page to the extension host. Sends every uncaught error to the host, for the log. An error while a message is
 * handled is also shown in the view.
 * @param createView creates the view, which receives the messages.
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
	let isSilent = true;
	window.addEventListener('message', ({ data }) => {
		isSilent = false;
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
	// The host has sent the state before the page loaded. Asks once more, in case that VS Code dropped it.
	window.addEventListener('load', () => setTimeout(() => isSilent && send({ type: 'ready' }), SILENCE));
}

function isPlotly(message: { readonly type: string }): message is PlotlyMessage {
	return message.type === 'plotly';
}
