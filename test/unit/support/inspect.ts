import type { Report } from '../../../src/core/report/types.js';
import { type InspectPorts, inspect } from '../../../src/engine/child/inspect.js';
import { loadRuntime } from '../../../src/engine/child/runtime.js';
import { createKernel } from '../../../src/kernel/index.js';
import type { InspectOptions, ModelLocation } from '../../../src/protocol/host-engine.js';

export const runtime = loadRuntime();

let kernel: ReturnType<typeof createKernel> | undefined;

export function sharedKernel(): ReturnType<typeof createKernel> {
	kernel ??= createKernel();
	return kernel;
}

export type InspectEvent = Parameters<InspectPorts['emit']>[0];
export type InspectChanges = Partial<InspectOptions> & { readonly ports?: Partial<InspectPorts> };

/** Inspects a model in this process, with the real runtime unless `ports` has another. */
export async function inspectModel(
	location: ModelLocation,
	{ ports = {}, ...changes }: InspectChanges = {},
): Promise<{ report: Report; events: InspectEvent[] }> {
	const events: InspectEvent[] = [];
	const emit = (event: InspectEvent) => events.push(event);
	const report = await inspect(
		location,
		{ run: true, inputs: [], batch: 1, seed: 0, ...changes },
		{ runtime: () => runtime, kernel: sharedKernel, emit, ...ports },
	);
	return { report, events };
}

export function inspectBytes(bytes: Uint8Array, changes?: InspectChanges) {
	return inspectModel({ path: 'model.onnx', bytes }, changes);
}
