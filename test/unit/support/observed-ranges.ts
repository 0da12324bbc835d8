import { loadRuntime } from '../../../src/engine/child/runtime/runtime.js';
import { seededRandom } from '../../../src/engine/child/tensors/random.js';
import { buildModel, type ModelSpec } from './model-builder.js';
import type { Ranges } from './quantized-forms.js';

/** Runs on which ranges are observed. */
const RUNS = 4;

/** Calibrates: returns the range of every computed tensor and of the input, on normally distributed input. */
export async function observedRanges(spec: ModelSpec, shape: readonly number[], seed: number): Promise<Ranges> {
	const outputs = (spec.graph.nodes ?? []).flatMap((node) => node.outputs ?? []);
	const bytes = buildModel({ ...spec, graph: { ...spec.graph, outputs } });
	const runtime = await loadRuntime();
	const session = await runtime.createSession(bytes, { levels: ['disabled'] });
	const random = seededRandom(seed);
	const ranges = new Map<string, [number, number]>();
	const widen = (name: string, data: Iterable<number | bigint>) => {
		const range = ranges.get(name) ?? [0, 0];
		ranges.set(name, range);
		for (const value of data) {
			range[0] = Math.min(range[0], Number(value));
			range[1] = Math.max(range[1], Number(value));
		}
	};
	try {
		for (let run = 0; run < RUNS; run++) {
			const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal());
			widen('x', data);
			const values = await session.run(new Map([['x', { type: 'float32', dims: shape, data }]]), outputs);
			for (const [name, tensor] of values) {
				widen(name, tensor.data);
			}
		}
	} finally {
		await session.release();
	}
	return ranges;
}
