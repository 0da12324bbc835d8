import { parseReport } from '../core/report/json.js';
import { messageOf } from '../core/text/sentences.js';
import { type PlotImage, View } from '../view/index.js';
import { loadPlotly } from './load-plotly.js';

/** Page of a report in one file, without a host that runs the model or stores the user's choices. */
const view = new View({
	root: document.getElementById('app') ?? document.body,
	layout: 'page',
	loadPlotly: () => loadPlotly(document),
	actions: { saveImage: download },
});

try {
	view.showReport(parseReport(JSON.parse(document.getElementById('report')?.textContent ?? '')));
} catch (error) {
	view.showFailure(messageOf(error));
}

function download({ name, png }: PlotImage): void {
	const link = document.createElement('a');
	link.href = URL.createObjectURL(new Blob([new Uint8Array(png)], { type: 'image/png' }));
	link.download = `${name}.png`;
	link.click();
	URL.revokeObjectURL(link.href);
}
