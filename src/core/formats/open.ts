import type { ByteSource } from '../onnx/source.js';
import type { Checkpoint } from './checkpoint.js';
import { detectFormat } from './detect.js';
import { CheckpointError } from './errors.js';
import { type KerasOptions, readKerasArchive, readKerasFile } from './keras/read.js';
import { type CheckpointLimits, DEFAULT_CHECKPOINT_LIMITS } from './limits.js';
import { readLegacyCheckpoint } from './pytorch/legacy-container.js';
import { readPlainPickle } from './pytorch/plain-pickle.js';
import type { PytorchOptions } from './pytorch/read.js';
import { readZipCheckpoint } from './pytorch/zip-container.js';
import { readSafetensors } from './safetensors/read.js';
import type { Inflate } from './zip/archive.js';

export interface OpenOptions {
	readonly inflate: Inflate;
	readonly limits?: Partial<CheckpointLimits>;
	/** Keys that lead to the part of a PyTorch file to read, for example ["ema"]; undefined chooses it. */
	readonly part?: readonly string[];
}

/**
 * Reads the structure of a checkpoint of any format. Values of tensors stay in the file, and no code in it is executed.
 * @throws {CheckpointError} for a file that is not a readable checkpoint
 * @throws {OnnxError} `io` from the source
 */
export async function openCheckpoint(source: ByteSource, options: OpenOptions): Promise<Checkpoint> {
	const format = await detectFormat(source, options);
	switch (format.kind) {
		case 'safetensors':
			return readSafetensors(source, options.limits);
		case 'hdf5':
			return readKerasFile(source, kerasOptions(options));
		case 'keras':
			return readKerasArchive(source, format.archive, kerasOptions(options));
		case 'onnx':
			throw unreadable(source, 'an ONNX model, not a checkpoint');
		case 'other':
			throw unreadable(source, format.is);
		case 'pytorch':
		case 'torchscript':
			return readZipCheckpoint(source, format.archive, pytorchOptions(options));
		case 'pytorch-legacy':
			return readLegacyCheckpoint(source, pytorchOptions(options));
		case 'pickle':
			return readPlainPickle(source, pytorchOptions(options));
	}
}

function kerasOptions({ inflate, limits }: OpenOptions): KerasOptions {
	return { inflate, limits: { ...DEFAULT_CHECKPOINT_LIMITS, ...limits } };
}

function pytorchOptions({ limits, part }: OpenOptions): PytorchOptions {
	return { limits: { ...DEFAULT_CHECKPOINT_LIMITS, ...limits }, ...(part && { part }) };
}

/** @param is the end of a sentence "NAME is …" */
function unreadable({ name }: ByteSource, is: string): CheckpointError {
	return new CheckpointError('unknown-format', `${name} is ${is}.`, 0);
}
