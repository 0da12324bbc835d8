import type { ComparisonToHost, HostToComparison } from '../protocol/host-comparison.js';
import { ComparisonView } from '../view/comparison/index.js';
import { connect, root } from './connect.js';

/** The page of a comparison. */
connect<ComparisonToHost, HostToComparison>(({ send, state, keep, loadPlotly }) => {
	/** State that outlives hiding and reloading: that of the view, and the pair of models. */
	let kept: object = Object(state);
	const change = (part: object): void => {
		kept = { ...kept, ...part };
		keep(kept);
	};
	const view = new ComparisonView({
		root,
		layout: 'page',
		state: kept,
		loadPlotly,
		actions: {
			cancel: () => send({ type: 'cancel' }),
			compare: (order) => send({ type: 'compare', order }),
			repair: () => send({ type: 'repair' }),
			saveImage: (image) => send({ type: 'save-image', ...image }),
			showLog: () => send({ type: 'show-log' }),
			stateChanged: change,
			mark: (name) => send({ type: 'mark', name, milliseconds: performance.now() }),
		},
	});
	return {
		showError: (error) => view.showError(error),
		receive(message) {
			switch (message.type) {
				case 'comparison':
					return view.showComparison(message.comparison);
				case 'progress':
					return view.showProgress(message.progress);
				case 'failure':
					return view.showFailure(message.message);
				case 'pair':
					return change({ pair: message.pair });
				default:
					return message satisfies never;
			}
		},
	};
});
