import path from 'node:path';
import { OnnxError } from '../../../core/onnx/errors.js';
import { byteSize, externalTensors } from '../../../core/onnx/graph/external-tensors.js';
import type { ExternalRange } from '../../../core/onnx/model.js';
import { readRawTensor } from '../../../core/onnx/tensor/raw-tensor.js';
import type { ModelLocation } from '../../../protocol/host-engine.js';
import type { OpenedModel } from './opened-model.js';

/** Returns the paths of all files of a model's external data. */
export function externalPaths({ model, folder }: Pick<OpenedModel, 'model' | 'folder'>): readonly string[] {
	const locations = new Set(externalTensors(model).map(({ range }) => range.location));
	return folder === undefined ? [] : Array.from(locations, (location) => path.resolve(folder, location));
}

/** Returns the paths of a model's own file, if any, and of its external data. */
export function modelPaths({ path, bytes }: ModelLocation, model: OpenedModel): readonly string[] {
	return [...(bytes === undefined ? [path] : []), ...externalPaths(model)];
}

/**
 * Checks that all external data of a model exist in full; folding and comparing need all weights.
 * @throws {OnnxError} `external-data`, naming the model and the file.
 */
export async function requireExternalFiles({ model, access }: OpenedModel): Promise<void> {
	const ends = new Map<string, number>();
	for (const { record, range, bytes } of externalTensors(model)) {
		const end = range.offset + bytes;
		if (!isPlace(range) || bytes < byteSize(record)) {
			// Its reader explains why the place is impossible.
			await readRawTensor(record, access);
		}
		ends.set(range.location, Math.max(ends.get(range.location) ?? 0, Number.isSafeInteger(end) ? end : 0));
	}
	for (const [location, end] of ends) {
		const file = await access.external?.open(location).catch((error) => {
			throw error instanceof OnnxError ? new OnnxError(error.code, `${model.path}: ${error.message}`) : error;
		});
		if (file && file.size < end) {
			const sizes = `has ${file.size} bytes where ${end} are needed`;
			throw new OnnxError('external-data', `${model.path}: The external data file "${location}" ${sizes}.`);
		}
	}
}

function isPlace({ offset }: ExternalRange): boolean {
	return Number.isSafeInteger(offset) && offset >= 0;
}
