import { readFileSync } from 'node:fs';
import type { Checkpoint, CheckpointLayer } from '../../../src/core/formats/checkpoint.js';
import { CheckpointError } from '../../../src/core/formats/errors.js';
import type { CheckpointLimits } from '../../../src/core/formats/limits.js';
import { openCheckpoint } from '../../../src/core/formats/open.js';
import { type CheckpointTensor, readTensorValues } from '../../../src/core/formats/tensor.js';
import { readModel } from '../../../src/core/onnx/read/reader.js';
import { memorySource } from '../../../src/core/onnx/source.js';
import { readTensor } from '../../../src/core/onnx/tensor/tensor.js';
import { inflate } from '../../../src/platform/inflate.js';

/** Bytes of a file of test/fixtures/checkpoints; tests run in the root of the repository. */
export function checkpointBytes(name: string): Uint8Array {
	return readFileSync(`test/fixtures/checkpoints/${name}`);
}

export function openBytes(
	bytes: Uint8Array,
	limits: Partial<CheckpointLimits> = {},
	name = 'model.pth',
): Promise<Checkpoint> {
	return openCheckpoint(memorySource(bytes, name), { inflate, limits });
}

/** Parameters of one layer as plain numbers, one a channel; undefined without an affine part. */
export interface LayerValues {
	readonly gamma: readonly number[] | undefined;
	readonly beta: readonly number[] | undefined;
	readonly mean: readonly number[];
	readonly variance: readonly number[];
}

export async function layerValues({ gamma, beta, mean, variance }: CheckpointLayer): Promise<LayerValues> {
	return {
		gamma: gamma && (await values(gamma)),
		beta: beta && (await values(beta)),
		mean: await values(mean),
		variance: await values(variance),
	};
}

export async function values(tensor: CheckpointTensor): Promise<readonly number[]> {
	return [...(await readTensorValues(tensor)).data];
}

/**
 * Parameters of the BatchNormalization nodes of NAME.kept.onnx, which PyTorch exported from the same weights. The export
 * writes constants of 1 and 0 for a layer without an affine part.
 */
export async function exportedLayers(name: string): Promise<readonly LayerValues[]> {
	const source = memorySource(checkpointBytes(`${name}.kept.onnx`), name);
	const { graph } = await readModel(source);
	const layers: LayerValues[] = [];
	for (const { opType, inputs } of graph.nodes) {
		if (opType === 'BatchNormalization') {
			const [gamma, beta, mean, variance] = await Promise.all(
				inputs.slice(1).map(async (input) => {
					const record = graph.initializers.get(input);
					return record && [...(await readTensor(record, { source })).data];
				}),
			);
			layers.push({ gamma, beta, mean: mean ?? [], variance: variance ?? [] });
		}
	}
	return layers;
}

export interface Truth {
	/** Names of the layers in the order of execution. */
	readonly layers: readonly string[];
	/** Epsilon by the name of the layer. */
	readonly eps: Readonly<Record<string, number>>;
}

export function truthOf(name: string): Truth {
	return JSON.parse(readFileSync(`test/fixtures/checkpoints/${name}.truth.json`, 'utf8'));
}

/** Expects a CheckpointError of a code, whose message is one sentence that matches `message`. */
export function checkpointError(code: string, message = /./): (error: unknown) => boolean {
	return (error) =>
		error instanceof CheckpointError &&
		error.code === code &&
		message.test(error.message) &&
		/^[A-Z"a-z].*\.$/s.test(error.message);
}
