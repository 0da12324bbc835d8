import { parseComparison } from '../core/report/comparison/json.js';
import { parseReport } from '../core/report/json.js';
import { messageOf } from '../core/text/sentences.js';
import { ComparisonView } from '../view/comparison/index.js';
import { type PlotImage, View } from '../view/index.js';
import { loadPlotly } from './load-plotly.js';

/** Page of a report or a comparison in a single file, without a host that runs models or stores the user's choices. */
const options = {
	root: document.getElementById('app') ?? document.body,
	layout: 'page',
	loadPlotly: () => loadPlotly(document),
	actions: { saveImage: download },
} as const;

const shown: unknown = JSON.parse(document.getElementById('report')?.textContent ?? 'null');
if (Object(shown).format === 'batchnorm-lens.comparison') {
	const view = new ComparisonView(options);
	attempt(
		() => view.showComparison(parseComparison(shown)),
		(message) => view.showFailure(message),
	);
} else {
	const view = new View(options);
	attempt(
		() => view.showReport(parseReport(shown)),
		(message) => view.showFailure(message),
	);
}

function attempt(show: () => void, fail: (message: string) => void): void {
	try {
		show();
	} catch (error) {
		fail(messageOf(error));
	}
}

function download({ name, png }: PlotImage): void {
	const link = document.createElement('a');
	link.href = URL.createObjectURL(new Blob([new Uint8Array(png)], { type: 'image/png' }));
	link.download = `${name}.png`;
	link.click();
	URL.revokeObjectURL(link.href);
}
