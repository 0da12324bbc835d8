import bytes from './assembly/index.wasm';
import type { KernelMemory } from './memory.js';
import { STAGE, STAGE_X, STAGE_Y } from './memory-map.js';
import type { Widening } from './staging.js';

/**
 * Exports of the compiled kernels, each in a file of assembly/ with its contract. Addresses and strides are in bytes.
 */
export interface Compiled extends Widening {
	startLayer(fractionBits: number, smallestNormal: number, tiny: number): void;
	startRecords(count: number): void;
	/** y = 0: only the sums of x. */
	workPlanes(x: number, y: number, batch: number, stride: number, planeSize: number, channels: number): void;
	workColumns(x: number, y: number, rows: number, stride: number, columns: number): void;
	/** Completes records that hold only sums. */
	finishMoments(count: number, values: number, runs: number): void;
	finishRecords(count: number, values: number, runs: number): void;
	largestRel(): number;
	largestUlp(): number;
	columnMoments(x: number, rows: number, stride: number, columns: number): void;
	applyPlanes(x: number, out: number, planes: number, planeSize: number, isCentered: boolean): void;
	applyColumns(x: number, out: number, rows: number, stride: number, columns: number): void;
}

/** False if WebAssembly or its SIMD instructions are missing. */
export function canCompile(): boolean {
	return typeof WebAssembly !== 'undefined' && WebAssembly.validate(bytes);
}

export async function compile({ memory }: KernelMemory): Promise<Compiled> {
	const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } });
	const compiled = instance.exports as unknown as Compiled;
	warmUp(compiled);
	return compiled;
}

/**
 * Runs the main loops on zeros for less than a millisecond. V8 starts with unoptimized code, which is several times
 * slower, and compiles optimized code in the background after about 10,000 rounds of a loop. Without the warm-up the first
 * layer would run unoptimized.
 */
function warmUp(compiled: Compiled): void {
	compiled.startRecords(1);
	for (let i = 0; i < 8; i++) {
		compiled.workPlanes(STAGE_X, STAGE_Y, 1, 0, STAGE, 1);
	}
}
