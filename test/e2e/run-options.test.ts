import assert from 'node:assert/strict';
import type { Frame } from 'playwright-core';
import { encodeNpy } from '../../src/engine/child/tensors/npy.js';
import { wronglyFusedNetwork } from '../unit/support/networks.js';
import { smallModel } from '../unit/support/small-model.js';
import { at, scenario, text, type Workbench } from './support.js';

const OK = at('run', '[data-status="ok"]');
const field = (frame: Frame, name: string) => frame.locator(at('form-field', `[data-field="${name}"]`));

/** Waits until the page names these inputs of the run. */
async function ranOn(frame: Frame, words: string): Promise<void> {
	await frame.locator(OK).filter({ hasText: words }).waitFor();
}

/** Five images of the small model. */
const images = () =>
	encodeNpy({ type: 'float32', shape: [5, 3, 8, 8], data: new Float32Array(5 * 3 * 8 * 8).map((_, i) => Math.cos(i)) });

async function openForm(workbench: Workbench): Promise<Frame> {
	const frame = await workbench.open('small.onnx', OK);
	if ((await frame.locator(at('run-options')).getAttribute('aria-expanded')) !== 'true') {
		await frame.locator(at('run-options')).click();
	}
	return frame;
}

scenario('run options', {
	files: () => ({ 'small.onnx': smallModel(), 'images.npy': images(), 'wrong.onnx': wronglyFusedNetwork() }),
	steps: {
		'what is said in the form is how the model is run': async (workbench) => {
			const frame = await openForm(workbench);
			await field(frame, 'batch').fill('3');
			await field(frame, 'seed').fill('11');
			await field(frame, 'random').selectOption('uniform');
			await field(frame, 'seed').press('Enter');
			await ranOn(frame, 'x float32 [3, 3, 8, 8], random uniform, seed 11');
		},
		'it is remembered when the model is opened again': async (workbench) => {
			await workbench.command('View: Close Editor');
			const frame = await openForm(workbench);
			await ranOn(frame, 'random uniform, seed 11');
			assert.equal(await field(frame, 'batch').inputValue(), '3');
			assert.equal(await field(frame, 'random').inputValue(), 'uniform');
		},
		'files are chosen in a dialog and fed when it is applied': async (workbench) => {
			const frame = await workbench.model(at('run-form'));
			await frame.locator(at('choose-files', '[data-from="files"]')).click();
			await workbench.page.locator('.quick-input-widget .monaco-list-row').filter({ hasText: 'images.npy' }).click();
			await frame.locator(at('form-input')).filter({ hasText: 'images.npy' }).waitFor();
			await frame.locator(at('form-run')).click();
			await ranOn(frame, 'x float32 [5, 3, 8, 8]');
			assert.match(await text(frame.locator(at('run'))), /images\.npy/);
		},
		'and given up again for random values': async (workbench) => {
			const frame = await workbench.model(at('run-form'));
			await frame.locator(at('choose-files', '[data-from="random"]')).click();
			await frame.locator(at('form-input')).filter({ hasText: 'random values' }).waitFor();
			await frame.locator(at('run-again')).click();
			await ranOn(frame, 'x float32 [3, 3, 8, 8], random uniform');
		},
		'a wrong fusion of the runtime is told on the layer that it spoils': async (workbench) => {
			const frame = await workbench.open('wrong.onnx', at('badge', '[data-code="runtime-fusion-mismatch"]'));
			assert.match(await text(frame.locator(at('badge', '[data-code="runtime-fusion-mismatch"]'))), /^wrong fusion/);
			await frame.locator(at('layer-row')).first().click();
			const finding = frame.locator(at('finding', '[data-code="runtime-fusion-mismatch"]'));
			assert.match(await text(finding), /switch off MatMul_BatchNormalization_Fusion/);
		},
	},
});

scenario('restricted', {
	files: () => ({ 'small.onnx': smallModel() }),
	settings: { 'security.workspace.trust.enabled': true, 'security.workspace.trust.startupPrompt': 'never' },
	steps: {
		'the model is not run, and the page leads to where trust is given': async (workbench) => {
			const frame = await workbench.open('small.onnx', at('run', '[data-status="skipped"]'));
			assert.match(await text(frame.locator(at('run'))), /not trusted/);
			assert.equal(await frame.locator(at('layer-row')).count(), 1);
			assert.equal(await frame.locator(at('run-again')).isVisible(), false);
			await frame.locator(at('trust')).click();
			await workbench.page.locator('.workspace-trust-editor').waitFor();
			assert.deepEqual(workbench.engines(), []);
		},
		'with trust it runs': async (workbench) => {
			await workbench.page
				.locator('.workspace-trust-editor')
				.getByRole('button', { name: 'Trust', exact: true })
				.click();
			await workbench.page.locator('.tab').filter({ hasText: 'small.onnx' }).click();
			const frame = await workbench.model(OK);
			assert.equal(await frame.locator(at('trust')).isVisible(), false);
			assert.equal(await frame.locator(at('run-again')).isVisible(), true);
		},
	},
});
