import { ScalarKernel } from './scalar.js';
import { SimdKernel } from './simd.js';
import type { Kernel, KernelOptions } from './types.js';

export type * from './types.js';

/** The fastest kernel that this JavaScript engine runs. */
export async function createKernel({ simd = true }: KernelOptions = {}): Promise<Kernel> {
	return (simd ? await SimdKernel.create() : undefined) ?? new ScalarKernel();
}
