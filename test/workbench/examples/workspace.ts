import { execFile } from 'node:child_process';
import { copyFile, cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { encodeNpy } from '../../../src/engine/child/tensors/npy.js';
import { seededRandom } from '../../../src/engine/child/tensors/random.js';
import { openFixture } from '../../unit/support/fixtures.js';
import { foldedModel } from '../../unit/support/folded.js';
import { buildModel } from '../../unit/support/model-builder.js';
import { mobileNetV2, unhealthyNetwork, wronglyFusedNetwork } from '../../unit/support/networks.js';
import { quantized } from '../../unit/support/quantized-forms.js';
import { specOf } from '../../unit/support/respec.js';
import { root } from '../paths.mjs';
import { exampleNotebook } from './notebooks.js';

/** Index of the layer of mobilenet_v2.onnx whose gamma the wrong fold drops. */
export const WRONG_LAYER = 20;
const WRONG_EPSILON = 1e-3;

/** Shape of the data that do not fit plain_cnn.onnx: enough images to say later that new statistics fit them. */
const SHIFTED_SHAPE = [192, 3, 32, 32];

/** Layers in the form of a framework: a healthy one, and one with a pruned channel and a collapsed variance. */
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

/**
 * Fills a folder with example models, a notebook with outputs, and a README with a tour.
 * @param cli path of the built command line, which makes the notebook's outputs.
 */
export async function writeExamples(folder: string, cli: string): Promise<void> {
	await mkdir(path.join(folder, 'pytorch'), { recursive: true });
	const file = (name: string) => path.join(folder, name);
	const healthy = mobileNetV2();
	await writeFile(file('mobilenet_v2.onnx'), healthy);
	await writeFile(file('mobilenet_v2.folded.onnx'), await foldedModel(healthy));
	await writeFile(file('mobilenet_v2.deployed.onnx'), await foldedModel(mobileNetV2(224, WRONG_LAYER)));
	await writeFile(file('unhealthy.onnx'), unhealthyNetwork());
	await writeFile(file('wrong-fusion.onnx'), wronglyFusedNetwork());
	await copyPyTorchModels(file('pytorch'));
	await writeInt8Model(file('pytorch'));
	await writeFile(path.join(file('pytorch'), 'plain_cnn.shifted.npy'), shiftedData());
	await writeCheckpoint(file('checkpoint'));
	await copyFile(path.join(root, 'test', 'workbench', 'examples', 'README.md'), file('README.md'));
	await writeFile(file('notebook.ipynb'), await writeNotebook(folder, cli));
}

/** Writes a checkpoint, its export with all layers folded, and an export whose second layer has another epsilon. */
async function writeCheckpoint(folder: string): Promise<void> {
	const fixtures = path.join(root, 'test', 'fixtures', 'checkpoints');
	const kept = await readFile(path.join(fixtures, 'plain_cnn.kept.onnx'));
	await mkdir(folder, { recursive: true });
	await cp(path.join(fixtures, 'plain_cnn.full.pt'), path.join(folder, 'net.pt'));
	await writeFile(path.join(folder, 'net.onnx'), await foldedModel(kept));
	await writeFile(path.join(folder, 'net.wrong.onnx'), await foldedModel(kept, { 1: WRONG_EPSILON }));
}

/** Copies the models with their folds by PyTorch and the inputs of their export. */
async function copyPyTorchModels(folder: string): Promise<void> {
	const fixtures = path.join(root, 'test', 'fixtures', 'models');
	for (const name of (await readdir(fixtures)).filter((file) => /\.(onnx|npy)$/.test(file))) {
		await cp(path.join(fixtures, name), path.join(folder, name));
	}
}

/** Writes the folded plain_cnn.onnx as a quantizer of weights leaves it. */
async function writeInt8Model(folder: string): Promise<void> {
	const folded = await specOf(await openFixture('plain_cnn.folded.onnx'));
	await writeFile(
		path.join(folder, 'plain_cnn.int8.onnx'),
		buildModel(quantized(folded, 'dynamic', { perChannel: false })),
	);
}

/** Returns images whose pixels are brighter and vary more than those that plain_cnn.onnx was trained on. */
function shiftedData(): Uint8Array {
	const { normal } = seededRandom(7);
	const data = Float32Array.from({ length: SHIFTED_SHAPE.reduce((a, b) => a * b, 1) }, () => 1.5 + 2 * normal());
	return encodeNpy({ type: 'float32', shape: SHIFTED_SHAPE, data });
}

async function writeNotebook(folder: string, cli: string): Promise<string> {
	const run = async (...args: readonly string[]): Promise<unknown> => {
		// A finding makes the command exit with 1, and its output is still valid.
		const { stdout } = await promisify(execFile)(process.execPath, [cli, ...args, '--json'], {
			cwd: folder,
			maxBuffer: 1 << 28,
		}).catch((error) => (error.code === 1 && error.stdout !== '' ? error : Promise.reject(error)));
		return JSON.parse(stdout);
	};
	const report = await run('inspect', 'unhealthy.onnx');
	const comparison = await run('compare', 'mobilenet_v2.onnx', 'mobilenet_v2.deployed.onnx');
	return exampleNotebook([
		{
			text: '# BatchNorm in a notebook\n\nThese outputs were saved with the notebook: no kernel is needed to see them.\n\nLayers straight from a framework:',
			source: 'show(model)',
			payload: { kind: 'parameters', layers: LAYERS },
		},
		{
			text: 'A report of the command line, `inspect unhealthy.onnx --json`:',
			source: 'report("unhealthy.onnx")',
			payload: { kind: 'report', report },
		},
		{
			text: 'A comparison, `compare mobilenet_v2.onnx mobilenet_v2.deployed.onnx --json`:',
			source: 'compare("mobilenet_v2.onnx", "mobilenet_v2.deployed.onnx")',
			payload: { kind: 'comparison', comparison },
		},
		{
			text: 'A file beside the notebook, which the extension inspects when the output is shown:',
			source: 'inspect("wrong-fusion.onnx")',
			payload: { kind: 'model', path: 'wrong-fusion.onnx' },
		},
	]);
}
