import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { mobileNetV2 } from '../unit/support/networks.js';
import { smallModel } from '../unit/support/small-model.js';
import { at, scenario, text, type Workbench } from './support.js';

const OK = at('run', '[data-status="ok"]');
const FAILED = at('run', '[data-status="failed"]');
const LONG = 60_000;

/** Expects one sentence that explains the failure, and the complete structure of the file below it. */
async function assertFailed(workbench: Workbench, expected: RegExp, layers = 52): Promise<void> {
	const frame = await workbench.model(FAILED, LONG);
	await frame.locator(FAILED).filter({ hasText: expected }).waitFor();
	const message = await text(frame.locator(at('run')));
	assert.doesNotMatch(message, /\bat .*:\d+:\d+|undefined|\[object/);
	assert.equal(await frame.locator(at('layer-row')).count(), layers);
}

async function runAgain(workbench: Workbench): Promise<void> {
	const frame = await workbench.model(at('run-again'));
	await frame.locator(at('run-again')).click();
	await frame.locator(OK).waitFor({ timeout: LONG });
}

/** Ends the running engine with a signal, as the system or a fault of native code would. */
function endedBy(signal: NodeJS.Signals, expected: RegExp) {
	return async (workbench: Workbench): Promise<void> => {
		const frame = await workbench.model(at('run-again'));
		await frame.locator(at('run-again')).click();
		const [pid] = await workbench.untilEngines(1);
		process.kill(pid, signal);
		await assertFailed(workbench, expected);
		assert.deepEqual(workbench.engines(), []);
	};
}

/** Runs in the page: returns the time from the click on the first element until the second is visible, in ms. */
function timeCancel([button, outcome]: readonly [string, string]): Promise<number> {
	return new Promise((resolve) => {
		const start = performance.now();
		const observer = new MutationObserver(() => {
			if (document.querySelector(outcome)) {
				observer.disconnect();
				resolve(performance.now() - start);
			}
		});
		observer.observe(document.body, { subtree: true, childList: true, attributes: true });
		document.querySelector<HTMLElement>(button)?.click();
	});
}

/** Batch of 16 images, so that a run takes seconds. */
const SLOW = { 'batchnormLens.batch': 16 };
/** Time after which such a run is in native code for several seconds more, in ms. */
const UNTIL_NATIVE = 700;

scenario('bad days', {
	files: () => ({ 'mobilenet_v2.onnx': mobileNetV2() }),
	settings: SLOW,
	steps: {
		'a long run is cancelled within half a second': async (workbench) => {
			await workbench.click('mobilenet_v2.onnx');
			const goOn = await workbench.haltEngine();
			const frame = await workbench.model(at('cancel'));
			goOn();
			await workbench.page.waitForTimeout(UNTIL_NATIVE);
			const took = await frame.evaluate(timeCancel, [at('cancel'), at('run', '[data-status="skipped"]')] as const);
			await workbench.untilEngines(0);
			assert.ok(took < 500, `${took} ms`);
		},
		'a crash in native code is a sentence': endedBy('SIGSEGV', /The engine stopped.*memory that is not its own/),
		'an end for lack of memory is a sentence': endedBy('SIGKILL', /The engine stopped.*lack of memory/),
		'the next run works': runAgain,
		'a tab that is closed in mid-run takes its engine along': async (workbench) => {
			const frame = await workbench.model(at('run-again'));
			await frame.locator(at('run-again')).click();
			await workbench.untilEngines(1);
			await workbench.command('View: Close Editor');
			await workbench.untilEngines(0);
		},
		'a file that is replaced in mid-run is read and run anew': async (workbench) => {
			await workbench.click('mobilenet_v2.onnx');
			await workbench.haltEngine();
			await workbench.model(at('cancel'));
			await writeFile(workbench.file('mobilenet_v2.onnx'), smallModel());
			const frame = await workbench.model(at('layer-table', '[aria-rowcount="2"]'), LONG);
			await frame.locator(OK).waitFor({ timeout: LONG });
			assert.equal(await frame.locator(at('verdict', '[data-status="match"]')).first().isVisible(), true);
		},
		'a window that is closed in mid-run takes its engine along': async (workbench) => {
			await writeFile(workbench.file('mobilenet_v2.onnx'), mobileNetV2());
			await workbench.haltEngine();
			await workbench.model(at('cancel'));
			await workbench.page.goto('about:blank');
			await workbench.untilEngines(0, LONG);
			await workbench.load();
		},
	},
});
