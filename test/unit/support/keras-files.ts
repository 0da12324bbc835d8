import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { CheckpointLayer } from '../../../src/core/formats/checkpoint.js';
import { layerValues } from './checkpoints.js';

/** Bytes of a compressed file of test/fixtures/checkpoints. */
export function unzippedBytes(name: string): Uint8Array {
	return new Uint8Array(gunzipSync(readFileSync(`test/fixtures/checkpoints/${name}.gz`)));
}

/** A layer as Keras itself reports it; a part that the layer lacks is all ones or all zeros. */
export interface KerasLayer {
	/** Without the models around it. */
	readonly name: string;
	readonly epsilon: number;
	readonly gamma: readonly number[];
	readonly beta: readonly number[];
	readonly mean: readonly number[];
	readonly variance: readonly number[];
}

/** Layers of NAME.truth.json. */
export function kerasTruth(name: string): readonly KerasLayer[] {
	return JSON.parse(readFileSync(`test/fixtures/checkpoints/${name}.truth.json`, 'utf8')).layers;
}

/** Parameters of a layer in the form of {@link kerasTruth}. */
export async function kerasParameters(layer: CheckpointLayer): Promise<Omit<KerasLayer, 'name' | 'epsilon'>> {
	const { gamma, beta, mean, variance } = await layerValues(layer);
	return { gamma: gamma ?? mean.map(() => 1), beta: beta ?? mean.map(() => 0), mean, variance };
}

/** Returns the parameters without name and epsilon. */
export function parametersOf({ gamma, beta, mean, variance }: KerasLayer): Omit<KerasLayer, 'name' | 'epsilon'> {
	return { gamma, beta, mean, variance };
}

/** The operator in front of each layer: "bn < layer that feeds it (weight [shape]@output axis + bias)". */
export function describeFronts(layers: readonly CheckpointLayer[]): readonly string[] {
	return layers.map(({ name, input, front }) => {
		const described = front.map(
			({ weight, outputAxis, bias }) => `${weight.name} [${weight.dims}]@${outputAxis}${bias ? '+b' : ''}`,
		);
		return `${name} < ${input?.name ?? '?'} (${described.join(' | ')})`;
	});
}
