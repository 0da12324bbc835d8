import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import type { Report } from '../../../../../src/core/report/types.js';
import type { Runtime } from '../../../../../src/engine/child/runtime/runtime.js';
import { encodeNpy } from '../../../../../src/engine/child/tensors/npy.js';
import type { RuntimeTensor } from '../../../../../src/engine/child/tensors/tensor.js';
import { inspectBytes, runtime } from '../../../support/inspect.js';
import { buildModel, type NodeSpec, type TensorSpec } from '../../../support/model-builder.js';

const C = 3;
const PARAMETERS: readonly TensorSpec[] = [
	{ name: 'g', values: [1.5, -2, 0.5] },
	{ name: 'b', values: [0, 1, -1] },
	{ name: 'm', values: [0.1, -5, 100] },
	{ name: 'v', values: [1, 0.5, 25] },
];

interface TrainingModel {
	readonly opset?: number;
	readonly outputs?: readonly string[];
	readonly inputs?: readonly string[];
	readonly batch?: number;
	/** Statistics are outputs of the graph. */
	readonly exposed?: boolean;
	readonly parameters?: readonly TensorSpec[];
}

function model({
	opset = 15,
	outputs = ['y', 'rm', 'rv'],
	inputs = ['x', 'g', 'b', 'm', 'v'],
	batch = 4,
	exposed = true,
	parameters = PARAMETERS,
}: TrainingModel = {}): Uint8Array {
	const attributes: NodeSpec['attributes'] = { momentum: { f: 0.75 }, ...(opset >= 14 && { training_mode: { i: 1 } }) };
	return buildModel({
		opset,
		graph: {
			inputs: [{ name: 'x', shape: [batch, C, 5, 5] }],
			outputs: outputs
				.slice(0, exposed ? outputs.length : 1)
				.map((name) => ({ name, shape: name === 'y' ? [batch, C, 5, 5] : [C] })),
			initializers: parameters,
			nodes: [{ op: 'BatchNormalization', name: 'bn', inputs, outputs, attributes }],
		},
	});
}

/** The real runtime, with one output computed otherwise. */
function otherwise(
	name: string,
	compute: (tensor: RuntimeTensor, outputs: ReadonlyMap<string, RuntimeTensor>) => void,
) {
	const double: Runtime = {
		version: runtime.version,
		async createSession(bytes, options) {
			const session = await runtime.createSession(bytes, options);
			return {
				...session,
				async run(feeds, fetch, into) {
					const outputs = await session.run(feeds, fetch, into);
					const tensor = outputs.get(name);
					if (tensor) {
						compute(tensor, outputs);
					}
					return outputs;
				},
			};
		},
	};
	return { ports: { runtime: () => double }, compareOptimized: false };
}

const verdict = ({ layers: [{ recompute }] }: Report) => [recompute.status, recompute.reason ?? ''];
const old = (name: string) => PARAMETERS.find((tensor) => tensor.name === name)?.values?.map(Number) ?? [];

test('y and the running statistics of the runtime are right in every opset that puts them out', async () => {
	for (const [opset, outputs] of [
		[15, ['y', 'rm', 'rv']],
		[14, ['y', 'rm', 'rv']],
		[9, ['y', 'rm', 'rv', 'sm', 'sv']],
		[7, ['y', 'rm', 'rv', 'sm', 'sv']],
	] as const) {
		const { report } = await inspectBytes(model({ opset, outputs }));
		assert.equal(report.layers[0].mode, 'training');
		assert.deepEqual(verdict(report), ['match', ''], `opset ${opset}`);
	}
});

test('running statistics by another convention are named as such', async () => {
	// With ONNX's momentum m = 0.75 the runtime's value is r = 0.75 old + 0.25 new.
	const fresh = (r: number, before: number) => (r - 0.75 * before) / 0.25;
	const change = (name: 'rm' | 'rv', mix: (fresh: number, before: number) => number) =>
		otherwise(name, ({ data }) => {
			const before = old(name === 'rm' ? 'm' : 'v');
			for (let c = 0; c < C; c++) {
				data[c] = mix(fresh(Number(data[c]), before[c]), before[c]);
			}
		});
	const count = 4 * 5 * 5;
	const unbiased = change('rv', (value, before) => 0.75 * before + (0.25 * value * count) / (count - 1));
	assert.match(
		verdict((await inspectBytes(model(), unbiased)).report).join(': '),
		/^mismatch: The running statistics .* as if the variance of the batch were unbiased, which is not ONNX's convention\.$/,
	);
	// Only one of the two: neither convention explains that.
	const half = change('rm', (value, before) => 0.25 * before + 0.75 * value);
	assert.match(
		verdict((await inspectBytes(model(), half)).report).join(': '),
		/^mismatch: .* are not those of its input: the mean differs by up to [\d.]+, the variance by up to [\d.e-]+\.$/,
	);
	const both = otherwise('rm', ({ data: mean }, outputs) => {
		const variance = outputs.get('rv')?.data ?? [];
		for (let c = 0; c < C; c++) {
			mean[c] = 0.25 * old('m')[c] + 0.75 * fresh(Number(mean[c]), old('m')[c]);
			variance[c] = 0.25 * old('v')[c] + 0.75 * fresh(Number(variance[c]), old('v')[c]);
		}
	});
	assert.match(
		verdict((await inspectBytes(model(), both)).report).join(': '),
		/^mismatch: .* as if momentum weighed the new value, which/,
	);
});

test('constants that the runtime overwrites while it needs them are named as the reason', async () => {
	const ones = { name: 'one', values: [1, 1, 1] };
	const zeros = { name: 'zero', values: [0, 0, 0] };
	const inputs = ['x', 'one', 'zero', 'zero', 'one'];
	const { report } = await inspectBytes(model({ inputs, exposed: false, parameters: [ones, zeros] }));
	assert.match(
		verdict(report).join(': '),
		/^mismatch: .*The file uses one tensor for gamma and the running variance and one for beta and the running mean; the runtime overwrote them with the new running statistics before computing y\.$/,
	);
	// The same numbers in tensors of their own are computed right.
	const apart = [ones, zeros, { ...ones, name: 'one2' }, { ...zeros, name: 'zero2' }];
	const separate = await inspectBytes(
		model({ inputs: ['x', 'one', 'zero', 'zero2', 'one2'], exposed: false, parameters: apart }),
	);
	assert.deepEqual(verdict(separate.report), ['match', '']);
});

test('a mismatch is not attributed to shared tensors that do not explain it', async () => {
	const inputs = ['x', 'one', 'b', 'm', 'one'];
	const parameters = [{ name: 'one', values: [1, 1, 1] }, ...PARAMETERS];
	const wrong = otherwise('y', ({ data }) => {
		data[0] = 50;
	});
	const { report } = await inspectBytes(model({ inputs, exposed: false, parameters }), wrong);
	assert.match(verdict(report).join(': '), /^mismatch: The runtime's output differs/);
	assert.doesNotMatch(verdict(report).join(': '), /one tensor/);
});

test('a value that is not finite makes its whole channel NaN, which is right', async () => {
	const shape = [4, C, 5, 5];
	const values = Float32Array.from({ length: 300 }, (_, i) => Math.sin(i));
	values[30] = Number.NaN;
	values[60] = Number.POSITIVE_INFINITY;
	const file = path.join(tmpdir(), `bnl-training-${process.pid}.npy`);
	await writeFile(file, encodeNpy({ type: 'float32', shape, data: values }));
	try {
		const { report } = await inspectBytes(model({ outputs: ['y', 'rm', 'rv'] }), {
			inputs: [{ input: 'x', path: file }],
		});
		const { status, reason } = report.layers[0].recompute;
		assert.equal(status, 'match', reason);
	} finally {
		await rm(file);
	}
});
