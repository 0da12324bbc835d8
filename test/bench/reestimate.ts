/**
 * Measures the cost of collecting population statistics over running the model alone on the same batches, and the memory
 * that more batches take. Both contestants are loaded before, read the same file, and take turns.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openSamples, type Samples } from '../../src/engine/child/inputs/sample-batches.js';
import { openModel } from '../../src/engine/child/model/opened-model.js';
import { requiredInputs } from '../../src/engine/child/model/required-inputs.js';
import { collectByBatch } from '../../src/engine/child/reestimate/collect.js';
import { BatchMeasure } from '../../src/engine/child/reestimate/measure-batch.js';
import { StagedRun } from '../../src/engine/child/reestimate/staged-run.js';
import { planStages } from '../../src/engine/child/reestimate/stages.js';
import { loadRuntime, type OptimizationLevel, type Runtime } from '../../src/engine/child/runtime/runtime.js';
import { encodeNpy } from '../../src/engine/child/tensors/npy.js';
import { seededRandom } from '../../src/engine/child/tensors/random.js';
import { createKernel } from '../../src/kernel/index.js';
import { mobileNetV2 } from '../unit/support/networks.js';

const [SAMPLES, BATCH, ROUNDS] = [32, 16, 3];

export interface ReestimateCost {
	/** Median of the ratios to running the model alone, as the runtime optimizes it by default. */
	readonly overRunning: number;
	/** The same in processor time of the whole process, on which other programs have less influence. */
	readonly processorOverRunning: number;
	/** The same for a runtime that computes every operator as written. */
	readonly overRunningUnoptimized: number;
	readonly imagesPerSecond: number;
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
		return await measure(file, data, runtime);
	} finally {
		rmSync(folder, { recursive: true });
	}
}

async function measure(file: string, data: string, runtime: Runtime): Promise<ReestimateCost> {
	const model = await openModel({ path: file });
	const layers = [...model.layers.keys()];
	const run = new StagedRun(model, planStages(model, layers), { runtime, kernel: await createKernel() });
	const inputs = requiredInputs(model.model);
	const samples = await openSamples(inputs, { files: [{ input: undefined, path: data }], batch: BATCH });
	const measure = new BatchMeasure({ run, model, layers }, path.join(path.dirname(file), 'scratch'));
	const collect = () => collectByBatch(samples, { run, model, layers, onProgress: () => {} }, measure);
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
	await Promise.all([measure.dispose(), run.dispose(), optimized.release(), written.release(), model.close()]);
	const median = (of: (times: (typeof rounds)[number]) => number) => rounds.map(of).sort((a, b) => a - b)[ROUNDS >> 1];
	return {
		overRunning: median(({ ours, optimized: other }) => ours.clock / other.clock),
		processorOverRunning: median(({ ours, optimized: other }) => ours.processor / other.processor),
		overRunningUnoptimized: median(({ ours, written: other }) => ours.clock / other.clock),
		imagesPerSecond: (SAMPLES * 1000) / median(({ ours }) => ours.clock),
		growthMb: growth / 2 ** 20,
	};
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
			for await (const { parts } of samples.read()) {
				for (const part of parts) {
					await session.run(part, [session.outputs[0].name]);
				}
			}
		},
		release: () => session.release(),
	};
}
