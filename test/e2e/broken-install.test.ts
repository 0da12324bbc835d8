import assert from 'node:assert/strict';
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { smallModel } from '../unit/support/small-model.js';
import { at, scenario, text } from './support.js';

/** The folder with the runtime's binaries for this platform. */
const binaries = (extension: string) => path.join(extension, 'dist', 'bin', 'napi-v6', process.platform, process.arch);

for (const [name, damage, expected] of [
	[
		'a library that is missing',
		async (extension: string) => {
			const [library] = (await readdir(binaries(extension))).filter((file) => !file.endsWith('.node'));
			await rm(path.join(binaries(extension), library));
		},
		/onnxruntime-node could not be loaded on .*: .*libonnxruntime.*; the model was not run/,
	],
	[
		'a platform without binaries',
		(extension: string) => rm(binaries(extension), { recursive: true }),
		/onnxruntime-node has no library for \S+ in this installation/,
	],
] as const) {
	scenario(`broken install, ${name}`, {
		files: () => ({ 'good.onnx': smallModel() }),
		damage,
		steps: {
			'the page has the structure, and a sentence why it was not run': async (workbench) => {
				await workbench.open('good.onnx');
				const frame = await workbench.model(at('run', '[data-status="failed"]'));
				const message = await text(frame.locator(at('run')));
				assert.match(message, expected);
				assert.doesNotMatch(message, /\bat .*:\d+:\d+|undefined|\[object/);
				assert.equal(await frame.locator(at('layer-row')).count(), 1);
				assert.deepEqual(workbench.engines(), []);
			},
		},
	});
}
