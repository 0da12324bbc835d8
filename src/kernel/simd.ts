import { FLOAT_FORMATS, type FloatType } from '../core/numbers/float-formats.js';
import type { Moments } from '../core/numbers/moments.js';
import { VerifyAccumulator } from './accumulator.js';
import { type Compiled, canCompile, compile } from './compiled.js';
import { KernelMemory } from './memory.js';
import * as map from './memory-map.js';
import { takeExactMoments } from './moments.js';
import { checkApply, checkTensor, checkVerify, elementCount } from './request.js';
import { ScalarKernel } from './scalar.js';
import { maxRuns, simdMoments } from './simd-moments.js';
import { matrixOf } from './spans.js';
import { type Tile, Tiles } from './tiles.js';
import type { ApplyRequest, FloatData, Kernel, Layout, StatisticsAxes, VerifyRequest } from './types.js';

/**
 * Kernel in WebAssembly SIMD, for float32 and the half types. float64 gains no speed from SIMD lanes and goes to the
 * scalar kernel. TypeScript recomputes channels that float32 lanes cannot judge with certainty; a correct layer has no
 * such channel.
 */
export class SimdKernel implements Kernel {
	readonly kind = 'simd';
	readonly #scalar = new ScalarKernel();
	readonly #memory: KernelMemory;
	readonly #compiled: Compiled;
	readonly #tiles: Tiles;

	private constructor(memory: KernelMemory, compiled: Compiled) {
		this.#memory = memory;
		this.#compiled = compiled;
		this.#tiles = new Tiles(memory, compiled);
	}

	/** Returns undefined if the engine lacks WebAssembly SIMD or the system address space. */
	static async create(): Promise<SimdKernel | undefined> {
		const memory = canCompile() ? reserveMemory() : undefined;
		return memory && new SimdKernel(memory, await compile(memory));
	}

	verify(request: VerifyRequest) {
		checkVerify(request);
		const { x, y, dtype, layout, scale, shift, boundSlope, boundOffset, likely } = request;
		if (dtype === 'float64' || elementCount(layout) === 0) {
			return this.#scalar.verify(request);
		}
		const compiled = this.#compiled;
		const tiles = this.#tiles;
		const { fractionBits, minExponent, tiny } = FLOAT_FORMATS[dtype];
		compiled.startLayer(fractionBits, 2 ** minExponent, tiny);
		const accumulator = new VerifyAccumulator(request);
		accumulator.asPredicted = true;
		const { matrix } = accumulator;
		const tensors = [
			{ data: x, address: map.STAGE_X },
			{ data: y, address: map.STAGE_Y },
		];
		tiles.forEach(matrix, tensors, dtype, (tile, forEachBlock) => {
			tiles.setParameters(tile, [
				scale,
				shift,
				boundSlope,
				boundOffset,
				likely?.scale ?? scale,
				likely?.shift ?? shift,
			]);
			compiled.startRecords(tile.count);
			forEachBlock(({ addresses: [xs, ys], stride, rows, width }) => {
				if (matrix.unitWidth === 1) {
					compiled.workColumns(xs, ys, rows, stride, width);
				} else {
					compiled.workPlanes(xs, ys, rows, stride, width / tile.count, tile.count);
				}
			});
			compiled.finishRecords(tile.count, matrix.rows * matrix.unitWidth, maxRuns(matrix));
			this.#collect(accumulator, request, tile);
		});
		accumulator.maxRel = Math.max(accumulator.maxRel, compiled.largestRel());
		accumulator.maxUlp = Math.max(accumulator.maxUlp, compiled.largestUlp());
		return accumulator.finish();
	}

	/** Copies a tile's results into the accumulator. Recomputes units with uncertain results. */
	#collect(accumulator: VerifyAccumulator, { x, dtype }: VerifyRequest, tile: Tile): void {
		const { matrix, moments } = accumulator;
		const tiles = this.#tiles;
		accumulator.maxAbs.set(tiles.result(map.RESULT_MAX_ABS, tile), tile.from);
		accumulator.bound.set(tiles.result(map.RESULT_BOUND, tile), tile.from);
		accumulator.boundRatio.set(tiles.result(map.RESULT_RATIO, tile), tile.from);
		accumulator.sumSquares.set(tiles.result(map.RESULT_SQUARES, tile), tile.from);
		moments.mean.set(tiles.result(map.RESULT_MEAN, tile), tile.from);
		moments.m2.set(tiles.result(map.RESULT_M2, tile), tile.from);
		moments.count.fill(matrix.rows * matrix.unitWidth, tile.from, tile.from + tile.count);
		const flags = tiles.result(map.RESULT_FLAGS, tile);
		for (let i = 0; i < tile.count; i++) {
			if (flags[i] === 0) {
				continue;
			}
			if (flags[i] & map.DIFFERENT) {
				accumulator.asPredicted = false;
			}
			if (flags[i] & map.REDO_ALL) {
				accumulator.addUnit(tile.from + i);
			} else if (flags[i] & map.REDO_MOMENTS) {
				takeExactMoments(moments, tile.from + i, { data: x, dtype, matrix });
			}
		}
	}

	apply(request: ApplyRequest): void {
		checkApply(request);
		const { x, dtype, layout, perActivation, scale, shift, center, out } = request;
		if (dtype === 'float64' || out instanceof Uint16Array) {
			this.#scalar.apply(request);
			return;
		}
		const compiled = this.#compiled;
		const tiles = this.#tiles;
		const matrix = matrixOf(layout, perActivation ? 'activation' : 'channel');
		const tensors = [
			{ data: x, address: map.STAGE_X },
			{ data: out, address: map.STAGE_Y, output: true },
		];
		const centers = center ?? new Float64Array(scale.length);
		tiles.forEach(matrix, tensors, dtype, (tile, forEachBlock) => {
			tiles.setParameters(tile, [scale, shift, centers]);
			forEachBlock(({ addresses: [xs, ys], stride, rows, width }) => {
				if (matrix.unitWidth === 1) {
					compiled.applyColumns(xs, ys, rows, stride, width);
					return;
				}
				for (let r = 0; r < rows; r++) {
					const [from, to] = [xs + r * stride, ys + r * stride];
					compiled.applyPlanes(from, to, tile.count, width / tile.count, center !== undefined);
				}
			});
		});
	}

	moments(x: FloatData, dtype: FloatType, layout: Layout, axes: StatisticsAxes = 'channel'): Moments {
		checkTensor('x', x, dtype, layout);
		if (dtype === 'float64' || elementCount(layout) === 0) {
			return this.#scalar.moments(x, dtype, layout, axes);
		}
		return simdMoments(this.#compiled, this.#tiles, { data: x, dtype, matrix: matrixOf(layout, axes) });
	}

	allocate(dtype: FloatType, length: number): FloatData {
		return this.#memory.allocate(dtype, length);
	}

	reserve(bytes: number): void {
		this.#memory.reserve(bytes);
	}

	reset(): void {
		this.#memory.reset();
	}

	borrow(bytes: number): Uint8Array {
		return this.#memory.borrow(bytes);
	}
}

/** Returns undefined if the system refuses address space. WebAssembly reserves gigabytes of it. */
function reserveMemory(): KernelMemory | undefined {
	try {
		return new KernelMemory();
	} catch (error) {
		if (error instanceof RangeError) {
			return undefined;
		}
		throw error;
	}
}
