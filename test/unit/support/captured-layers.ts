import { readFileSync } from 'node:fs';
import { findLayers } from '../../../src/core/batchnorm/find.js';
import type { BatchNormLayer } from '../../../src/core/batchnorm/layer.js';
import { appendGraphOutputs } from '../../../src/core/onnx/write/outputs.js';
import { loadRuntime } from '../../../src/engine/child/runtime/runtime.js';
import { parseNpy } from '../../../src/engine/child/tensors/npy.js';
import type { RuntimeTensor } from '../../../src/engine/child/tensors/tensor.js';
import type { Layout } from '../../../src/kernel/index.js';
import { type ExpectedLayer, expectedLayers, fixture, openFixture } from './fixtures.js';

export const FIXTURE_MODELS = ['plain_cnn', 'depthwise', 'generator', 'preact', 'mlp', 'conv1d', 'conv3d'];

/** One layer of a fixture model with the tensors before and after it, and what PyTorch says about them. */
export interface CapturedLayer {
	readonly layer: BatchNormLayer;
	readonly x: Float32Array;
	readonly y: Float32Array;
	readonly layout: Layout;
	readonly expected: ExpectedLayer & {
		readonly batch_mean: readonly number[];
		/** Biased. */
		readonly batch_var: readonly number[];
		readonly count: number;
	};
}

/** Runs a fixture model on its own input, unfused, and keeps what every layer read and wrote. */
export async function captureLayers(name: string): Promise<CapturedLayer[]> {
	const { model, source } = await openFixture(`${name}.onnx`);
	const layers = await findLayers(model, { source });
	const names = [...new Set(layers.flatMap(({ input, output }) => [input, output]))];
	const bytes = Buffer.concat([readFileSync(fixture(`${name}.onnx`)), appendGraphOutputs(names, model.graph.outputs)]);
	const session = await loadRuntime().createSession(bytes, { levels: ['disabled'] });
	const { data, shape } = parseNpy(readFileSync(fixture(`${name}.input.npy`)), name);
	const input: RuntimeTensor = { type: 'float32', dims: shape, data: data as Float32Array };
	const tensors = await session.run(new Map([[session.inputs[0].name, input]]), names);
	await session.release();
	const expected = expectedLayers(name) as CapturedLayer['expected'][];
	return layers.map((layer, i) => {
		const [x, y] = [tensors.get(layer.input), tensors.get(layer.output)];
		if (!x || !y) {
			throw new Error(`${name}: the runtime did not return what ${layer.name} reads and writes.`);
		}
		const [batch = 1, channels = 1, ...spatial] = x.dims;
		const layout = { batch, channels, planeSize: spatial.reduce((product, size) => product * size, 1) };
		return { layer, x: x.data as Float32Array, y: y.data as Float32Array, layout, expected: expected[i] };
	});
}
