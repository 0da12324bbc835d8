import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ReestimationResult } from '../../../src/core/report/reestimation.js';
import { reestimate } from '../../../src/engine/child/reestimate.js';
import { encodeNpy, type NpyArray, parseNpy } from '../../../src/engine/child/tensors/npy.js';
import type { ReestimateOptions } from '../../../src/protocol/host-engine.js';
import { runtime, sharedKernel } from './inspect.js';

/** Path of a file of test/fixtures/reestimation. */
export const stale = (name: string): string => path.resolve('test', 'fixtures', 'reestimation', name);

/** Returns a new folder for a test file. */
export const scratch = (): string => mkdtempSync(path.join(tmpdir(), 'batchnorm-lens-reestimate-'));

/** Mean and variance of each layer, as PyTorch computes them. */
export interface Expected {
	readonly batch: number;
	readonly layers: readonly { readonly mean: readonly number[]; readonly variance: readonly number[] }[];
}

export function expectedOf(name: string): Expected {
	return JSON.parse(readFileSync(stale(`${name}.expected.json`), 'utf8'));
}

/** Re-estimates in this process, with the real runtime. */
export function reestimateModel(
	model: string,
	data: string | readonly string[],
	options: Partial<ReestimateOptions> = {},
): Promise<ReestimationResult> {
	const files = typeof data === 'string' ? [data] : data;
	const inputs = files.map((file) => ({ input: undefined, path: file }));
	const temporary = options.output === undefined ? {} : { temporary: `${options.output}.part` };
	const ports = { runtime: () => runtime, kernel: sharedKernel, emit: () => {} };
	return reestimate({ path: model }, { inputs, ...temporary, ...options }, ports);
}

export function readArray(file: string): NpyArray {
	return parseNpy(readFileSync(file), file);
}

/** Writes rows of an array as a file of a folder. */
export function writeRows(folder: string, { type, shape, data }: NpyArray, from: number, to: number): string {
	const size = data.length / shape[0];
	const file = path.join(folder, `rows-${from}-${to}.npy`);
	const rows = data.slice(from * size, to * size) as NpyArray['data'];
	writeFileSync(file, encodeNpy({ type, shape: [to - from, ...shape.slice(1)], data: rows }));
	return file;
}
