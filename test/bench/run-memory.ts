/**
 * Measures the memory of a run that captures ten times its budget, beyond engine and model: the peak of the engine's
 * process, less the peak of the same process on a model without captured tensors.
 */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineClient } from '../../src/engine/client.js';
import { convolutionChain } from '../unit/support/networks.js';

const BUDGET = 64 * 2 ** 20;
/** 8 MB each. */
const SHAPE = [8, 16, 128, 128] as const;
const BLOCKS = 40;

export interface RunMemory {
	/** Peak memory beyond engine and model, as a share of the budget. */
	readonly peakOverBudget: number;
	/** Bytes of the layers' tensors, as a share of the budget. */
	readonly capturedOverBudget: number;
	readonly peakMb: number;
	readonly engineMb: number;
	readonly seconds: number;
}

export async function benchRun(): Promise<RunMemory> {
	const folder = mkdtempSync(path.join(tmpdir(), 'bnl-bench-'));
	try {
		const [large, small] = ['large.onnx', 'small.onnx'].map((name) => path.join(folder, name));
		writeFileSync(large, convolutionChain(BLOCKS, SHAPE));
		writeFileSync(small, convolutionChain(1, [1, 16, 1, 1]));
		const engine = await peakOf(small);
		const start = performance.now();
		const peak = await peakOf(large);
		const seconds = (performance.now() - start) / 1000;
		const captured = BLOCKS * 2 * 4 * SHAPE.reduce((product, size) => product * size, 1);
		return {
			peakOverBudget: (peak - engine - statSync(large).size) / BUDGET,
			capturedOverBudget: captured / BUDGET,
			peakMb: peak / 2 ** 20,
			engineMb: engine / 2 ** 20,
			seconds,
		};
	} finally {
		rmSync(folder, { recursive: true });
	}
}

/** Returns the peak memory of the engine's process while it inspects the model, in bytes. */
async function peakOf(file: string): Promise<number> {
	const lines: string[] = [];
	const entry = path.resolve('test', 'bench', 'report-peak.cjs');
	const client = new EngineClient({ entry, onLog: (line) => lines.push(line) });
	try {
		const options = { run: true, inputs: [], batch: 1, seed: 0, memoryBudget: BUDGET };
		const report = await client.inspect({ path: file }, options);
		const wrong = report.layers.find(({ recompute }) => recompute.status !== 'match');
		if (wrong) {
			throw new Error(`${file}: layer ${wrong.name} is ${wrong.recompute.status}: ${wrong.recompute.reason}`);
		}
	} finally {
		client.dispose();
	}
	// Output of the engine may arrive after its answer.
	for (let attempt = 0; attempt < 100; attempt++) {
		const peak = lines.map((line) => /^peak (\d+)$/.exec(line)?.[1]).find((match) => match !== undefined);
		if (peak !== undefined) {
			return Number(peak) * 1024;
		}
		await sleep(20);
	}
	throw new Error(`The engine did not say how much memory it had: ${lines.join(' ')}`);
}
