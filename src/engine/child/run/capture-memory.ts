import { product } from '../../../core/numbers/arrays.js';
import type { Kernel } from '../../../kernel/types.js';
import type { Tensors } from '../tensors/tensor.js';
import { bytesOf, isKernelType, type TensorSize } from '../tensors/tensor-size.js';
import { capturingBytes } from './capture-plan.js';

/** Memory lent while a model is loaded. */
export interface LentMemory {
	/**
	 * Memory for the bytes of the model; undefined: allocate them elsewhere. The runtime needs them only while it loads.
	 */
	readonly model: Uint8Array | undefined;
	/** Memory behind the model, where captured tensors will be. */
	readonly rest: Uint8Array;
}

const NOTHING: LentMemory = { model: undefined, rest: new Uint8Array(0) };

/**
 * A model of up to this share of the budget is lent memory even if its tensors take less. Memory only grows, so a larger
 * model would keep more of it than the run needs.
 */
const SMALL = 1 / 4;

/** Maximum bytes that the kernel adds to each array by rounding up. */
const ALIGNMENT = 16;

/**
 * Owns the kernel's memory, which has a single use at a time: the bytes of a model while it loads, or the tensors of a group
 * of captures. The kernel works on tensors in this memory without copying them.
 *
 * `lend`, `allocate` and `release` end the previous use: views from before must not be read or written any more. Whoever
 * needs values longer copies them. No other code may reset the kernel's memory or allocate in it.
 */
export class CaptureMemory {
	readonly #kernel: Kernel;

	constructor(kernel: Kernel) {
		this.#kernel = kernel;
	}

	/**
	 * Lends memory while a model is loaded.
	 * @param need bytes of the model, and of all tensors to capture
	 * @param budget bytes that captured tensors may take at a time; more tensors are captured in groups
	 */
	lend(need: { readonly model: number; readonly tensors: number }, budget: number): LentMemory {
		if (this.#kernel.kind === 'scalar') {
			// The scalar kernel has no memory of its own.
			return NOTHING;
		}
		const tensors = capturingBytes(need.tensors) > budget ? 0 : need.tensors;
		const model = need.model <= Math.max(tensors, SMALL * budget) ? need.model : 0;
		try {
			const memory = this.#kernel.borrow(Math.max(model, tensors));
			return { model: model > 0 ? memory.subarray(0, model) : undefined, rest: memory.subarray(model) };
		} catch (error) {
			if (error instanceof RangeError) {
				return NOTHING;
			}
			throw error;
		}
	}

	/**
	 * Allocates a group's tensors, for the runtime to fill.
	 * @param sizes tensor name -> size. Types that the kernel does not take are left out.
	 * @returns empty if the memory cannot grow that far
	 */
	allocate(sizes: ReadonlyMap<string, TensorSize>): Tensors {
		const fitting = [...sizes].flatMap(([name, { type, dims }]) => (isKernelType(type) ? [{ name, type, dims }] : []));
		this.#kernel.reset();
		try {
			this.#kernel.reserve(fitting.reduce((total, size) => total + bytesOf(size) + ALIGNMENT, 0));
			return new Map(
				fitting.map(({ name, type, dims }) => {
					return [name, { type, dims, data: this.#kernel.allocate(type, product(dims)) }];
				}),
			);
		} catch (error) {
			if (error instanceof RangeError) {
				return new Map();
			}
			throw error;
		}
	}

	/** Ends the use under way. */
	release(): void {
		this.#kernel.reset();
	}
}
