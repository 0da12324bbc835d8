import comparisonStyle from '../../media/comparison.css';
import pageStyle from '../../media/page.css';
import plotlyStyle from '../../media/plotly.css';
import themeStyle from '../../media/theme.css';
import { reportFromParameters } from '../core/inspection/parameters-report.js';
import { parseComparison } from '../core/report/comparison/json.js';
import { parseReport } from '../core/report/json.js';
import { parsePayload } from '../core/report/payload.js';
import { messageOf } from '../core/text/sentences.js';
import { ComparisonView } from '../view/comparison/index.js';
import { View } from '../view/index.js';
import { HostLink } from './host-link.js';
import { loadPlotly } from './load-plotly.js';

const STYLE = [themeStyle, pageStyle, comparisonStyle, plotlyStyle].join('\n');

/** Notebook renderer for outputs of our MIME type. All outputs share a frame with outputs of other renderers. */
export function activate(context: RendererContext): Renderer {
	const host = new HostLink(context);
	const outputs = new Map<string, Output>();
	const dispose = (id: string): void => {
		outputs.get(id)?.dispose();
		outputs.delete(id);
	};
	return {
		async renderOutputItem(item, element, signal) {
			dispose(item.id);
			const output = new Output(element);
			outputs.set(item.id, output);
			try {
				await show(output, item, { host, signal });
			} catch (error) {
				if (!signal?.aborted) {
					output.fail(messageOf(error));
				}
			}
		},
		disposeOutputItem(id) {
			for (const known of id === undefined ? [...outputs.keys()] : [id]) {
				dispose(known);
			}
		},
	};
}

async function show(
	output: Output,
	item: OutputItem,
	{ host, signal }: { readonly host: HostLink; readonly signal: AbortSignal | undefined },
): Promise<void> {
	const payload = parsePayload(item.json());
	switch (payload.kind) {
		case 'report':
			output.reportView().showReport(payload.report);
			return;
		case 'parameters':
			output.reportView().showReport(reportFromParameters(payload.layers));
			return;
		case 'comparison':
			output.comparisonView().showComparison(parseComparison(payload.comparison, 'comparison'));
			return;
		case 'model': {
			// Shows that the model is being read until the extension answers.
			const view = output.reportView();
			const report = parseReport(await host.inspect(payload.path, signal));
			if (!signal?.aborted) {
				view.showReport(report);
			}
			return;
		}
		default:
			payload satisfies never;
	}
}

/** Output of a cell. A shadow root separates its styles from other outputs. */
class Output {
	readonly #root = document.createElement('div');
	#view: View | ComparisonView | null = null;

	constructor(element: HTMLElement) {
		const shadow = element.shadowRoot ?? element.attachShadow({ mode: 'open' });
		const style = document.createElement('style');
		style.textContent = STYLE;
		shadow.replaceChildren(style, this.#root);
	}

	reportView(): View {
		return this.#show(new View({ root: this.#root, layout: 'embedded', loadPlotly, actions: {} }));
	}

	comparisonView(): ComparisonView {
		return this.#show(new ComparisonView({ root: this.#root, layout: 'embedded', loadPlotly, actions: {} }));
	}

	fail(message: string): void {
		(this.#view ?? this.reportView()).showFailure(message);
	}

	dispose(): void {
		this.#view?.dispose();
	}

	#show<T extends View | ComparisonView>(view: T): T {
		this.#view = view;
		return view;
	}
}
