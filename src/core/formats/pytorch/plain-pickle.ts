import type { ByteSource } from '../../onnx/source.js';
import { failure } from '../../result.js';
import type { Checkpoint } from '../checkpoint.js';
import { CheckpointError } from '../errors.js';
import { unpickle } from './pickle/machine.js';
import { buildCheckpoint, type PytorchOptions } from './read.js';

/**
 * Reads a pickle that pickle.dump wrote, for example a dictionary of NumPy arrays. Its arrays are inside of the pickle, so
 * the whole file is read.
 * @throws {CheckpointError}
 */
export async function readPlainPickle(source: ByteSource, options: PytorchOptions): Promise<Checkpoint> {
	const { name: path, size } = source;
	const { limits } = options;
	if (size > limits.plainPickleBytes) {
		throw new CheckpointError(
			'limit',
			`${path} is a pickle of ${size} bytes, more than the limit of ${limits.plainPickleBytes} (plainPickleBytes): save the state_dict with torch.save.`,
		);
	}
	const { value } = unpickle(new Uint8Array(await source.read(0, size)), 0, { path, limits });
	const storages = {
		find: () => failure('pickle.dump did not write its storage: save the state_dict with torch.save'),
	};
	return buildCheckpoint(source, { format: 'pytorch', root: value, storages }, options);
}
