import type { HostToWebview, WebviewToHost } from '../protocol/host-webview.js';
import { unpack } from '../protocol/packing.js';
import { View } from '../view/index.js';
import { PlotlyLoader } from './load-plotly.js';

/** The page of a model: connects the view to the extension host. */
const script = document.currentScript as HTMLScriptElement;
const host = acquireVsCodeApi();
const send = (message: WebviewToHost): void => host.postMessage(message);
const plotly = new PlotlyLoader(document, script.nonce || (script.dataset.nonce ?? ''), () =>
	send({ type: 'get-plotly' }),
);

const view = new View({
	root: document.getElementById('app') ?? document.body,
	layout: 'page',
	state: host.getState(),
	loadPlotly: () => plotly.load(),
	actions: {
		cancel: () => send({ type: 'cancel' }),
		run: (choices) => send({ type: 'run', ...(choices && { choices }) }),
		chooseFiles: (input, from) => send({ type: 'choose-files', input, from }),
		manageTrust: () => send({ type: 'manage-trust' }),
		saveImage: (name, png) => send({ type: 'save-image', name, png }),
		showLog: () => send({ type: 'show-log' }),
		stateChanged: (state) => host.setState(state),
		mark: (name) => send({ type: 'mark', name, milliseconds: performance.now() }),
	},
});

function receive(message: HostToWebview): void {
	switch (message.type) {
		case 'report':
			view.showReport(message.report);
			break;
		case 'layer':
			view.updateLayer(message.index, message.layer);
			break;
		case 'run':
			view.updateRun(message.run);
			break;
		case 'form':
			view.showForm(message.form);
			break;
		case 'progress':
			view.showProgress(message.progress);
			break;
		case 'failure':
			view.showFailure(message.message);
			break;
		case 'recovered':
			view.clearFailure();
			break;
		case 'select':
			view.select(message.layer);
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
		receive(unpack<HostToWebview>(data));
	} catch (error) {
		reportError(error);
		view.showError(error);
	}
});
window.addEventListener('error', ({ error, message }) => reportError(error ?? message));
window.addEventListener('unhandledrejection', ({ reason }) => reportError(reason));
send({ type: 'ready' });
