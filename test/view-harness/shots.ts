import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { COMPARISON_FORMAT } from '../../src/core/report/comparison/comparison.js';
import { parseComparison } from '../../src/core/report/comparison/json.js';
import { parseReport } from '../../src/core/report/json.js';
import type { HostToComparison } from '../../src/protocol/host-comparison.js';
import { outDir } from '../workbench/paths.mjs';
import { COMPARISON_STATES, type ComparisonStateName } from './comparison-states.js';
import { drawn, type HarnessPage, startHarness } from './harness.js';
import { STATES, type StateName } from './states.js';
import { THEMES, type ThemeName } from './themes.js';

// Takes pictures of every state in every theme: node test/view-harness/run.mjs shots [STATE,…] [THEME,…] [WIDTH,…]
// A STATE is one of states.ts or comparison-states.ts, or the file of a report (inspect --json) or a comparison
// (compare --json).
// #INDEX behind it selects the layer to open. HEIGHT in the environment sets the height.
/** Time that a page needs after its last plot, in ms. */
const SETTLING_MILLISECONDS = 300;
const [states, themes, widths] = process.argv.slice(2).map((list) => list.split(',').filter(Boolean));
const folder = path.join(outDir, 'view-screenshots');
await mkdir(folder, { recursive: true });
const harness = await startHarness();
try {
	for (const theme of (themes?.length ? themes : Object.keys(THEMES)) as ThemeName[]) {
		for (const width of widths?.length ? widths.map(Number) : [1200, 400]) {
			for (const state of (states?.length ? states : Object.keys(STATES)) as string[]) {
				const messages = await comparisonMessages(state);
				const opened = await harness.open({
					theme,
					width,
					height: Number(process.env.HEIGHT) || (width < 600 ? 1600 : 900),
					...(messages && { view: 'comparison' }),
				});
				const file = /^(.*\.json)(?:#(\d+))?$/.exec(state);
				if (messages) {
					await showComparison(opened, messages);
				} else {
					await (file ? showFile(opened, file[1] ?? '', file[2]) : opened.show(state as StateName));
				}
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

/** Undefined for a model's page. */
async function comparisonMessages(state: string): Promise<readonly HostToComparison[] | undefined> {
	if (state in COMPARISON_STATES) {
		return COMPARISON_STATES[state as ComparisonStateName];
	}
	const value: unknown = state.endsWith('.json') ? JSON.parse(await readFile(state, 'utf8')) : undefined;
	return Object(value).format === COMPARISON_FORMAT
		? [{ type: 'comparison', comparison: parseComparison(value) }]
		: undefined;
}

async function showComparison({ page, send }: HarnessPage, messages: readonly HostToComparison[]): Promise<void> {
	for (const message of messages) {
		await send(message);
	}
	await page.waitForFunction(() => {
		const plots = [...document.querySelectorAll<HTMLElement>('[data-bnl="plot"]')];
		return plots.every((plot) => plot.offsetParent === null || plot.matches('[data-drawn="true"], .bnl-figure-empty'));
	});
	await page.waitForTimeout(SETTLING_MILLISECONDS);
}

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
