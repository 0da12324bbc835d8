import { OnnxError } from '../../onnx/errors.js';
import type { Model } from '../../onnx/model.js';
import { readModel } from '../../onnx/read/reader.js';
import type { ByteSource } from '../../onnx/source.js';
import type { Checkpoint } from '../checkpoint.js';
import { detectFormat, UNKNOWN_FORMAT } from '../detect.js';
import { toOnnxError } from '../errors.js';
import { type OpenOptions, openCheckpoint } from '../open.js';
import { buildModel, readLayersAlone } from './build.js';

/** A file that was read as a model. */
export interface ReadModel {
	readonly model: Model;
	/** Set if the file is a checkpoint. */
	readonly checkpoint?: Checkpoint;
}

/**
 * Reads the structure of an ONNX model or of a checkpoint. The content decides the format, not the name.
 * @throws {OnnxError} as {@link readModel} does, also for checkpoints
 */
export async function readAnyModel(source: ByteSource, options: OpenOptions): Promise<ReadModel> {
	if (source.size === 0) {
		return { model: await readModel(source) };
	}
	try {
		const format = await detectFormat(source, options);
		if (format.kind === 'onnx') {
			return { model: await readModel(source) };
		}
		if (format.kind === 'other') {
			return { model: await readModel(source).catch((error) => explain(error, source, format.is)) };
		}
		const checkpoint = await openCheckpoint(source, options);
		return { model: buildModel(checkpoint, readLayersAlone(checkpoint)), checkpoint };
	} catch (error) {
		throw toOnnxError(error);
	}
}

/**
 * @param is the end of a sentence "it is …" about the recognized format
 * @throws an error that names the format, instead of the complaint of the ONNX reader
 */
function explain(error: unknown, { name }: ByteSource, is: string): never {
	const isForeign = error instanceof OnnxError && error.code === 'not-onnx' && is !== UNKNOWN_FORMAT;
	throw isForeign ? new OnnxError('not-onnx', `${name} is not an ONNX model: it is ${is}.`, 0) : error;
}
