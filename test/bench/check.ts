/**
 * Measures the cost of checking a whole model over running it, each in a fresh process: (create + run with every
 * layer's input and output captured + verify every layer) / (the runtime's own create + first run at its default
 * level).
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { EngineClient } from '../../src/engine/client.js';
import { mobileNetV2, resNet50 } from '../unit/support/networks.js';

const RUNS = 5;

/** Prints the time of a plain create and first run, in ms. */
const PLAIN = `
const ort = require('onnxruntime-node');
const [, file] = process.argv;
(async () => {
	const x = new ort.Tensor('float32', new Float32Array(3 * 224 * 224).fill(0.5), [1, 3, 224, 224]);
	const start = performance.now();
	const session = await ort.InferenceSession.create(file);
	await session.run({ input: x });
	console.log(performance.now() - start);
})();`;

export interface CheckCost {
	/** Median of the ratios over pairs of runs that take turns. */
	readonly overPlainRuntime: number;
	readonly plainMs: number;
	readonly createMs: number;
	readonly runMs: number;
	readonly verifyMs: number;
	/** Time to find the axes over which each layer normalizes, in ms. Not part of the ratio. */
	readonly judgeMs: number;
}

export async function benchCheck(): Promise<Record<string, CheckCost>> {
	const folder = mkdtempSync(path.join(tmpdir(), 'bnl-bench-'));
	const client = new EngineClient({ entry: path.resolve('dist', 'engine', 'main.js') });
	try {
		const costs: Record<string, CheckCost> = {};
		for (const [name, make] of [
			['resnet50', resNet50],
			['mobilenet_v2', mobileNetV2],
		] as const) {
			const file = path.join(folder, `${name}.onnx`);
			writeFileSync(file, make());
			costs[name] = await measure(client, file);
		}
		return costs;
	} finally {
		client.dispose();
		rmSync(folder, { recursive: true });
	}
}

async function measure(client: EngineClient, file: string): Promise<CheckCost> {
	const samples: CheckCost[] = [];
	for (let run = 0; run < RUNS; run++) {
		const plainMs = Number(
			execFileSync(process.execPath, ['-e', PLAIN, file], { env: { ...process.env, ORT_DISABLE_TELEMETRY: '1' } }),
		);
		const report = await client.inspect({ path: file }, { run: true, inputs: [], batch: 1, seed: 0 });
		const { create, run: ran, verify, judge } = report.run.milliseconds;
		samples.push({
			overPlainRuntime: (create + ran + verify) / plainMs,
			plainMs,
			createMs: create,
			runMs: ran,
			verifyMs: verify,
			judgeMs: judge,
		});
	}
	const median = (key: keyof CheckCost) => samples.map((sample) => sample[key]).sort((a, b) => a - b)[RUNS >> 1];
	return {
		overPlainRuntime: median('overPlainRuntime'),
		plainMs: median('plainMs'),
		createMs: median('createMs'),
		runMs: median('runMs'),
		verifyMs: median('verifyMs'),
		judgeMs: median('judgeMs'),
	};
}
