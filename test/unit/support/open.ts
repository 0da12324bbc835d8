import type { Model } from '../../../src/core/onnx/model.js';
import { readModel } from '../../../src/core/onnx/read/reader.js';
import { type ByteSource, memorySource } from '../../../src/core/onnx/source.js';
import { buildModel, type GraphSpec, type ModelSpec } from './model-builder.js';

/** A model as a reader sees it, with the bytes it came from. */
export interface OpenModel {
	readonly model: Model;
	readonly source: ByteSource;
	readonly bytes: Uint8Array;
}

/** Writes a model and reads it back. */
export async function open(spec: ModelSpec): Promise<OpenModel> {
	return openBytes(buildModel(spec));
}

export async function openGraph(graph: GraphSpec): Promise<OpenModel> {
	return open({ graph });
}

export async function openBytes(bytes: Uint8Array): Promise<OpenModel> {
	const source = memorySource(bytes, 'model.onnx');
	return { model: await readModel(source), source, bytes };
}
