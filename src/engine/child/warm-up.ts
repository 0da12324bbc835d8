import { typeCode } from '../../core/onnx/types.js';
import { encodeNode, encodeTensor, encodeValueInfo, type MessageBytes } from '../../core/onnx/write/encode.js';
import { encodeModel } from '../../core/onnx/write/encode-model.js';
import { inspect } from './inspect.js';
import type { TaskPorts } from './task-ports.js';

const FLOAT = typeCode('float32');
const CHANNELS = 8;
/** Layers of the model. With a few of them, the code that runs per layer is compiled, too. */
const LAYERS = 8;
const SIZE = 8;

/**
 * Inspects a small model made here, so that the runtime is loaded and all code is compiled before the first request. Never
 * rejects: the request reports why nothing runs.
 */
export async function warmUp({ runtime, kernel }: Pick<TaskPorts, 'runtime' | 'kernel'>): Promise<void> {
	const location = { path: 'warm-up.onnx', bytes: smallModel() };
	const options = { run: true, inputs: [], batch: 1, seed: 0 };
	await inspect(location, options, { runtime, kernel, emit: () => {} }).catch(() => undefined);
}

/** Returns a model of convolutions, normalizations and activations. */
function smallModel(): Uint8Array {
	const nodes: Uint8Array[] = [];
	const add = (opType: string, inputs: readonly string[], output: string) =>
		nodes.push(joined(encodeNode({ opType, name: output, inputs, outputs: [output] })));
	let last = 'x';
	for (let layer = 0; layer < LAYERS; layer++) {
		add('Conv', [last, 'weight'], `conv${layer}`);
		add('BatchNormalization', [`conv${layer}`, 'ones', 'zeros', 'zeros', 'ones'], `bn${layer}`);
		add('Relu', [`bn${layer}`], `relu${layer}`);
		last = `relu${layer}`;
	}
	return encodeModel({
		irVersion: 8,
		opsets: new Map([['', 15]]),
		nodes,
		initializers: [
			tensor('weight', [CHANNELS, CHANNELS, 1, 1], 1 / CHANNELS),
			tensor('ones', [CHANNELS], 1),
			tensor('zeros', [CHANNELS], 0),
		],
		inputs: [encodeValueInfo('x', FLOAT, [1, CHANNELS, SIZE, SIZE])],
		outputs: [last],
	});
}

function tensor(name: string, dims: readonly number[], value: number): Uint8Array {
	const values = new Float32Array(dims.reduce((a, b) => a * b)).fill(value);
	return joined(encodeTensor(name, { dataType: FLOAT, dims, bytes: new Uint8Array(values.buffer) }));
}

function joined(pieces: MessageBytes): Uint8Array {
	return Buffer.concat(pieces);
}
