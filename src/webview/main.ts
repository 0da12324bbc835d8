import type { HostToWebview, WebviewToHost } from '../protocol/host-webview.js';
import { View } from '../view/index.js';
import { connect, root } from './connect.js';

/** The page of a model. */
connect<WebviewToHost, HostToWebview>(({ send, state, keep, loadPlotly }) => {
	const view = new View({
		root,
		layout: 'page',
		state,
		loadPlotly,
		actions: {
			cancel: () => send({ type: 'cancel' }),
			run: (choices) => send({ type: 'run', ...(choices && { choices }) }),
			chooseFiles: (input, from) => send({ type: 'choose-files', input, from }),
			manageTrust: () => send({ type: 'manage-trust' }),
			compare: () => send({ type: 'compare' }),
			reestimate: () => send({ type: 'reestimate' }),
			inference: () => send({ type: 'inference' }),
			saveImage: (image) => send({ type: 'save-image', ...image }),
			showLog: () => send({ type: 'show-log' }),
			layerChosen: (index) => send({ type: 'layer-chosen', index }),
			stateChanged: keep,
			mark: (name) => send({ type: 'mark', name, milliseconds: performance.now() }),
		},
	});
	return {
		showError: (error) => view.showError(error),
		receive(message) {
			switch (message.type) {
				case 'report':
					return view.showReport(message.report);
				case 'changes':
					return view.update(message.changes);
				case 'form':
					return view.showForm(message.form);
				case 'progress':
					return view.showProgress(message.progress);
				case 'failure':
					return view.showFailure(message.message);
				case 'recovered':
					return view.clearFailure();
				case 'select':
					return view.select(message.layer, message.part);
				default:
					return message satisfies never;
			}
		},
	};
});
