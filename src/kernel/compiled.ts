import bytes from './assembly/index.wasm';
import type { KernelMemory } from './memory.js';
import { STAGE, STAGE_X, STAGE_Y } from './memory-map.js';
import type { Widening } from './stage.js';

/** What the compiled kernels export; addresses and strides are in bytes. Contracts: assembly/, one kernel a file. */
export interface Compiled extends Widening {
	startLayer(fractionBits: number, smallestNormal: number, tiny: number): void;
	startRecords(count: number): void;
	/** y = 0: sums of x only. */
	workPlanes(x: number, y: number, batch: number, stride: number, planeSize: number, channels: number): void;
	workColumns(x: number, y: number, rows: number, stride: number, columns: number): void;
	/** After sums alone. */
	finishMoments(count: number, values: number, runs: number): void;
	finishRecords(count: number, values: number, runs: number): void;
	largestRel(): number;
	largestUlp(): number;
	columnMoments(x: number, rows: number, stride: number, columns: number): void;
	applyPlanes(x: number, out: number, planes: number, planeSize: number, isCentered: boolean): void;
	applyColumns(x: number, out: number, rows: number, stride: number, columns: number): void;
}

/** False where WebAssembly or its SIMD instructions are missing. */
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
 * Runs the main loops on zeros, for less than a millisecond: V8 starts with quickly made code, several times slower, and
 * has the optimised one made in the background once a loop has run some 10,000 times. Without this it would be the first
 * layer's loop.
 */
function warmUp(compiled: Compiled): void {
	compiled.startRecords(1);
	for (let i = 0; i < 8; i++) {
		compiled.workPlanes(STAGE_X, STAGE_Y, 1, 0, STAGE, 1);
	}
}
