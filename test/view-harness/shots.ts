import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseReport } from '../../src/core/report/json.js';
import { outDir } from '../workbench/paths.mjs';
import { drawn, type HarnessPage, startHarness } from './harness.js';
import { STATES, type StateName } from './states.js';
import { THEMES, type ThemeName } from './themes.js';

// Pictures of every state in every theme: node test/view-harness/run.mjs shots [STATE,…] [THEME,…] [WIDTH,…]
// A STATE may be the file of a report (inspect --json), with #INDEX the layer to open; HEIGHT in the environment.
const [states, themes, widths] = process.argv.slice(2).map((list) => list.split(',').filter(Boolean));
const folder = path.join(outDir, 'view-screenshots');
await mkdir(folder, { recursive: true });
const harness = await startHarness();
try {
	for (const theme of (themes?.length ? themes : Object.keys(THEMES)) as ThemeName[]) {
		for (const width of widths?.length ? widths.map(Number) : [1200, 400]) {
			for (const state of (states?.length ? states : Object.keys(STATES)) as string[]) {
				const opened = await harness.open({
					theme,
					width,
					height: Number(process.env.HEIGHT) || (width < 600 ? 1600 : 900),
				});
				const file = /^(.*\.json)(?:#(\d+))?$/.exec(state);
				await (file ? showFile(opened, file[1] ?? '', file[2]) : opened.show(state as StateName));
				await opened.page.screenshot({ path: path.join(folder, `${path.basename(state)}-${theme}-${width}.png`) });
				if (opened.problems.length > 0) {
					console.log(`${state} ${theme} ${width}:\n  ${opened.problems.join('\n  ')}`);
				}
				await opened.close();
				console.log(state, theme, width, Math.round(performance.now()));
			}
		}
	}
} finally {
	await harness.close();
}
console.log(folder);

async function showFile(opened: HarnessPage, file: string, layer: string | undefined): Promise<void> {
	const report = parseReport(JSON.parse(await readFile(file, 'utf8')));
	await opened.send({ type: 'report', report });
	const name = report.layers[Number(layer)]?.name;
	if (name !== undefined) {
		await opened.send({ type: 'select', layer: name });
		await drawn(opened.page);
	}
	await opened.page.waitForTimeout(200);
}
