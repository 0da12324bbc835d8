import { affine } from '../../batchnorm/affine.js';
import type { CheckpointLayer } from '../../formats/checkpoint.js';
import type { CheckpointTensor } from '../../formats/tensor.js';
import { readTensorValues } from '../../formats/tensor.js';
import type { FloatType } from '../../numbers/float-formats.js';
import { isFloatType } from '../../numbers/float-formats.js';
import type { LayerParameters } from '../../report/types.js';

/** A layer of the checkpoint with the values of its parameters, all of shape (channels). */
export interface LayerValues {
	readonly layer: CheckpointLayer;
	/** Position among the checkpoint's layers. */
	readonly index: number;
	readonly parameters: LayerParameters;
	/** Element type of the parameters. */
	readonly source: FloatType;
}

/** Reads the parameters of all layers. @throws {CheckpointError} from the file */
export async function readLayerValues(layers: readonly CheckpointLayer[]): Promise<readonly LayerValues[]> {
	const values: LayerValues[] = [];
	for (const [index, layer] of layers.entries()) {
		const { channels, gamma, beta, mean, variance } = layer;
		const { dtype } = mean;
		values.push({
			layer,
			index,
			parameters: {
				gamma: gamma ? await readTensor(gamma) : new Float64Array(channels).fill(1),
				beta: beta ? await readTensor(beta) : new Float64Array(channels),
				mean: await readTensor(mean),
				variance: await readTensor(variance),
			},
			source: isFloatType(dtype) ? dtype : 'float32',
		});
	}
	return values;
}

/** Reads the values of a tensor. @throws {CheckpointError} from the file */
export async function readTensor(tensor: CheckpointTensor): Promise<Float64Array> {
	return Float64Array.from((await readTensorValues(tensor)).data);
}

/** Returns scale and shift of each channel with a given epsilon. */
export function affineOf({ parameters }: LayerValues, epsilon: number) {
	const { gamma, beta, mean, variance } = parameters;
	return affine(gamma, beta, mean, variance, epsilon);
}
