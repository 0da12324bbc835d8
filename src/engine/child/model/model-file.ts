import path from 'node:path';
import { findLayers } from '../../../core/batchnorm/find.js';
import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import type { Model } from '../../../core/onnx/model.js';
import { readModel } from '../../../core/onnx/read/reader.js';
import { type ByteSource, memorySource } from '../../../core/onnx/source.js';
import type { TensorAccess } from '../../../core/onnx/tensor/tensor.js';
import { externalFiles } from '../../../platform/external-files.js';
import { openFile } from '../../../platform/file-source.js';
import type { ModelLocation } from '../../../protocol/host-engine.js';

/** A model whose file stays open until it is closed: what is compared, run or written from is what was read. */
export interface ModelFile {
	readonly model: Model;
	readonly layers: readonly BatchNormLayer[];
	readonly access: TensorAccess;
	readonly source: ByteSource;
	/** Where external data are; undefined for a model that is only in memory. */
	readonly folder: string | undefined;
	close(): Promise<void>;
}

/** @throws {OnnxError} when it cannot be read as a model. */
export async function openModelFile({ path: file, bytes }: ModelLocation): Promise<ModelFile> {
	const opened = bytes === undefined ? await openFile(file) : undefined;
	try {
		const source = opened ?? memorySource(bytes ?? new Uint8Array(), file);
		const folder = opened === undefined ? undefined : path.dirname(file);
		const access = { source, ...(folder === undefined ? {} : { external: externalFiles(folder) }) };
		const model = await readModel(source);
		const layers = await findLayers(model, access);
		return { model, layers, access, source, folder, close: async () => opened?.close() };
	} catch (error) {
		await opened?.close();
		throw error;
	}
}
