import type { Comparison } from '../../../src/core/report/comparison/comparison.js';
import { compare } from '../../../src/engine/child/compare.js';
import { loadRuntime } from '../../../src/engine/child/runtime/runtime.js';
import { createKernel } from '../../../src/kernel/index.js';
import { type DeployedForm, modelBytes } from './deployed-forms.js';

const ports = { runtime: loadRuntime, kernel: createKernel, emit: () => {} };

export interface CompareBytesOptions {
	/** False: compares the files alone. */
	readonly run?: boolean;
	/** Seed of the random input. */
	readonly seed?: number;
}

/** Compares two models in memory, with batch 1. */
export function compareBytes(
	original: Uint8Array,
	deployed: Uint8Array,
	{ run = true, seed = 0 }: CompareBytesOptions = {},
): Promise<Comparison> {
	return compare(
		{ path: 'original.onnx', bytes: original },
		{ path: 'deployed.onnx', bytes: deployed },
		{ run, batch: 1, seed },
		ports,
	);
}

/** Compares the two networks of a form. */
export function compareForm({ original, deployed }: DeployedForm, options?: CompareBytesOptions): Promise<Comparison> {
	return compareBytes(modelBytes(original), modelBytes(deployed), options);
}
