import { findLayers, findNormalizations } from '../../src/core/batchnorm/find.js';
import type { BatchNormLayer } from '../../src/core/batchnorm/layer.js';
import type { Checkpoint } from '../../src/core/formats/checkpoint.js';
import { readAnyModel } from '../../src/core/formats/model/read-model.js';
import type { Model } from '../../src/core/onnx/model.js';
import { type ExternalFiles, memorySource } from '../../src/core/onnx/source.js';
import type { TensorAccess } from '../../src/core/onnx/tensor/tensor.js';
import { inflate } from '../../src/platform/inflate.js';
import { typed } from './typed.js';

const EXTERNAL: ExternalFiles = { open: async (location) => memorySource(new Uint8Array(24), location) };

/** A file in memory that was read as a model, and the layers in it. */
export interface Opened {
	readonly model: Model;
	readonly checkpoint?: Checkpoint;
	readonly access: TensorAccess;
	/** Layers that can be folded and compared. */
	readonly layers: readonly BatchNormLayer[];
	/** The same and hand-built normalizations. */
	readonly normalizations: readonly BatchNormLayer[];
}

/** Opens a file as the engine does. Resolves to undefined if it cannot be read as a model. */
export async function openBytes(bytes: Uint8Array, name = 'model.onnx'): Promise<Opened | undefined> {
	const source = memorySource(bytes, name);
	const access = { source, external: EXTERNAL };
	const read = await typed(readAnyModel(source, { inflate }));
	const layers = read && (await typed(findLayers(read.model, access)));
	const normalizations = read && (await typed(findNormalizations(read.model, access)));
	return read && layers && normalizations && { ...read, access, layers, normalizations };
}
