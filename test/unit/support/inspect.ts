import assert from 'node:assert/strict';
import type { Report } from '../../../src/core/report/types.js';
import { inspect } from '../../../src/engine/child/inspect.js';
import { loadRuntime } from '../../../src/engine/child/runtime/runtime.js';
import type { TaskPorts } from '../../../src/engine/child/task-ports.js';
import { createKernel } from '../../../src/kernel/index.js';
import type { InspectOptions, ModelLocation } from '../../../src/protocol/host-engine.js';
import { poisoningKernel } from './poisoning-kernel.js';

export const runtime = loadRuntime();

let kernel: ReturnType<typeof createKernel> | undefined;

/** Returns a kernel for all tests of a file, which shows reads of memory after its use. */
export function sharedKernel(): ReturnType<typeof createKernel> {
	kernel ??= createKernel().then(poisoningKernel);
	return kernel;
}

export type InspectEvent = Parameters<TaskPorts['emit']>[0];
export type InspectChanges = Partial<InspectOptions> & { readonly ports?: Partial<TaskPorts> };

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
	if (report.run.status === 'ok') {
		checkLast(report, events);
	}
	return { report, events };
}

/** Checks that the last report sent for each layer is that of the whole run. */
function checkLast({ layers }: Report, events: readonly InspectEvent[]): void {
	for (const [index, layer] of layers.entries()) {
		const last = events.findLast((event) => event.type === 'layer' && event.index === index);
		if (last?.type === 'layer') {
			assert.deepEqual(last.layer, layer);
		} else {
			assert.equal(layer.recompute.status, 'skipped', `no report of ${layer.name} was sent`);
		}
	}
}

export function inspectBytes(bytes: Uint8Array, changes?: InspectChanges) {
	return inspectModel({ path: 'model.onnx', bytes }, changes);
}
