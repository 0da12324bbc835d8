import { ScalarKernel } from './scalar.js';
import { SimdKernel } from './simd.js';
import type { Kernel, KernelOptions } from './types.js';

export type * from './types.js';

/** Creates the fastest kernel that this JavaScript engine supports. */
export async function createKernel({ simd = true }: KernelOptions = {}): Promise<Kernel> {
	return (simd ? await SimdKernel.create() : undefined) ?? new ScalarKernel();
}
