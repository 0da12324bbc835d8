import assert from 'node:assert/strict';
import { cpus } from 'node:os';
import { test } from 'node:test';
import type { Frame } from 'playwright-core';
import { mobileNetV2 } from '../unit/support/networks.js';
import { at, Workbench } from './support.js';

/** Limits from the click, in ms, for a 14 MB model on two cores. */
const TABLE_LIMIT = 1000;
const VERDICTS_LIMIT = 3000;
/** Goals on an idle machine, in ms. They are printed beside the times, because a shared machine may miss them. */
const TABLE_GOAL = 600;
const VERDICTS_GOAL = 1600;
const PLOT_GOALS = [500, 100] as const;
/** Attempts. Another program may slow one down, so meeting the limit once is enough. */
const ATTEMPTS = 3;
/** Largest share of the processors that other programs may use for a missed limit to count as our fault. */
const BUSY_LIMIT = 0.3;
/** Time that VS Code stays busy after its window appears, in ms. */
const SETTLE = 4000;
/** Time in which a shown page becomes idle, in ms. */
const IDLE = 2500;

/** Records in every animation frame when elements of ours first appear. Polling from outside would itself take time. */
function watch(selectors: Readonly<Record<string, string>>): void {
	const seen: Record<string, number> = {};
	Object.assign(window, { seen });
	const timer = setInterval(() => {
		for (const [name, selector] of Object.entries(selectors)) {
			if (!(name in seen) && document.querySelector(selector)) {
				requestAnimationFrame(() => {
					seen[name] = Date.now();
				});
			}
		}
		if (Object.keys(seen).length === Object.keys(selectors).length) {
			clearInterval(timer);
		}
	}, 4);
}

interface Times {
	/** Time from the click, in ms. */
	readonly table: number;
	readonly verdicts: number;
	/** Time from the choice of a layer to its first plot, in ms: the first layer, then another. */
	readonly plots: readonly [first: number, next: number];
	/** Share of the processors that other programs used just before, 0 to 1. */
	readonly busy: number;
}

async function measure(): Promise<Times> {
	const workbench = await Workbench.start({ 'mobilenet_v2.onnx': mobileNetV2() });
	try {
		const { page } = workbench;
		// VS Code starts the extension early in a folder with models. It finds them with ripgrep, which this VS Code lacks.
		await workbench.command('BatchNorm Lens: Show Log');
		await page.context().addInitScript(watch, { table: at('layer-row'), verdicts: at('run', '[data-status="ok"]') });
		await page.waitForTimeout(SETTLE);
		const busy = await busyShare(() => page.waitForTimeout(1000));
		const start = await workbench.click('mobilenet_v2.onnx');
		const frame = await workbench.model(at('run', '[data-status="ok"]'), 30_000);
		const seen = await frame.waitForFunction(() => {
			const { seen } = window as unknown as { seen: Record<string, number> };
			return seen.table && seen.verdicts ? seen : undefined;
		});
		const { table, verdicts } = (await seen.jsonValue()) ?? {};
		// The page loads the plotting library when it is idle.
		await page.waitForTimeout(IDLE);
		const plots = [await firstPlot(frame, 3), await firstPlot(frame, 4)] as const;
		return { table: table - start, verdicts: verdicts - start, plots, busy };
	} finally {
		await workbench.stop();
	}
}

/** Chooses a layer and returns the time to its first plot, in ms, measured inside the page. */
function firstPlot(frame: Frame, layer: number): Promise<number> {
	return frame.evaluate(
		([row, plot]) =>
			new Promise<number>((resolve) => {
				const start = performance.now();
				document.querySelector<HTMLElement>(row)?.click();
				// The plots of the layer before are marked as not drawn in the same task.
				const wait = () =>
					document.querySelector(plot) ? resolve(Math.round(performance.now() - start)) : requestAnimationFrame(wait);
				requestAnimationFrame(wait);
			}),
		[at('layer-row', `[data-layer="${layer}"]`), at('plot', '[data-drawn="true"]')] as const,
	);
}

/** Returns the share of processor time that was used during `wait`, 0 to 1. */
async function busyShare(wait: () => Promise<void>): Promise<number> {
	const read = () => cpus().flatMap(({ times }) => [times.idle, times.user + times.nice + times.sys + times.irq]);
	const before = read();
	await wait();
	const spent = read().map((time, index) => time - before[index]);
	const idle = spent.filter((_, index) => index % 2 === 0).reduce((a, b) => a + b);
	return 1 - idle / spent.reduce((a, b) => a + b);
}

test('speed: a 14 MB model shows its table within a second of the click, its verdicts within three', async (context) => {
	const all: Times[] = [];
	for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
		const times = await measure();
		const { table, verdicts, plots, busy } = times;
		console.log(
			`From the click: table after ${table} ms (goal ${TABLE_GOAL}), verdicts after ${verdicts} ms (goal ${VERDICTS_GOAL}), first plot of the first layer after ${plots[0]} ms (goal ${PLOT_GOALS[0]}) and of the next after ${plots[1]} ms (goal ${PLOT_GOALS[1]}); other programs took ${(busy * 100).toFixed()} %`,
		);
		all.push(times);
		if (table < TABLE_LIMIT && verdicts < VERDICTS_LIMIT) {
			return;
		}
	}
	if (all.every(({ busy }) => busy > BUSY_LIMIT)) {
		context.skip('not judged: other programs took too much of the machine');
		return;
	}
	assert.fail(`Limits are ${TABLE_LIMIT} ms for the table and ${VERDICTS_LIMIT} ms for the verdicts.`);
});
