import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { buildModel } from '../unit/support/model-builder.js';
import { smallGraph, smallModel } from '../unit/support/small-model.js';
import { at, scenario, text, type Workbench } from './support.js';

const { nodes = [], ...graph } = smallGraph();
const relu = { op: 'Relu', name: 'relu', inputs: ['c'], outputs: ['y'] };
/** Breaks the operator in front of the layer. An operator behind the layer would only be left out of the run. */
const unknown = { op: 'Frobnicate', name: 'unknown', inputs: ['x'], outputs: ['c'] };

/** Matches one sentence that names the file, without a stack trace. */
function assertSentence(message: string, name: string): void {
	assert.ok(message.includes(name), `no file name in: ${message}`);
	assert.ok(message.length < 400, `too long: ${message}`);
	assert.doesNotMatch(message, /\bat .*:\d+:\d+|undefined|\[object/);
}

function failureOf(name: string, expected: RegExp) {
	return async (workbench: Workbench): Promise<void> => {
		const frame = await workbench.open(name, at('failure'));
		const message = await text(frame.locator(`${at('failure')} p`));
		assertSentence(message, name);
		assert.match(message, expected);
		assert.equal(await frame.locator(at('layer-row')).count(), 0);
		await workbench.command('View: Close Editor');
	};
}

scenario('broken files', {
	files: () => ({
		'text.onnx': 'This is a text, not a model.\n'.repeat(20),
		'empty.onnx': '',
		'truncated.onnx': smallModel().subarray(0, 200),
		'no-bn.onnx': buildModel({ graph: { ...graph, nodes: [...nodes.slice(0, 1), relu] } }),
		'refused.onnx': buildModel({ graph: { ...graph, nodes: [unknown, ...nodes.slice(1)] } }),
		'deleted.onnx': smallModel(),
		'good.onnx': smallModel(),
		'folder.onnx': null,
	}),
	steps: {
		'not a model': failureOf('text.onnx', /not an ONNX model/i),
		'an empty file': failureOf('empty.onnx', /empty/i),
		'a truncated model': failureOf('truncated.onnx', /truncated|ends/i),
		'a model without BatchNormalization': async (workbench) => {
			const frame = await workbench.open('no-bn.onnx', at('empty'));
			assert.match(await text(frame.locator(at('empty'))), /No BatchNormalization/);
		},
		'a model that the runtime refuses keeps its table': async (workbench) => {
			const frame = await workbench.open('refused.onnx', at('run', '[data-status="failed"]'));
			const message = await text(frame.locator(at('run')));
			assertSentence(message, 'Frobnicate');
			assert.equal(await frame.locator(at('layer-row')).count(), 1);
		},
		'a file deleted while it is open keeps its page below a banner': async (workbench) => {
			const frame = await workbench.open('deleted.onnx', at('run', '[data-status="ok"]'));
			await rm(workbench.file('deleted.onnx'));
			await frame.locator(at('banner')).waitFor();
			assertSentence(await text(frame.locator(at('banner'))), 'deleted.onnx');
			assert.equal(await frame.locator(at('layer-row')).count(), 1);
		},
		'a folder with the name of a model is not offered': async (workbench) => {
			assert.ok(!(await workbench.contextMenu('folder.onnx')).includes('Inspect Model…'));
			await workbench.page.keyboard.press('Escape');
		},
		'after all that a good model opens': async (workbench) => {
			const frame = await workbench.open('good.onnx', at('run', '[data-status="ok"]'));
			assert.equal((await frame.locator(at('verdict', '[data-status="match"]')).count()) > 0, true);
		},
	},
});
