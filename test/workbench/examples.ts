import { cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { MIME_TYPE } from '../../src/protocol/host-notebook.js';
import { mobileNetV2, unhealthyNetwork } from '../unit/support/networks.js';
import { root } from './paths.mjs';

/** Layers as a framework would hand them over. */
const LAYERS = [
	{
		name: 'stem.bn',
		gamma: [1, 0.9, 1.1, 0.8],
		beta: [0, 0.1, -0.2, 0],
		mean: [0.1, -0.3, 0.2, 0],
		variance: [1, 0.8, 1.3, 0.9],
		epsilon: 1e-5,
	},
	{
		name: 'block.bn',
		gamma: [1, 0, 0.7],
		beta: [0, 0, 0.1],
		mean: [0.2, 0.1, 0],
		variance: [0.5, 2, 1e-9],
		epsilon: 1e-5,
	},
];

/** Fills a folder with models to try the extension on, and a notebook with a saved output. */
export async function writeExamples(folder: string): Promise<void> {
	await mkdir(folder, { recursive: true });
	const fixtures = path.join(root, 'test', 'fixtures', 'models');
	for (const name of (await readdir(fixtures)).filter((file) => file.endsWith('.onnx'))) {
		await cp(path.join(fixtures, name), path.join(folder, name));
	}
	await writeFile(path.join(folder, 'mobilenet_v2.onnx'), mobileNetV2());
	await writeFile(path.join(folder, 'unhealthy.onnx'), unhealthyNetwork());
	await writeFile(path.join(folder, 'notebook.ipynb'), notebook({ kind: 'parameters', layers: LAYERS }));
}

/** A notebook whose only cell was run elsewhere and left `payload` as its output. */
export function notebook(payload: unknown): string {
	const output = {
		output_type: 'display_data',
		metadata: {},
		data: { [MIME_TYPE]: payload, 'text/plain': ['BatchNorm Lens is not installed.'] },
	};
	const cell = {
		cell_type: 'code',
		execution_count: 1,
		id: 'a',
		metadata: {},
		source: ['check(model)'],
		outputs: [output],
	};
	const metadata = { kernelspec: { name: 'python3', display_name: 'Python 3', language: 'python' } };
	return JSON.stringify({ cells: [cell], metadata, nbformat: 4, nbformat_minor: 5 });
}
