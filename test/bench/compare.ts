import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { compareModels } from '../../src/core/folding/compare/compare.js';
import { readModel } from '../../src/core/onnx/read/reader.js';
import { EngineClient } from '../../src/engine/client.js';
import { openFile } from '../../src/platform/file-source.js';
import { foldedModel } from '../unit/support/folded.js';
import { resNet50 } from '../unit/support/networks.js';

/** Attempts. The fastest counts, because other load only adds time. The files are in the page cache. */
const REPEATS = 5;

/** Prints the time of a plain create and first run of each file, in ms. */
const PLAIN = `
const ort = require('onnxruntime-node');
const [, ...files] = process.argv;
(async () => {
	const x = new ort.Tensor('float32', new Float32Array(3 * 224 * 224).fill(0.5), [1, 3, 224, 224]);
	const start = performance.now();
	for (const file of files) {
		const session = await ort.InferenceSession.create(file);
		await session.run({ input: x });
		await session.release();
	}
	console.log(performance.now() - start);
})();`;

export interface CompareCost {
	/** Time to open both files, 102 MB each, and to compare all 53 layers without a run, in ms. */
	readonly resnet50Ms: number;
	/** That time over the time to read both files. */
	readonly overReadingBothFiles: number;
	/** Time to compare parameters and values of both models, over the time to load and run them plainly. */
	readonly valuesOverRunning: number;
}

export async function benchCompare(): Promise<CompareCost> {
	const folder = await mkdtemp(path.join(tmpdir(), 'bench-compare-'));
	try {
		const [original, deployed] = ['original.onnx', 'deployed.onnx'].map((name) => path.join(folder, name)) as [
			string,
			string,
		];
		const bytes = resNet50();
		await writeFile(original, bytes);
		await writeFile(deployed, await foldedModel(bytes));
		const comparing: number[] = [];
		const reading: number[] = [];
		// Takes turns, so that other load slows both alike.
		for (let repeat = 0; repeat < REPEATS; repeat++) {
			comparing.push(await timed(() => compareFiles(original, deployed)));
			reading.push(await timed(() => Promise.all([readFile(original), readFile(deployed)])));
		}
		const resnet50Ms = Math.min(...comparing);
		return {
			resnet50Ms,
			overReadingBothFiles: resnet50Ms / Math.min(...reading),
			valuesOverRunning: await valuesOverRunning(original, deployed),
		};
	} finally {
		await rm(folder, { recursive: true });
	}
}

/** Returns the smallest ratio of pairs of runs that take turns, each in a process of its own. */
async function valuesOverRunning(original: string, deployed: string): Promise<number> {
	const client = new EngineClient({ entry: path.resolve('dist', 'engine', 'main.js') });
	const env = { ...process.env, ORT_DISABLE_TELEMETRY: '1' };
	try {
		const ratios: number[] = [];
		for (let repeat = 0; repeat < REPEATS; repeat++) {
			const plain = Number(execFileSync(process.execPath, ['-e', PLAIN, original, deployed], { env }));
			const comparing = await timed(async () => {
				const { outputs } = await client.compare(
					{ original: { path: original }, deployed: { path: deployed } },
					{ run: true, batch: 1, seed: 0 },
				);
				if (outputs?.status !== 'match') {
					throw new Error(`The outputs do not match: ${outputs?.status}.`);
				}
			});
			ratios.push(comparing / plain);
		}
		return Math.min(...ratios);
	} finally {
		client.dispose();
	}
}

async function timed(work: () => Promise<unknown>): Promise<number> {
	const start = performance.now();
	await work();
	return performance.now() - start;
}

async function compareFiles(original: string, deployed: string): Promise<void> {
	const sources = await Promise.all([openFile(original), openFile(deployed)]);
	try {
		const [a, b] = sources;
		const { summary } = await compareModels(
			{ model: await readModel(a), access: { source: a } },
			{ model: await readModel(b), access: { source: b } },
		);
		if (summary.match !== 53) {
			throw new Error(`Only ${summary.match} of 53 layers match.`);
		}
	} finally {
		await Promise.all(sources.map((source) => source.close()));
	}
}
