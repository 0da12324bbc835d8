import assert from 'node:assert/strict';
import { buildModel } from '../unit/support/model-builder.js';
import { convolutionChain } from '../unit/support/networks.js';
import { smallGraph, smallModel } from '../unit/support/small-model.js';
import { at, scenario, text } from './support.js';

const OK = at('run', '[data-status="ok"]');
const LONG = 100_000;

const NAMES = Array.from({ length: 10 }, (_, index) => `model${index}.onnx`);

scenario('ten models', {
	files: () => Object.fromEntries(NAMES.map((name) => [name, convolutionChain(12, [2, 16, 32, 32])])),
	settings: { 'workbench.editor.enablePreview': false, 'explorer.autoReveal': false },
	steps: {
		'opened at once, two are run at a time and all come through': async (workbench) => {
			// The explorer selects the file of a newly opened tab alone: select the others when the first tab is open.
			await workbench.open('model0.onnx');
			await workbench.row('model9.onnx').click({ modifiers: ['Shift'] });
			await workbench.untilSelected(NAMES.length);
			assert.ok((await workbench.contextMenu('model5.onnx')).includes('Inspect Model…'));
			await workbench.chooseFromMenu('Inspect Model…');
			const tabs = workbench.page.locator('.tab').filter({ hasText: /^model\d\.onnx/ });
			const end = Date.now() + LONG;
			let most = 0;
			for (let quiet = 0; quiet < 50; quiet++) {
				assert.ok(
					Date.now() < end,
					`${await tabs.count()} tabs, ${workbench.engines().length} engines after ${LONG} ms`,
				);
				const { length } = workbench.engines();
				most = Math.max(most, length);
				quiet = length > 0 || (await tabs.count()) < NAMES.length ? 0 : quiet;
				await workbench.page.waitForTimeout(20);
			}
			assert.ok(most > 0 && most <= 2, `${most} engines at a time`);
			for (const name of NAMES) {
				await workbench.page.locator('.tab').filter({ hasText: name }).click();
				const frame = await workbench.model(OK, LONG);
				assert.equal(await frame.locator(at('layer-row')).count(), 12);
			}
		},
	},
});

const { nodes = [], ...graph } = smallGraph();
/** The operator behind the layer requests 3 * 2^40 numbers. */
const endless = [
	...nodes,
	{ op: 'ReduceMean', inputs: ['y'], outputs: ['one'], attributes: { keepdims: { i: 1 } } },
	{ op: 'Expand', inputs: ['one', 'much'], outputs: ['z'] },
];

scenario('memory', {
	files: () => ({
		'endless.onnx': buildModel({
			graph: {
				...graph,
				nodes: endless,
				outputs: ['z'],
				initializers: [
					...(graph.initializers ?? []),
					{ name: 'much', dtype: 'int64', values: [3, 2 ** 20, 2 ** 10, 2 ** 10] },
				],
			},
		}),
		'good.onnx': smallModel(),
	}),
	steps: {
		'a model that asks for more memory than there is says so, and its layers are checked': async (workbench) => {
			const frame = await workbench.open('endless.onnx', OK);
			assert.match(await text(frame.locator(at('run'))), /Failed to allocate memory.*was run without the rest/);
			assert.equal(await frame.locator(at('verdict', '[data-status="match"]')).first().isVisible(), true);
			assert.equal(await frame.locator(at('layer-row')).count(), 1);
			await workbench.untilEngines(0);
		},
		'the next model runs': async (workbench) => {
			await workbench.open('good.onnx', OK);
		},
	},
});
