import type { FloatType } from '../../../src/core/numbers/float-formats.js';
import { seededRandom } from '../../../src/engine/child/tensors/random.js';
import { createKernel, type FloatData, type Kernel, type Layout } from '../../../src/kernel/index.js';
import { fromNumbers, sizeOf, toNumbers } from './kernel-reference.js';

export const TYPES: readonly FloatType[] = ['float32', 'float64', 'float16', 'bfloat16'];

export const KINDS = ['simd', 'scalar'] as const;

/** A new kernel of this kind; fails where the machine cannot run it. */
export async function kernelOf(kind: Kernel['kind']): Promise<Kernel> {
	const kernel = await createKernel({ simd: kind === 'simd' });
	if (kernel.kind !== kind) {
		throw new Error(`This JavaScript engine runs no ${kind} kernel.`);
	}
	return kernel;
}

/** Where tensors lie: in arrays of their own, in the middle of larger ones, or in the kernel's memory. */
export const PLACES = ['own', 'unaligned', 'kernel'] as const;
export type Place = (typeof PLACES)[number];

export function put(kernel: Kernel, place: Place, data: FloatData, dtype: FloatType): FloatData {
	// One element off any alignment that vectors have.
	const offset = place === 'own' ? 0 : 1;
	const room = data.length + offset;
	const whole = place === 'kernel' ? kernel.allocate(dtype, room) : fromNumbers(Array(room).fill(0), dtype);
	const view = whole.subarray(offset);
	view.set(data);
	return view;
}

/** Values as activations have them, already rounded to the type. */
export function activations(seed: number, length: number, dtype: FloatType, mean = 0.3, deviation = 1): FloatData {
	const random = seededRandom(seed);
	return fromNumbers(
		Array.from({ length }, () => mean + deviation * random.normal()),
		dtype,
	);
}

/** Parameters of a healthy layer, one of each a channel or an activation. */
export function parameters(seed: number, length: number) {
	const random = seededRandom(seed);
	const values = (make: () => number) => Float64Array.from({ length }, make);
	return {
		scale: values(() => 0.5 + random.uniform()),
		shift: values(() => random.normal()),
		boundSlope: values(() => 2e-7 * (1 + random.uniform())),
		boundOffset: values(() => 2e-7 * (1 + random.uniform())),
	};
}

/** Half types need bounds of their own size. */
export const BOUND_FACTOR: Readonly<Record<FloatType, number>> = {
	float32: 1,
	float64: 2 ** -29,
	float16: 2 ** 14,
	bfloat16: 2 ** 17,
};

/** y as a runtime that works in float32 makes it: every step rounded. */
export function runtimeOutput(
	x: FloatData,
	dtype: FloatType,
	layout: Layout,
	{ scale, shift }: { scale: Float64Array; shift: Float64Array },
): FloatData {
	const step = dtype === 'float64' ? (value: number) => value : Math.fround;
	const values = toNumbers(x, dtype);
	const perActivation = scale.length > layout.channels;
	return fromNumbers(
		Array.from({ length: sizeOf(layout) }, (_, index) => {
			const c = Math.floor(index / layout.planeSize) % layout.channels;
			const parameter = perActivation ? index % (layout.channels * layout.planeSize) : c;
			return step(step(values[index] * step(scale[parameter])) + step(shift[parameter]));
		}),
		dtype,
	);
}
