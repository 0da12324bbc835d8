import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Frame } from 'playwright-core';
import { smallModel } from '../unit/support/small-model.js';
import { notebook } from '../workbench/examples/notebooks.js';
import { installedFolder } from '../workbench/installed.mjs';
import { at, scenario, type Workbench } from './support.js';

const command = path.join(await installedFolder(), 'dist', 'cli.js');

/** A report as the command line prints it. */
function report(): unknown {
	const folder = mkdtempSync(path.join(tmpdir(), 'batchnorm-lens-e2e-'));
	try {
		const model = path.join(folder, 'small.onnx');
		writeFileSync(model, smallModel());
		return JSON.parse(execFileSync(process.execPath, [command, 'inspect', model, '--json']).toString());
	} finally {
		rmSync(folder, { recursive: true });
	}
}

/** Parameters as a framework holds them: one layer with a dead channel and a number that JSON cannot hold. */
const parameters = {
	kind: 'parameters',
	layers: [
		{
			name: 'features.bn1',
			gamma: [1, 0.5, 0],
			beta: [0, 0, 0],
			mean: [0.1, 0.2, 0.3],
			variance: [1, 2, 3],
			epsilon: 1e-5,
		},
		{ name: 'features.bn2', gamma: [1, 'NaN'], beta: [0, 1], mean: [0, 0], variance: [1, 1], epsilon: 1e-3 },
	],
};

async function drawnLayer(frame: Frame): Promise<number> {
	await frame.locator(at('layer-row')).first().click();
	await frame.locator(at('plot', '[data-plot="gamma-beta"][data-drawn="true"]')).waitFor();
	return frame.locator(`${at('plot')} .main-svg`).count();
}

async function openOutput(workbench: Workbench, name: string): Promise<Frame> {
	const frame = await workbench.open(name, at('layer-row'));
	assert.equal(await frame.getByText('BatchNorm Lens is not installed.').count(), 0);
	return frame;
}

scenario('a saved notebook, without a kernel', {
	files: () => ({
		'report.ipynb': notebook({ kind: 'report', report: report() }),
		'parameters.ipynb': notebook(parameters),
	}),
	steps: {
		'draws a report': async (workbench) => {
			const frame = await openOutput(workbench, 'report.ipynb');
			assert.equal(await frame.locator(at('layer-row')).count(), 1);
			assert.equal(await frame.locator(`${at('layer-row')} ${at('verdict', '[data-status="match"]')}`).count(), 1);
			assert.ok((await drawnLayer(frame)) > 0);
		},
		'draws the parameters of layers, with what follows from them': async (workbench) => {
			await workbench.command('View: Close Editor');
			const frame = await openOutput(workbench, 'parameters.ipynb');
			assert.equal(await frame.locator(at('layer-row')).count(), 2);
			assert.ok((await frame.locator(at('badge', '[data-code="dead-channel"]')).count()) > 0);
			assert.ok((await frame.locator(at('badge', '[data-code="non-finite"]')).count()) > 0);
			assert.ok((await drawnLayer(frame)) > 0);
		},
	},
});
