import type { Kernel } from '../../../src/kernel/types.js';

/**
 * Returns a kernel that fills memory with 0xff as soon as its use ends. A view that is read too late then gives NaN, and a
 * verdict that rests on it fails.
 */
export function poisoningKernel(kernel: Kernel): Kernel {
	let views: Uint8Array[] = [];
	const poison = () => {
		for (const view of views) {
			// Growing memory detaches views, which then have length 0.
			view.fill(0xff);
		}
		views = [];
	};
	return {
		kind: kernel.kind,
		verify: (request) => kernel.verify(request),
		apply: (request) => kernel.apply(request),
		moments: (...args) => kernel.moments(...args),
		reserve: (bytes) => kernel.reserve(bytes),
		allocate(dtype, length) {
			const data = kernel.allocate(dtype, length);
			views.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
			return data;
		},
		reset() {
			poison();
			kernel.reset();
		},
		borrow(bytes) {
			poison();
			const view = kernel.borrow(bytes);
			views.push(view);
			return view;
		},
	};
}
