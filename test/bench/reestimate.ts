/**
 * Measures the cost of collecting population statistics over running the model alone on the same batches, and the memory
 * that more batches take. Both contestants are loaded before, read the same file, and take turns.
 */
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { encode } from 'fast-png';
import { ImageThreads } from '../../src/engine/child/inputs/image-threads.js';
import { readAhead } from '../../src/engine/child/inputs/read-ahead.js';
import { openSamples, type Samples } from '../../src/engine/child/inputs/sample-batches.js';
import { openModel } from '../../src/engine/child/model/opened-model.js';
import { requiredInputs } from '../../src/engine/child/model/required-inputs.js';
import { collectByBatch } from '../../src/engine/child/reestimate/collect.js';
import { BatchMeasure } from '../../src/engine/child/reestimate/measure-batch.js';
import { StagedRun } from '../../src/engine/child/reestimate/staged-run.js';
import { planStages } from '../../src/engine/child/reestimate/stages.js';
import { loadRuntime, type OptimizationLevel, type Runtime } from '../../src/engine/child/runtime/runtime.js';
import { encodeNpy } from '../../src/engine/child/tensors/npy.js';
import { type Random, seededRandom } from '../../src/engine/child/tensors/random.js';
import { createKernel } from '../../src/kernel/index.js';
import { mobileNetV2 } from '../unit/support/networks.js';
import { root } from '../workbench/paths.mjs';

const [SAMPLES, BATCH, ROUNDS] = [64, 16, 3];
/** Number of image files, and of different images. */
const [IMAGES, PICTURES] = [128, 16];
/** Number of image files and batch of a whole job: a third of 10,000 images, for one of three workers. */
const [JOB_IMAGES, JOB_BATCH] = [3328, 32];

export interface ReestimateCost {
	/** Median of the ratios to running the model alone, as the runtime optimizes it by default. */
	readonly overRunning: number;
	/** The same in processor time of the whole process, on which other programs have less influence. */
	readonly processorOverRunning: number;
	/** The same for a runtime that computes every operator as written. */
	readonly overRunningUnoptimized: number;
	/** As `overRunning`, with images in PNG files, which both read ahead and decode. */
	readonly overRunningFromImages: number;
	/** The same in processor time. */
	readonly processorOverRunningFromImages: number;
	readonly imagesPerSecond: number;
	/**
	 * Time of a whole `reestimate --statistics-only`, from the start of its process to its end, over a loop that loads the
	 * model, and reads and runs one batch after the other.
	 */
	readonly jobOverLoop: number;
	/** The same over a loop that reads images ahead in threads, as the job does. */
	readonly jobOverLoopAhead: number;
	readonly jobImagesPerSecond: number;
	/** Memory of the process after all rounds, less that after the first, in MB. */
	readonly growthMb: number;
}

export async function benchReestimate(): Promise<ReestimateCost> {
	const folder = mkdtempSync(path.join(tmpdir(), 'bnl-bench-'));
	const runtime = loadRuntime();
	try {
		const [file, data] = [path.join(folder, 'm.onnx'), path.join(folder, 'x.npy')];
		writeFileSync(file, mobileNetV2());
		const random = seededRandom(1);
		const values = Float32Array.from({ length: SAMPLES * 3 * 224 * 224 }, () => random.normal());
		writeFileSync(data, encodeNpy({ type: 'float32', shape: [SAMPLES, 3, 224, 224], data: values }));
		const images = path.join(folder, 'images');
		mkdirSync(images);
		const pictures = Array.from({ length: PICTURES }, () => blockyImage(random));
		for (let index = 0; index < IMAGES; index++) {
			writeFileSync(path.join(images, `${index}.png`), pictures[index % PICTURES]);
		}
		const costs = { ...(await measure(file, data, runtime)), ...(await measureFromImages(file, images, runtime)) };
		for (let index = IMAGES; index < JOB_IMAGES; index++) {
			linkSync(path.join(images, `${index % IMAGES}.png`), path.join(images, `${index}.png`));
		}
		return { ...costs, ...(await measureJob(file, images, runtime)) };
	} finally {
		rmSync(folder, { recursive: true });
	}
}

/** Returns a PNG of squares with noise, which is as large and as slow to decode as a photograph. */
function blockyImage(random: Random): Uint8Array {
	const [size, square] = [224, 28];
	const colors = Array.from({ length: (size / square) ** 2 * 3 }, () => 128 + 60 * random.normal());
	const data = Uint8Array.from({ length: size * size * 3 }, (_, at) => {
		const [row, column, color] = [Math.floor(at / 3 / size), Math.floor(at / 3) % size, at % 3];
		const place = Math.floor(row / square) * (size / square) + Math.floor(column / square);
		return Math.min(255, Math.max(0, Math.round(colors[place * 3 + color] + 6 * random.normal())));
	});
	return encode({ width: size, height: size, channels: 3, depth: 8, data });
}

/** Both contestants on the same samples, without loading: the collection of statistics, and the model alone. */
async function contestants(file: string, runtime: Runtime, files: readonly string[], batch: number) {
	const threads = new ImageThreads(path.join(root, 'dist', 'engine', 'image-thread.js'));
	const model = await openModel({ path: file });
	const layers = [...model.layers.keys()];
	const run = new StagedRun(model, planStages(model, layers), { runtime, kernel: await createKernel() });
	const inputs = files.map((path) => ({ input: undefined, path }));
	const samples = await openSamples(requiredInputs(model.model), { files: inputs, batch, threads });
	const measure = new BatchMeasure({ run, model, layers }, path.join(path.dirname(file), 'scratch'));
	return {
		samples,
		collect: () => collectByBatch(samples, { run, model, layers, onProgress: () => {} }, measure),
		dispose: () => Promise.all([measure.dispose(), run.dispose(), model.close(), threads.close()]),
	};
}

async function measure(file: string, data: string, runtime: Runtime) {
	const { samples, collect, dispose } = await contestants(file, runtime, [data], BATCH);
	const [optimized, written] = [await alone(file, runtime, 'all'), await alone(file, runtime, 'disabled')];
	const rounds: { ours: Times; optimized: Times; written: Times }[] = [];
	let first = 0;
	for (let round = 0; round <= ROUNDS; round++) {
		const times = {
			ours: await timeOf(collect),
			optimized: await timeOf(() => optimized.run(samples)),
			written: await timeOf(() => written.run(samples)),
		};
		if (round === 0) {
			first = process.memoryUsage.rss();
		} else {
			rounds.push(times);
		}
	}
	const growth = process.memoryUsage.rss() - first;
	await Promise.all([dispose(), optimized.release(), written.release()]);
	return {
		overRunning: median(rounds, ({ ours, optimized: other }) => ours.clock / other.clock),
		processorOverRunning: median(rounds, ({ ours, optimized: other }) => ours.processor / other.processor),
		overRunningUnoptimized: median(rounds, ({ ours, written: other }) => ours.clock / other.clock),
		imagesPerSecond: (SAMPLES * 1000) / median(rounds, ({ ours }) => ours.clock),
		growthMb: growth / 2 ** 20,
	};
}

async function measureFromImages(file: string, folder: string, runtime: Runtime) {
	const { samples, collect, dispose } = await contestants(file, runtime, [folder], BATCH);
	const optimized = await alone(file, runtime, 'all');
	const rounds: { ours: Times; other: Times }[] = [];
	await collect();
	for (let round = 0; round < ROUNDS; round++) {
		rounds.push({ ours: await timeOf(collect), other: await timeOf(() => optimized.run(samples)) });
	}
	await Promise.all([dispose(), optimized.release()]);
	return {
		overRunningFromImages: median(rounds, ({ ours, other }) => ours.clock / other.clock),
		processorOverRunningFromImages: median(rounds, ({ ours, other }) => ours.processor / other.processor),
	};
}

async function measureJob(file: string, folder: string, runtime: Runtime) {
	const words = ['--input', folder, '--batch', String(JOB_BATCH), '--statistics-only', '-o', `${file}.json`];
	const command = [path.join(root, 'dist', 'cli.js'), 'reestimate', file, ...words];
	const job = await timeOf(async () => execFileSync(process.execPath, command, { stdio: 'ignore' }));
	const loop = await timeOf(() => readAndRun(file, folder, runtime));
	const threads = new ImageThreads(path.join(root, 'dist', 'engine', 'image-thread.js'));
	const ahead = await timeOf(() => readAndRun(file, folder, runtime, threads));
	threads.close();
	return {
		jobOverLoop: job.clock / loop.clock,
		jobOverLoopAhead: job.clock / ahead.clock,
		jobImagesPerSecond: (JOB_IMAGES * 1000) / job.clock,
	};
}

/** Loads the model, and reads and runs all images. @param threads read the next batch during a run */
async function readAndRun(file: string, folder: string, runtime: Runtime, threads?: ImageThreads): Promise<void> {
	const model = await openModel({ path: file });
	const inputs = [{ input: undefined, path: folder }];
	const samples = await openSamples(requiredInputs(model.model), { files: inputs, batch: JOB_BATCH, threads });
	const session = await runtime.createSession(readFileSync(file), { levels: ['all'] });
	for await (const { parts } of threads ? readAhead(samples.read()) : samples.read()) {
		for (const part of parts) {
			await session.run(part, [session.outputs[0].name]);
		}
	}
	await Promise.all([session.release(), model.close()]);
}

function median<T>(rounds: readonly T[], of: (round: T) => number): number {
	return rounds.map(of).sort((a, b) => a - b)[rounds.length >> 1];
}

/** In ms. */
interface Times {
	readonly clock: number;
	/** Of all threads together. */
	readonly processor: number;
}

async function timeOf(work: () => Promise<unknown>): Promise<Times> {
	const [start, before] = [performance.now(), process.cpuUsage()];
	await work();
	const { user, system } = process.cpuUsage(before);
	return { clock: performance.now() - start, processor: (user + system) / 1000 };
}

/** Runs the model alone on all batches. Its threads sleep between runs as ours do, to take nothing from the other contestants. */
async function alone(file: string, runtime: Runtime, level: OptimizationLevel) {
	const session = await runtime.createSession(readFileSync(file), { levels: [level], sleeps: true });
	return {
		async run(samples: Samples) {
			for await (const { parts } of readAhead(samples.read())) {
				for (const part of parts) {
					await session.run(part, [session.outputs[0].name]);
				}
			}
		},
		release: () => session.release(),
	};
}
