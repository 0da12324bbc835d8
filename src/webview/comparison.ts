import type { ComparisonToHost, HostToComparison } from '../protocol/host-comparison.js';
import { unpack } from '../protocol/packing.js';
import { ComparisonView } from '../view/comparison/index.js';
import { PlotlyLoader } from './load-plotly.js';

/** The page of a comparison: connects the view to the extension host. */
const script = document.currentScript as HTMLScriptElement;
const host = acquireVsCodeApi();
const send = (message: ComparisonToHost): void => host.postMessage(message);
const plotly = new PlotlyLoader(document, script.nonce || (script.dataset.nonce ?? ''), () =>
	send({ type: 'get-plotly' }),
);

/** What survives hiding and reloading: the view's own state, and beside it the models that the page is about. */
let kept: object = Object(host.getState());
function keep(change: object): void {
	kept = { ...kept, ...change };
	host.setState(kept);
}

const view = new ComparisonView({
	root: document.getElementById('app') ?? document.body,
	layout: 'page',
	state: kept,
	loadPlotly: () => plotly.load(),
	actions: {
		cancel: () => send({ type: 'cancel' }),
		compare: (order) => send({ type: 'compare', order }),
		saveImage: (name, png) => send({ type: 'save-image', name, png }),
		showLog: () => send({ type: 'show-log' }),
		stateChanged: keep,
		mark: (name) => send({ type: 'mark', name, milliseconds: performance.now() }),
	},
});

function receive(message: HostToComparison): void {
	switch (message.type) {
		case 'comparison':
			view.showComparison(message.comparison);
			break;
		case 'progress':
			view.showProgress(message.progress);
			break;
		case 'failure':
			view.showFailure(message.message);
			break;
		case 'pair':
			keep({ pair: message.pair });
			break;
		case 'plotly':
			plotly.receive(message.script);
			break;
		default:
			message satisfies never;
	}
}

function reportError(error: unknown): void {
	const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
	send({ type: 'error', message: text.slice(0, 2000) });
}

window.addEventListener('message', ({ data }) => {
	try {
		receive(unpack<HostToComparison>(data));
	} catch (error) {
		reportError(error);
		view.showError(error);
	}
});
window.addEventListener('error', ({ error, message }) => reportError(error ?? message));
window.addEventListener('unhandledrejection', ({ reason }) => reportError(reason));
send({ type: 'ready' });
