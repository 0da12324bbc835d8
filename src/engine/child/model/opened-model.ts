import path from 'node:path';
import { findLayers, findNormalizations } from '../../../core/batchnorm/find.js';
import type { BatchNormLayer } from '../../../core/batchnorm/layer.js';
import type { Checkpoint } from '../../../core/formats/checkpoint.js';
import { readAnyModel } from '../../../core/formats/model/read-model.js';
import { OnnxError } from '../../../core/onnx/errors.js';
import type { Model } from '../../../core/onnx/model.js';
import { type ByteSource, memorySource } from '../../../core/onnx/source.js';
import type { TensorAccess } from '../../../core/onnx/tensor/tensor.js';
import { formatWords } from '../../../core/report/formats.js';
import { externalFiles } from '../../../platform/external-files.js';
import { openFile } from '../../../platform/file-source.js';
import { inflate } from '../../../platform/inflate.js';
import type { ModelLocation } from '../../../protocol/host-engine.js';
import { InputError } from '../tensors/errors.js';

/**
 * A model that has been read and stays available until it is closed. Its file stays open, so that running, comparing
 * and writing use the same bytes even if the file is replaced meanwhile.
 */
export interface OpenedModel {
	readonly model: Model;
	/** Set if the file is a checkpoint. It has weights and no graph, so that it cannot be run or edited. */
	readonly checkpoint?: Checkpoint;
	/** Layers in the order of {@link findLayers}, which layer indices refer to. */
	readonly layers: readonly BatchNormLayer[];
	readonly source: ByteSource;
	/** Reads the values of its constants. */
	readonly access: TensorAccess;
	/** Folder of external data; undefined for a model in memory. */
	readonly folder: string | undefined;
	close(): Promise<void>;
}

/** Properties of a file that stands for another one. */
interface StandIn {
	/** Folder of external data, if it is not the model's own. */
	readonly folder?: string | undefined;
	/** Path in messages, if it is not the file's own. */
	readonly name?: string;
}

/**
 * Opens a model with its foldable and comparable layers.
 * @throws {OnnxError} if the file cannot be read as a model.
 */
export function openModel(location: ModelLocation, standIn: StandIn = {}): Promise<OpenedModel> {
	return open(location, findLayers, standIn);
}

/**
 * Opens a model with its hand-built normalizations as layers, too.
 * @throws {OnnxError} as {@link openModel}
 */
export function openForInspection(location: ModelLocation): Promise<OpenedModel> {
	return open(location, findNormalizations);
}

async function open(
	{ path: file, bytes }: ModelLocation,
	find: typeof findLayers,
	{ folder: dataFolder = path.dirname(file), name = file }: StandIn = {},
): Promise<OpenedModel> {
	const opened = bytes === undefined ? await openFile(file) : undefined;
	try {
		const source = opened ? { ...opened, name } : memorySource(bytes ?? new Uint8Array(), name);
		const folder = opened === undefined ? undefined : dataFolder;
		const access = { source, ...(folder === undefined ? {} : { external: externalFiles(folder) }) };
		const { model, checkpoint } = await readAnyModel(source, { inflate });
		const layers = await find(model, access).catch((error) => {
			// A source that cannot be read names its file itself.
			const isNamed = !(error instanceof OnnxError) || error.code === 'io';
			throw isNamed ? error : new OnnxError(error.code, `${name}: ${error.message}`, error.offset);
		});
		const parts = { model, layers, access, source, folder, ...(checkpoint && { checkpoint }) };
		return { ...parts, close: async () => opened?.close() };
	} catch (error) {
		await opened?.close();
		throw error;
	}
}

/** @param purpose clause, for example "to fold in". @throws {InputError} for weights without a graph */
export function requireGraph({ model, checkpoint }: OpenedModel, purpose: string): void {
	if (checkpoint) {
		throw new InputError(
			`${model.path} is a ${formatWords(model)}, which has no graph ${purpose}: export the model to ONNX and take that file.`,
		);
	}
}
